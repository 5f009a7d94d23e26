"""``type: image``: a disk image that boots by UEFI: GPT, an ESP with systemd-boot, an ext4 root."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify.config import parse_size
from lithify.deploy.esp import BOOT_LOADER, REMOVABLE_PATH, boot_files, write_esp
from lithify.deploy.ext4 import write_ext4
from lithify.deploy.layout import MIB, Layout, lay_out, table_script
from lithify.deploy.order import Order, Works, fixed_environment, text_value
from lithify.errors import DeployError, UsageError
from lithify.process import run
from lithify.store.entries import Entry

DEFAULT_ARGUMENTS = "console=ttyS0 rw"
KERNEL_PREFIXES = ("boot/vmlinuz", "usr/lib/modules/")


class ImageType:
    """The deployment type ``image``."""

    fields: Mapping[str, str] = {
        "size": "size of the whole disk; without it, what the content needs and an eighth more",
        "root-size": "size of the root partition",
        "esp-size": "size of the EFI system partition (64M)",
        "kernel-arguments": f"the kernel's command line ({DEFAULT_ARGUMENTS}); root= and lithify's own are added",
        "boot-loader": "systemd-boot, or none",
    }

    def check(self, order: Order) -> None:
        """Raise for sizes and choices that cannot be."""
        for name in ("size", "root-size", "esp-size"):
            _size(order, name)
        if text_value(order, "boot-loader", "systemd-boot") not in ("systemd-boot", "none"):
            raise DeployError(f"{order.name}: boot-loader is systemd-boot or none")

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Write the image to ``target``."""
        repository, content = works.repository, order.content
        entries = list(repository.entries(content.tree, content.manifest))
        layout = lay_out(
            entries,
            content.digest,
            esp_size=_size(order, "esp-size") or 64 * MIB,
            root_size=_size(order, "root-size"),
            disk_size=_size(order, "size"),
        )
        root, esp = works.scratch / "root.img", works.scratch / "esp.img"
        write_ext4(
            root,
            entries,
            repository.file_path,
            size=layout.root.size,
            inodes=layout.inodes,
            uuid=layout.root_uuid,
            scratch=works.scratch,
        )
        write_esp(
            esp,
            self._boot_sources(order, works, entries, layout),
            size=layout.esp.size,
            volume_id=layout.volume_id,
            scratch=works.scratch,
        )
        _assemble(target, layout, esp, root)

    def _boot_sources(
        self, order: Order, works: Works, entries: Sequence[Entry], layout: Layout
    ) -> dict[str, Path | bytes]:
        if text_value(order, "boot-loader", "systemd-boot") == "none":
            return {}
        files = {entry.path: entry for entry in entries if entry.kind in ("file", "link")}
        kernel = kernel_of(entries)
        loader = files.get(BOOT_LOADER)
        if kernel is None or loader is None:
            missing = "kernel (boot/vmlinuz-*)" if kernel is None else f"boot loader (/{BOOT_LOADER})"
            raise DeployError(
                f"{order.name}: the system {order.system} has no {missing}",
                hints=["add a chunk that installs it, or `boot-loader: none`"],
            )
        name = kernel.path.rpartition("/")[2]
        sources: dict[str, Path | bytes] = {
            REMOVABLE_PATH: works.repository.file_path(loader.checksum),
            name: works.repository.file_path(kernel.checksum),
        }
        return {
            **sources,
            **boot_files(order.system, order.system, name, kernel_arguments(order, layout.root.id)),
        }


def kernel_arguments(order: Order, root_partition: str) -> str:
    """Return the kernel's command line: the deployment's own, the root, and the system's name and content digest."""
    own = text_value(order, "kernel-arguments", DEFAULT_ARGUMENTS)
    identity = f"lithify.system={order.system} lithify.digest={order.content.digest}"
    return f"{own} root=PARTUUID={root_partition.lower()} {identity}"


def kernel_of(entries: Sequence[Entry]) -> Entry | None:
    """Return the newest kernel of a system, by name, or None."""
    kernels = [
        entry for entry in entries if entry.kind in ("file", "link") and entry.path.startswith("boot/vmlinuz")
    ]
    kernels += [
        entry
        for entry in entries
        if entry.kind in ("file", "link")
        and entry.path.startswith("usr/lib/modules/")
        and entry.path.endswith("/vmlinuz")
    ]
    return kernels[-1] if kernels else None


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
    """Copy what a file holds to an offset of another; its holes stay holes."""
    with source.open("rb") as file:
        descriptor = file.fileno()
        end = os.fstat(descriptor).st_size
        position = 0
        while position < end:
            try:
                position = os.lseek(descriptor, position, os.SEEK_DATA)
            except OSError:
                return  # nothing but a hole is left
            hole = os.lseek(descriptor, position, os.SEEK_HOLE)
            while position < hole:
                data = os.pread(descriptor, min(hole - position, 1 << 20), position)
                os.pwrite(target, data, offset + position)
                position += len(data)
