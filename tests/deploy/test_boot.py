"""A system of a kernel, one static shell and a script boots from its image: by firmware, and by its kernel alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lithify.build.metadata import Content
from lithify.deploy.deployment import carry_out
from lithify.deploy.esp import BOOT_LOADER
from lithify.deploy.machine import Machine, MachinePlan, directly_booted, firmware_in
from lithify.deploy.order import Works
from tests.deploy.trees import digest_of, order_for, tool
from tests.staging.stacks import BUSYBOX, need_static_shell
from tests.store.trees import Dir, File, Node

pytestmark = [pytest.mark.boot, pytest.mark.network, pytest.mark.slow]

INIT = b"""\
#!/bin/busybox sh
/bin/busybox mount -t proc none /proc
echo "up: $(/bin/busybox cat /proc/cmdline)"
echo "owner: $(/bin/busybox stat -c %a /tmp) $(/bin/busybox stat -c %h /one) $(/bin/busybox cat /two)"
echo changed >/written && echo "written: $(/bin/busybox cat /written)"
/bin/busybox poweroff -f
"""
LINE = rb"up: (.*)\r?\n"
SECONDS = 180


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's kernel for virtual machines, fetched by apt."""
    place = tmp_path_factory.mktemp("kernel")
    said = tool("apt-cache", "depends", "--important", "linux-image-cloud-amd64")
    package = re.search(r"Depends: (linux-image-\S+)", said)
    if package is None:
        pytest.skip("apt knows no linux-image-cloud-amd64 here")
    subprocess.run(
        ["apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", package[1]],
        cwd=place,
        check=True,
        capture_output=True,
    )
    (archive,) = place.glob("*.deb")
    tool("dpkg-deb", "-x", archive, place / "tree")
    archive.unlink()
    (image,) = (place / "tree" / "boot").glob("vmlinuz-*")
    return image


@pytest.fixture
def image(kernel: Path, system: Callable[..., Content], works: Works, tmp_path: Path) -> Path:
    need_static_shell()
    loader = Path("/") / BOOT_LOADER
    if not loader.exists():
        pytest.skip("no systemd-boot here (package systemd-boot-efi)")
    spec: dict[str, Node] = {
        f"boot/{kernel.name}": File(kernel.read_bytes()),
        BOOT_LOADER: File(loader.read_bytes()),
        "bin/busybox": File(BUSYBOX.read_bytes(), 0o755),
        "sbin/init": File(INIT, 0o755),
        **{name: Dir() for name in ("proc", "dev", "sys")},
        "tmp": Dir(0o1777),
        "one": File(b"1"),
        "two": File(b"2"),
    }
    location = tmp_path / "disk.img"
    carry_out(order_for(system(spec), location), works)
    return location


def check_console(console: bytes) -> None:
    text = console.decode(errors="replace")
    assert re.search(r"up: .*lithify\.system=small lithify\.digest=[0-9a-f]{64}", text), text
    assert "owner: 1777 1 2" in text
    assert "written: changed" in text


def test_it_boots_by_its_kernel_alone_and_stays_as_it_is(image: Path, tmp_path: Path) -> None:
    before = digest_of(image)
    plan = directly_booted(MachinePlan(image=image), tmp_path)
    with Machine(plan) as machine:
        assert b"lithify.digest=" in machine.wait_for(LINE, SECONDS)[1]
        assert machine.wait(SECONDS) == 0
        check_console(bytes(machine.console))
    assert digest_of(image) == before, "what the machine wrote is thrown away"


def test_it_boots_by_firmware_and_keeps_what_it_wrote_when_asked(image: Path, tmp_path: Path) -> None:
    before = digest_of(image)
    plan = MachinePlan(image=image, firmware=firmware_in(tmp_path), writable=True)
    with Machine(plan) as machine:
        machine.wait_for(LINE, SECONDS)
        assert machine.wait(SECONDS) == 0
        check_console(bytes(machine.console))
    assert digest_of(image) != before


def test_it_boots_by_firmware_without_lithify(image: Path, tmp_path: Path) -> None:
    """Nothing but QEMU and OVMF: any UEFI machine would do."""
    shutil.copyfile("/usr/share/OVMF/OVMF_VARS_4M.fd", tmp_path / "variables.fd")
    done = subprocess.run(
        [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "512", "-nodefaults"),
            *("-display", "none", "-serial", "stdio", "-no-reboot"),
            *("-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"),
            *("-drive", f"if=pflash,format=raw,file={tmp_path}/variables.fd"),
            *("-drive", f"file={image},format=raw,if=none,id=d,snapshot=on"),
            *("-device", "nvme,drive=d,serial=1"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    check_console(done.stdout)
