"""How a disk image is divided: partitions, sizes and ids. Pure; everything fixed follows from the system's content digest."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from lithify.errors import DeployError
from lithify.store.entries import Entry

MIB = 1 << 20
SECTOR = 512
BLOCK = 4096
INODE = 256
FIRST = MIB
"""Where the first partition begins, and what is left at the end for the second partition table."""
ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
"""Root partition of x86-64 (Discoverable Partitions Specification)."""
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition: sizes and offsets are bytes, multiples of a MiB."""

    name: str
    type: str
    id: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A whole disk."""

    id: str
    size: int
    esp: Partition
    root: Partition
    inodes: int
    """Of the root file system."""
    root_uuid: str
    """Of the root file system, and the seed of its folder hashes."""
    volume_id: str
    """Of the ESP's file system, eight hex digits."""


def fixed_id(digest: str, purpose: str) -> str:
    """Return a UUID that follows from a content digest, another one for each purpose."""
    return str(
        uuid.UUID(bytes=hashlib.sha256(f"{digest} {purpose}".encode()).digest()[:16], version=4)
    ).upper()


def lay_out(
    entries: Iterable[Entry],
    digest: str,
    *,
    esp_size: int = 64 * MIB,
    root_size: int | None = None,
    disk_size: int | None = None,
) -> Layout:
    """Return the layout of an image for a tree; the root partition takes what ``disk_size`` leaves, else what it needs.

    Raises :class:`DeployError` where the content does not fit a given size.
    """
    blocks, count = _needs(entries)
    inodes = _rounded(count + count // 10 + 256, 16)
    smallest = _rounded(blocks * BLOCK + inodes * INODE + 4 * MIB, MIB)
    esp_size = _rounded(esp_size, MIB)
    root_offset = FIRST + esp_size
    if root_size is None and disk_size is not None:
        root_size = disk_size - root_offset - FIRST
    size = _rounded(smallest + smallest // 8 + 16 * MIB, MIB) if root_size is None else root_size // MIB * MIB
    if size < smallest:
        given = "root-size" if disk_size is None else "size"
        raise DeployError(
            f"the system needs {smallest // MIB} MiB, and the root partition would have {max(0, size) // MIB}",
            hints=[f"give a larger `{given}:`, or none"],
        )
    total = root_offset + size + FIRST
    if disk_size is not None:
        total = max(total, disk_size // MIB * MIB)
    return Layout(
        id=fixed_id(digest, "disk"),
        size=total,
        esp=Partition(name="esp", type=ESP_TYPE, id=fixed_id(digest, "esp"), offset=FIRST, size=esp_size),
        root=Partition(
            name="root", type=ROOT_TYPE, id=fixed_id(digest, "root"), offset=root_offset, size=size
        ),
        inodes=inodes,
        root_uuid=fixed_id(digest, "root file system").lower(),
        volume_id=hashlib.sha256(f"{digest} volume".encode()).hexdigest()[:8],
    )


def table_script(layout: Layout) -> str:
    """Return the partition table as ``sfdisk`` reads it."""
    lines = ["label: gpt", f"label-id: {layout.id}", "unit: sectors", f"first-lba: {FIRST // SECTOR}", ""]
    lines += [
        f"start={part.offset // SECTOR}, size={part.size // SECTOR}, type={part.type}, uuid={part.id}, name={part.name}"
        for part in (layout.esp, layout.root)
    ]
    return "\n".join(lines) + "\n"


def _needs(entries: Iterable[Entry]) -> tuple[int, int]:
    """Return how many blocks and inodes a tree takes, folders' and extents' blocks included."""
    blocks, count = 0, 0
    for entry in entries:
        if entry.kind == "link":
            continue
        count += 1
        if entry.kind == "dir":
            blocks += 1
        elif entry.kind == "file":
            data = -(-entry.size // BLOCK)
            blocks += data + (1 if data > 1024 else 0)
        elif entry.kind == "symlink" and entry.size >= 60:
            blocks += 1
        if entry.xattrs:
            blocks += 1
    return blocks + blocks // 50, count


def _rounded(value: int, unit: int) -> int:
    return -(-value // unit) * unit
