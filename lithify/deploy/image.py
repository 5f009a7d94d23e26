"""``type: image``: a disk image that boots by UEFI: GPT, an ESP with systemd-boot, an ext4 root."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify.config import parse_size
from lithify.deploy.esp import BOOT_LOADER, REMOVABLE_PATH, boot_files, write_esp
from lithify.deploy.ext4 import write_ext4
from lithify.deploy.layout import MIB, SMALLEST_FAT32, Layout, esp_room, lay_out, table_script
from lithify.deploy.order import Order, Works, fixed_environment, text_value
from lithify.errors import DeployError, HostError, UsageError
from lithify.process import find_program, run
from lithify.store.entries import Entry
from lithify.store.reading import Repository

DEFAULT_ARGUMENTS = "console=ttyS0 rw"
DEFAULT_ESP = 64 * MIB
LONGEST_COMMAND_LINE = 2047
"""Bytes that a kernel for x86 takes; it cuts off the rest."""
BOOT_LOADERS = ("systemd-boot", "none")
TOOLS = {
    "mkfs.ext4": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "sfdisk": "fdisk",
    "mkfs.vfat": "dosfstools",
    "mmd": "mtools",
    "mcopy": "mtools",
}
"""Program → Debian package."""


class ImageType:
    """The deployment type ``image``."""

    upgrades = False
    fields: Mapping[str, str] = {
        "size": "size of the whole disk; without it, what the content needs and an eighth more",
        "root-size": "size of the root partition",
        "esp-size": "size of the EFI system partition (64M, or what the kernel needs)",
        "kernel-arguments": f"the kernel's command line ({DEFAULT_ARGUMENTS}); root= and lithify's own are added",
        "boot-loader": "systemd-boot, or none",
    }

    def check(self, order: Order) -> None:
        """Raise for sizes and choices that cannot be, and :class:`HostError` for missing programs."""
        for name in ("size", "root-size", "esp-size"):
            _size(order, name)
        esp = _size(order, "esp-size")
        if esp is not None and esp < SMALLEST_FAT32:
            raise DeployError(
                f"{order.name}: esp-size is less than FAT32 can be",
                hints=[f"the least is {SMALLEST_FAT32 // MIB}M"],
            )
        chosen = text_value(order, "boot-loader", BOOT_LOADERS[0])
        if chosen not in BOOT_LOADERS:
            raise DeployError(
                f"{order.name}: unknown boot-loader {chosen!r}", hints=[f"known: {', '.join(BOOT_LOADERS)}"]
            )
        kernel_arguments(order, "0" * 36)
        missing = {program: package for program, package in TOOLS.items() if find_program(program) is None}
        if missing:
            raise HostError(
                f"to make images, this machine lacks {', '.join(missing)}",
                hints=[f"sudo apt-get install -y {' '.join(sorted(set(missing.values())))}"],
            )

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Write the image to ``target``."""
        repository, content = works.repository, order.content
        entries = list(repository.entries(content.tree, content.manifest))
        booted = _booted_files(order, repository, entries)
        try:
            layout = lay_out(
                entries,
                content.digest,
                esp_size=_esp_size(order, booted),
                root_size=_size(order, "root-size"),
                disk_size=_size(order, "size"),
            )
        except DeployError as error:
            raise DeployError(f"{order.name}: {error.message}", hints=error.hints) from error
        sources: dict[str, Path | bytes] = {path: source for path, (source, _) in booted.items()}
        kernel = next((path for path in booted if path != REMOVABLE_PATH), None)
        if kernel is not None:
            sources |= boot_files(order.system, kernel, kernel_arguments(order, layout.root.id))
        root, esp = works.scratch / "root.img", works.scratch / "esp.img"
        write_ext4(root, entries, repository.file_path, layout, works.scratch)
        write_esp(esp, sources, size=layout.esp.size, volume_id=layout.volume_id, scratch=works.scratch)
        _assemble(target, layout, esp, root)


def _booted_files(
    order: Order, repository: Repository, entries: Sequence[Entry]
) -> dict[str, tuple[Path, int]]:
    """Return what goes from the system's tree to the ESP: path there → object and size; the kernel is one of them."""
    if text_value(order, "boot-loader", BOOT_LOADERS[0]) == "none":
        return {}
    loader = next((entry for entry in entries if entry.path == BOOT_LOADER and entry.checksum), None)
    kernel = kernel_of(entries)
    if kernel is None or loader is None:
        missing = "kernel (boot/vmlinuz-*)" if kernel is None else f"boot loader (/{BOOT_LOADER})"
        raise DeployError(
            f"{order.name}: the system {order.system} has no {missing}",
            hints=["add a chunk that installs it, or `boot-loader: none`"],
        )
    return {
        REMOVABLE_PATH: (repository.file_path(loader.checksum), loader.size),
        kernel.path.rpartition("/")[2]: (repository.file_path(kernel.checksum), kernel.size),
    }


def _esp_size(order: Order, booted: Mapping[str, tuple[Path, int]]) -> int:
    needed = esp_room([size for _, size in booted.values()] + [MIB])
    given = _size(order, "esp-size")
    if given is None:
        return max(DEFAULT_ESP, needed)
    if given < needed and booted:
        raise DeployError(
            f"{order.name}: boot loader and kernel need an EFI system partition of {needed // MIB} MiB",
            hints=["give a larger `esp-size:`, or none"],
        )
    return given // MIB * MIB


def kernel_arguments(order: Order, root_partition: str) -> str:
    """Return the kernel's command line: the deployment's own, the root, and the system's name and content digest.

    A ``root=`` of its own stays alone. Raises :class:`DeployError` for one that a boot entry or a kernel cannot hold.
    """
    own = text_value(order, "kernel-arguments", DEFAULT_ARGUMENTS).strip()
    if not own.isprintable():
        raise DeployError(f"{order.name}: kernel-arguments hold a line break or a control character")
    root = "" if re.search(r"(^| )root=", own) else f"root=PARTUUID={root_partition.lower()}"
    system = re.sub(r"[\s\"]", "_", order.system)
    parts = (own, root, f"lithify.system={system}", f"lithify.digest={order.content.digest}")
    line = " ".join(part for part in parts if part)
    if len(line.encode()) > LONGEST_COMMAND_LINE:
        raise DeployError(
            f"{order.name}: the kernel's command line has {len(line.encode())} bytes; it takes {LONGEST_COMMAND_LINE}"
        )
    return line


def kernel_of(entries: Sequence[Entry]) -> Entry | None:
    """Return the newest kernel of a system, or None: of ``boot/vmlinuz*``, else of ``usr/lib/modules/*/vmlinuz``."""
    files = [entry for entry in entries if entry.kind in ("file", "link")]
    kernels = [entry for entry in files if re.fullmatch(r"boot/vmlinuz[^/]*", entry.path)] or [
        entry for entry in files if re.fullmatch(r"usr/lib/modules/[^/]+/vmlinuz", entry.path)
    ]
    return max(kernels, key=lambda entry: _as_version(entry.path), default=None)


def _as_version(name: str) -> list[tuple[int, str]]:
    """Return a key by which 6.9 sorts before 6.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _size(order: Order, name: str) -> int | None:
    text = text_value(order, name)
    try:
        return parse_size(text, name) if text else None
    except UsageError as error:
        raise DeployError(f"{order.name}: {error.message}") from error


def _assemble(target: Path, layout: Layout, esp: Path, root: Path) -> None:
    with target.open("wb") as disk:
        disk.truncate(layout.size)
    run(
        ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", str(target)],
        env=fixed_environment(),
        stdin=table_script(layout).encode(),
    )
    with target.open("r+b") as disk:
        for image, partition in ((esp, layout.esp), (root, layout.root)):
            _copy_sparse(image, disk.fileno(), partition.offset)
        os.fsync(disk.fileno())


def _copy_sparse(source: Path, target: int, offset: int) -> None:
    """Copy what a file holds to an offset of another, inside the kernel; its holes stay holes."""
    with source.open("rb") as file:
        descriptor = file.fileno()
        end = os.fstat(descriptor).st_size
        position = 0
        while position < end:
            try:
                position = os.lseek(descriptor, position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return  # nothing but a hole is left
                raise
            hole = os.lseek(descriptor, position, os.SEEK_HOLE)
            os.lseek(target, offset + position, os.SEEK_SET)
            while position < hole:
                position += os.sendfile(target, descriptor, position, hole - position)
