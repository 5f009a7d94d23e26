"""How a disk image is divided: partitions, sizes and ids. Pure; everything fixed follows from the system's content digest."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from msgspec import Struct

from lithify.errors import DeployError
from lithify.store.entries import Entry

MIB = 1 << 20
SECTOR = 512
BLOCK = 4096
INODE = 256
FIRST = MIB
"""Where the first partition begins, and what is left at the end for the second partition table."""
SLACK = 16 * MIB
"""What a root file system of no given size has left, beside an eighth of its content."""
SMALLEST_EXT4 = 9 * MIB
"""With 8 MiB or less, mkfs.ext4 makes no journal."""
SMALLEST_FAT32 = 34 * MIB
"""FAT32 has 65525 clusters or more; with fewer it would be taken for FAT16."""
SMALLEST_JOURNAL = 4 * MIB
JOURNALS = ((64 * MIB, 1024 * MIB), (16 * MIB, 128 * MIB))
"""Larger ones, each with the size from which on a root file system has it, if the content leaves room."""
LARGEST_INLINE = 1024
"""Blocks of a file of which we trust that its extents stand in its inode; a larger one may need a block for them."""
SHORT_TARGET = 60
"""Bytes of a symlink's target from which on it has a block."""
ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
"""Root partition of x86-64 (Discoverable Partitions Specification)."""
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


class Partition(Struct, frozen=True, kw_only=True):
    """One partition: sizes and offsets are bytes, multiples of a MiB."""

    name: str
    type: str
    id: str
    offset: int
    size: int


class Layout(Struct, frozen=True, kw_only=True):
    """A whole disk."""

    id: str
    size: int
    esp: Partition
    root: Partition
    inodes: int
    """Of the root file system."""
    journal: int
    """Bytes, of the root file system too."""
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
    esp_size: int,
    root_size: int | None = None,
    disk_size: int | None = None,
) -> Layout:
    """Return the layout of an image for a tree; the root partition takes what ``disk_size`` leaves, else what it needs.

    Sizes that are no multiple of a MiB are rounded down. Raises :class:`DeployError` where the content does not fit a given
    size, or the partitions the disk.
    """
    blocks, count = _needs(entries)
    inodes = _rounded(count + count // 10 + 256, 16)
    root_offset = FIRST + esp_size
    given = "size" if root_size is None else "root-size"
    if root_size is None and disk_size is not None:
        root_size = disk_size - root_offset - FIRST
    content = _content_size(blocks, inodes)
    needed = smallest_root(content)
    size = smallest_root(content + content // 8) + SLACK if root_size is None else root_size // MIB * MIB
    if size < needed:
        raise DeployError(
            f"the system needs {needed // MIB} MiB, and its root partition would have {max(0, size) // MIB}",
            hints=[f"give a larger `{given}:`, or none"],
        )
    total = root_offset + size + FIRST
    if disk_size is not None and total > disk_size // MIB * MIB:
        raise DeployError(
            f"the partitions need a disk of {total // MIB} MiB, and `size:` is {disk_size // MIB}",
            hints=["give a larger `size:`, or leave it out"],
        )
    return Layout(
        id=fixed_id(digest, "disk"),
        size=total if disk_size is None else disk_size // MIB * MIB,
        esp=Partition(name="esp", type=ESP_TYPE, id=fixed_id(digest, "esp"), offset=FIRST, size=esp_size),
        root=Partition(
            name="root", type=ROOT_TYPE, id=fixed_id(digest, "root"), offset=root_offset, size=size
        ),
        inodes=inodes,
        journal=journal_size(size, content),
        root_uuid=fixed_id(digest, "root file system").lower(),
        volume_id=hashlib.sha256(f"{digest} volume".encode()).hexdigest()[:8],
    )


def journal_size(size: int, content: int) -> int:
    """Return the bytes of the journal of a root file system of ``size`` bytes whose content takes ``content``."""
    fitting = (journal for journal, least in JOURNALS if size >= least and content + journal <= size)
    return next(fitting, SMALLEST_JOURNAL)


def _content_size(blocks: int, inodes: int) -> int:
    """Return what so many blocks and inodes take, two in a hundred more for bitmaps, descriptors and their room to grow."""
    content = blocks * BLOCK + inodes * INODE
    return content + content // 50 + MIB


def smallest_root(content: int) -> int:
    """Return the least bytes, a multiple of a MiB, of a root file system for a content."""
    return max(SMALLEST_EXT4, _rounded(content + SMALLEST_JOURNAL, MIB))


def esp_room(sizes: Iterable[int]) -> int:
    """Return the least bytes, a multiple of a MiB, of an ESP for files of the given sizes, no less than FAT32 can be."""
    content = sum(_rounded(size, BLOCK) + BLOCK for size in sizes)
    return max(SMALLEST_FAT32, _rounded(content + content // 50 + MIB, MIB))


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
    names: dict[str, int] = {}
    for entry in entries:
        parent, _, name = entry.path.rpartition("/")
        names[parent] = names.get(parent, 0) + 8 + _rounded(len(name.encode()), 4)
        if entry.kind == "link":
            continue
        count += 1
        if entry.kind == "file":
            data = -(-entry.size // BLOCK)
            blocks += data + (1 if data > LARGEST_INLINE else 0)
        elif entry.kind == "dir" or (entry.kind == "symlink" and entry.size >= SHORT_TARGET):
            blocks += 1
        if entry.xattrs:
            blocks += 1
    # a name may leave a block nine tenths full: the longest takes 264 bytes, and does not go over two blocks
    return blocks + sum(length // (BLOCK - 300) for length in names.values()), count


def _rounded(value: int, unit: int) -> int:
    return -(-value // unit) * unit
