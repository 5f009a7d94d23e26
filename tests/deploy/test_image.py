"""Disk images of systems in a real store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lithify.build.metadata import Content
from lithify.deploy.deployment import carry_out, check_order
from lithify.deploy.esp import ENTRY, REMOVABLE_PATH, parse_entry, read_esp
from lithify.deploy.image import TOOLS, kernel_arguments, kernel_of
from lithify.deploy.layout import FIRST, MIB, SECTOR
from lithify.deploy.machine import is_gpt_image
from lithify.deploy.order import Works
from lithify.errors import DeployError, HostError
from lithify.store.manifest import Device, manifest_of
from tests.deploy.trees import BOOTABLE, debugfs, digest_of, entry, order_for, tool
from tests.store.trees import Dir, File, Node, Symlink

Make = Callable[..., Content]

PLAIN: dict[str, Node] = {"etc/hostname": File(b"small\n"), "bin": Symlink("usr/bin")}


def bootable() -> dict[str, Node]:
    return {**PLAIN, **{path: File(path.encode()) for path in BOOTABLE}}


def parts_of(disk: Path, place: Path) -> tuple[Path, Path]:
    """Return the ESP and the root file system of an image, each as a file."""
    table = json.loads(tool("sfdisk", "--json", disk))["partitiontable"]
    made = []
    with disk.open("rb") as file:
        for part in table["partitions"]:
            file.seek(part["start"] * SECTOR)
            copy = place / part["name"]
            copy.write_bytes(file.read(part["size"] * SECTOR))
            made.append(copy)
    return made[0], made[1]


def test_an_image_is_a_disk_that_firmware_boots(system: Make, works: Works, tmp_path: Path) -> None:
    content = system(bootable())
    disk = tmp_path / "disk.img"
    carry_out(order_for(content, disk, kernel_arguments=["quiet", "console=ttyS1"]), works)
    assert is_gpt_image(disk)
    tool("sfdisk", "--verify", disk)
    esp, root = parts_of(disk, tmp_path)
    tool("e2fsck", "-fn", root)
    tool("fsck.vfat", "-n", esp)
    assert debugfs(root, "cat /etc/hostname") == "small\n"
    assert read_esp(disk, FIRST, REMOVABLE_PATH) == BOOTABLE[0].encode()
    assert read_esp(disk, FIRST, "vmlinuz-6.10") == b"boot/vmlinuz-6.10"
    kernel, arguments = parse_entry(read_esp(disk, FIRST, f"loader/entries/{ENTRY}").decode())
    table = json.loads(tool("sfdisk", "--json", disk))["partitiontable"]
    assert kernel == "vmlinuz-6.10"
    assert arguments.split() == [
        "quiet",
        "console=ttyS1",
        f"root=PARTUUID={table['partitions'][1]['uuid'].lower()}",
        "lithify.system=small",
        f"lithify.digest={content.digest}",
    ]
    assert disk.stat().st_blocks * 512 < disk.stat().st_size // 2, "what holds nothing takes nothing"
    assert sorted(path.name for path in works.scratch.iterdir() if path.suffix == ".partial") == []


def test_devices_and_hard_links_of_the_manifest_are_in_it(system: Make, works: Works, tmp_path: Path) -> None:
    manifest = manifest_of(
        [Device(path="dev/null", type="c", mode=0o666, major=1, minor=3)], [("etc/a", "etc/b")]
    )
    spec = {"dev": Dir(), "etc/a": File(b"x"), "etc/b": File(b"x"), "etc/c": File(b"x")}
    carry_out(order_for(system(spec, manifest), tmp_path / "d.img", boot_loader="none"), works)
    _, root = parts_of(tmp_path / "d.img", tmp_path)
    tool("e2fsck", "-fn", root)
    a, b, c = (debugfs(root, f"stat /etc/{name}").split()[1] for name in "abc")
    assert a == b != c
    assert "01:03" in debugfs(root, "stat /dev/null")


def test_the_same_system_gives_the_same_bytes(system: Make, works: Works, tmp_path: Path) -> None:
    content = system(bootable())
    (tmp_path / "another folder").mkdir()
    for location in (tmp_path / "one.img", tmp_path / "another folder" / "two, odd?.img"):
        carry_out(order_for(content, location), works)
        for left in works.scratch.iterdir():
            left.unlink()
        os.utime(works.scratch, (1, 1))
    assert digest_of(tmp_path / "one.img") == digest_of(tmp_path / "another folder" / "two, odd?.img")


def test_given_sizes_are_kept(system: Make, works: Works, tmp_path: Path) -> None:
    content = system(bootable())
    carry_out(
        order_for(content, tmp_path / "d.img", size="200M", root_size="64M", esp_size=str(36 * MIB)), works
    )
    assert (tmp_path / "d.img").stat().st_size == 200 * MIB
    esp, root = parts_of(tmp_path / "d.img", tmp_path)
    assert (esp.stat().st_size, root.stat().st_size) == (36 * MIB, 64 * MIB)


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"size": "many"}, "it: size is many, not a size such as 500M or 4G", ""),
        ({"esp_size": "1M"}, "it: esp-size is less than FAT32 can be", "the least is 34M"),
        ({"boot_loader": "grub"}, "it: unknown boot-loader 'grub'", "known: systemd-boot, none"),
        ({"kernel_arguments": "quiet\ninit=/x"}, "it: kernel-arguments hold a line break", ""),
        ({"kernel_arguments": "x" * 2000}, "it: the kernel's command line has 2", ""),
        ({"kernel_arguments": {"a": "b"}}, "it: kernel-arguments is a map, not a text", ""),
        ({"kernel_argument": "quiet"}, "it: image has no value kernel-argument", 'did you mean "kernel-arguments"'),
        ({"colour": "red"}, "it: image has no value colour", "image knows: size, root-size, esp-size"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_before_anything_is_made(
    values: dict[str, object], message: str, hint: str, system: Make, tmp_path: Path
) -> None:
    with pytest.raises(DeployError) as refused:
        check_order(order_for(system(bootable()), tmp_path / "d.img", **values))
    assert refused.value.message.startswith(message)
    assert hint in "".join(refused.value.hints)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (BOOTABLE[0], "it: the system small has no boot loader"),
        ("boot", "it: the system small has no kernel"),
    ],
)
def test_what_a_boot_needs_is_missed(
    missing: str, message: str, system: Make, works: Works, tmp_path: Path
) -> None:
    spec = {path: node for path, node in bootable().items() if not path.startswith(missing)}
    with pytest.raises(DeployError) as refused:
        carry_out(order_for(system(spec), tmp_path / "d.img"), works)
    assert refused.value.message.startswith(message)
    assert "boot-loader: none" in refused.value.hints[0]
    assert list(tmp_path.glob("*d.img*")) == list(tmp_path.glob(".d.img*")) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "60M"}, r"it: the system needs \d+ MiB"),
        ({"root_size": "8M"}, r"it: the system needs \d+ MiB"),
        ({"esp_size": "34M"}, r"it: boot loader and kernel need an EFI system partition of \d+ MiB"),
    ],
)
def test_sizes_that_are_too_small_name_the_deployment(
    values: dict[str, str], message: str, system: Make, works: Works, tmp_path: Path
) -> None:
    large = File(os.urandom(MIB) * 34)
    order = order_for(system({**bootable(), "boot/vmlinuz-7": large}), tmp_path / "d.img", **values)
    check_order(order)
    with pytest.raises(DeployError, match=message):
        carry_out(order, works)


@pytest.mark.slow
def test_a_large_kernel_gets_a_larger_esp(system: Make, works: Works, tmp_path: Path) -> None:
    large = File(os.urandom(MIB) * 70)
    carry_out(order_for(system({**bootable(), "boot/vmlinuz-7": large}), tmp_path / "d.img"), works)
    assert len(read_esp(tmp_path / "d.img", FIRST, "vmlinuz-7")) == 70 * MIB


def test_missing_programs_are_named_with_their_packages(
    system: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in TOOLS:
        if program not in ("mcopy", "mmd", "sfdisk"):
            (bare / program).symlink_to("/bin/true")
    monkeypatch.setattr("lithify.process.TOOL_PATH", str(bare))
    with pytest.raises(HostError, match="this machine lacks sfdisk, mmd, mcopy") as refused:
        check_order(order_for(system(PLAIN), tmp_path / "d.img"))
    assert refused.value.hints == ("sudo apt-get install -y fdisk mtools",)


def test_the_newest_kernel_is_taken_by_version() -> None:
    def chosen(*paths: str) -> str | None:
        found = kernel_of([entry(path, "file") for path in sorted(paths)])
        return found.path if found else None

    assert chosen("boot/vmlinuz-6.9.0", "boot/vmlinuz-6.10.0-rc1") == "boot/vmlinuz-6.10.0-rc1"
    assert chosen("boot/vmlinuz") == "boot/vmlinuz"
    assert chosen("boot/vmlinuz-5", "usr/lib/modules/6/vmlinuz") == "boot/vmlinuz-5"
    assert chosen("usr/lib/modules/6.1/vmlinuz", "usr/lib/modules/6.2/modules.dep") == (
        "usr/lib/modules/6.1/vmlinuz"
    )
    assert chosen("boot/vmlinuz/x", "boot/System.map", "usr/lib/modules/6/kernel/vmlinuz") is None


def test_the_command_line_is_the_deployments_own_and_says_what_runs(system: Make, tmp_path: Path) -> None:
    content = system(PLAIN)

    def line(**values: object) -> str:
        return kernel_arguments(order_for(content, tmp_path, **values), "AA-BB")

    identity = f"lithify.system=small lithify.digest={content.digest}"
    assert line() == f"console=ttyS0 rw root=PARTUUID=aa-bb {identity}"
    assert line(kernel_arguments='dyndbg="a  b"') == f'dyndbg="a  b" root=PARTUUID=aa-bb {identity}'
    assert line(kernel_arguments=["root=/dev/sda2", "ro"]) == f"root=/dev/sda2 ro {identity}"
    assert line(kernel_arguments="nfsroot=x") == f"nfsroot=x root=PARTUUID=aa-bb {identity}"
    assert line(kernel_arguments="") == f"root=PARTUUID=aa-bb {identity}"
    assert "lithify.system=my_s lithify" in line(system="my s"), "an argument ends at a blank"
