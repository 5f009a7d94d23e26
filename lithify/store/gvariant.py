"""OSTree's directory and commit objects as bytes: the GVariant framing, decoded and encoded in plain Python.

The stored form is documented (ostree's ``ostree-core.h`` and the GVariant specification): an array or tuple of things of
unknown length ends with a table of offsets, whose width (1, 2, 4 or 8 bytes, little-endian) follows from the whole length.
Decoding here is about 20 times faster than ``GLib.Variant.unpack``, and needs no GObject.

Whatever is decoded may come from a remote: each fault raises :class:`ValueError`, and a directory holds no name that could
lead out of it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from msgspec import Struct, field

CHECKSUM_BYTES = 32
_SHORT = 0xFF - 2 * CHECKSUM_BYTES - 2
"""Names up to here, their NUL counted, leave their entry with offsets of one byte."""
_NO_NAMES = ("", ".", "..")
Xattrs = tuple[tuple[bytes, bytes], ...]
"""(name without the final NUL, value), sorted by name."""


class Tree(Struct, frozen=True):
    """A folder in the store: the checksums of its content and of its own owner, mode and xattrs."""

    dirtree: str
    dirmeta: str


class Dirtree(Struct, frozen=True):
    """What a folder holds, each part sorted by name."""

    files: tuple[tuple[str, str], ...] = ()
    """(name, checksum) of each file and symlink."""
    dirs: tuple[tuple[str, str, str], ...] = ()
    """(name, checksum of its dirtree, checksum of its dirmeta) of each folder."""


class Dirmeta(Struct, frozen=True, kw_only=True):
    """A folder's owner, mode and xattrs."""

    uid: int = 0
    gid: int = 0
    mode: int = 0o40755
    """With the type bits of a folder."""
    xattrs: Xattrs = ()


class CommitObject(Struct, frozen=True, kw_only=True):
    """What a commit object holds that lithify reads."""

    metadata: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """The entries whose values are text or lists of text; others are left out."""
    subject: str = ""
    timestamp: int = 0
    """Seconds since 1970."""
    tree: Tree


def checksum_of(data: bytes) -> str:
    """Return the name of a metadata object: SHA-256 of its bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def decode_dirtree(data: bytes) -> Dirtree:
    """Return the folder that ``data`` (``(a(say)a(sayay))``) describes.

    Raises :class:`ValueError` for broken framing, names that are no names of a file, unsorted or doubled names.
    """
    width = _width(len(data))
    end = len(data) - width
    middle = int.from_bytes(data[end:], "little")
    if end < 0 or middle > end:
        raise ValueError("a directory object is cut off")
    files = _decode_files(data[:middle]) if middle else []
    dirs = _decode_dirs(data[middle:end]) if middle < end else []
    _check_names([entry[0] for entry in files], [entry[0] for entry in dirs])
    return Dirtree(tuple(files), tuple(dirs))


def _decode_files(data: bytes) -> list[tuple[str, str]]:
    """Return (name, checksum) of an ``a(say)``; written out, since a merge decodes tens of thousands of them."""
    files = []
    start = 0
    for end in _ends(data):
        if end - start < CHECKSUM_BYTES:
            raise ValueError("a file in a directory object is cut off")
        if end - start <= 0xFF:
            last = end - 1
            cut = start + data[last]
        else:
            last = end - 2
            cut = start + int.from_bytes(data[last:end], "little")
        if last - cut != CHECKSUM_BYTES or cut <= start or data[cut - 1]:
            raise ValueError("a file in a directory object is broken")
        files.append((data[start : cut - 1].decode(), data[cut:last].hex()))
        start = end
    return files


def _decode_dirs(data: bytes) -> list[tuple[str, str, str]]:
    """Return (name, dirtree, dirmeta) of an ``a(sayay)``."""
    dirs = []
    start = 0
    for end in _ends(data):
        if end - start < CHECKSUM_BYTES:
            raise ValueError("a folder in a directory object is cut off")
        if end - start <= 0xFF:
            last = end - 2
            second, cut = start + data[last], start + data[last + 1]
        else:
            last = end - 4
            second = start + int.from_bytes(data[last : last + 2], "little")
            cut = start + int.from_bytes(data[last + 2 : end], "little")
        if second - cut != CHECKSUM_BYTES or last - second != CHECKSUM_BYTES or cut <= start or data[cut - 1]:
            raise ValueError("a folder in a directory object is broken")
        dirs.append((data[start : cut - 1].decode(), data[cut:second].hex(), data[second:last].hex()))
        start = end
    return dirs


def encode_dirtree(folder: Dirtree) -> bytes:
    """Return the bytes of a folder, which is sorted here; the exact form that libostree writes."""
    files = [_encode_child(name, bytes.fromhex(checksum)) for name, checksum in sorted(folder.files)]
    dirs = [
        _encode_child(name, bytes.fromhex(tree), bytes.fromhex(meta))
        for name, tree, meta in sorted(folder.dirs)
    ]
    return _tuple_of((_array_of(files), _array_of(dirs)))


def _encode_child(name: str, *checksums: bytes) -> bytes:
    """Return an ``(say)`` or ``(sayay)``: what :func:`_tuple_of` gives, and faster for names that are not long."""
    text = name.encode()
    first = len(text) + 1
    if first > _SHORT:
        return _tuple_of((text + b"\0", *checksums))
    if len(checksums) == 1:
        return b"".join((text, b"\0", checksums[0], bytes((first,))))
    return b"".join((text, b"\0", *checksums, bytes((first + CHECKSUM_BYTES, first))))


def decode_dirmeta(data: bytes) -> Dirmeta:
    """Return the owner, mode and xattrs that ``data`` (``(uuua(ayay))``, big-endian) describes, or raise ``ValueError``."""
    if len(data) < 12:
        raise ValueError("a folder's metadata object is cut off")
    uid, gid, mode = struct.unpack(">III", data[:12])
    xattrs = []
    for part in _elements(data[12:]):
        last = len(part) - _width(len(part))
        cut = int.from_bytes(part[last:], "little")
        if not 0 < cut <= last or part[cut - 1]:
            raise ValueError("a folder's metadata object has a broken xattr")
        xattrs.append((part[: cut - 1], part[cut:last]))
    return Dirmeta(uid=uid, gid=gid, mode=mode, xattrs=tuple(xattrs))


def encode_dirmeta(meta: Dirmeta) -> bytes:
    """Return the bytes of a folder's owner, mode and xattrs; the exact form that libostree writes."""
    return struct.pack(">III", meta.uid, meta.gid, meta.mode) + encode_xattrs(meta.xattrs)


def encode_xattrs(xattrs: Xattrs) -> bytes:
    """Return xattrs as ``a(ayay)``, sorted by name."""
    return _array_of([_tuple_of((name + b"\0", value)) for name, value in sorted(xattrs)])


def encode_file_header(uid: int, gid: int, mode: int, target: str, xattrs: Xattrs) -> bytes:
    """Return the header that a file object's checksum begins with; the file's content follows it.

    It is the variant ``(uuuusa(ayay))`` (uid, gid, mode, rdev 0, link target, xattrs) below its length and four zero bytes.
    """
    start = struct.pack(">IIII", uid, gid, mode, 0) + target.encode() + b"\0"
    attributes = encode_xattrs(xattrs)
    # one offset, that of the target's end; the xattrs are last and need none
    variant = start + attributes + _offsets([len(start)], len(start) + len(attributes))
    return struct.pack(">II", len(variant), 0) + variant


def encode_commit(commit: CommitObject) -> bytes:
    """Return the bytes of a commit without parent, related objects and body; the exact form that libostree writes."""
    metadata = _array_of([_metadata_entry(name, value) for name, value in commit.metadata.items()], 8)
    subject = commit.subject.encode() + b"\0"
    # metadata, parent, related, subject, body: all that stands before the time, which begins at a multiple of 8
    before = metadata + subject + b"\0"
    ends = [len(metadata), len(metadata), len(metadata), len(metadata) + len(subject), len(before)]
    time = bytes(-len(before) % 8) + struct.pack(">Q", commit.timestamp)
    tree, meta = bytes.fromhex(commit.tree.dirtree), bytes.fromhex(commit.tree.dirmeta)
    body = before + time + tree + meta
    ends.append(len(body) - len(meta))
    return body + _offsets(list(reversed(ends)), len(body))


def _metadata_entry(name: str, value: str | tuple[str, ...]) -> bytes:
    """Return a dictionary entry ``{sv}`` with a text or a list of texts."""
    key = name.encode() + b"\0"
    if isinstance(value, str):
        variant = value.encode() + b"\0\0s"
    else:
        variant = _array_of([text.encode() + b"\0" for text in value]) + b"\0as"
    body = key + bytes(-len(key) % 8) + variant
    return body + _offsets([len(key)], len(body))


def decode_commit(data: bytes) -> CommitObject:
    """Return what ``data`` (``(a{sv}aya(say)sstayay)``) says, or raise ``ValueError``."""
    width = _width(len(data))
    table = len(data) - 6 * width
    if table < 0:
        raise ValueError("a commit object is cut off")
    # ends of metadata, parent, related, subject, body and root tree, last first; the time between body and tree is fixed
    ends = [int.from_bytes(data[at : at + width], "little") for at in range(table, len(data), width)]
    tree_end, body_end, subject_end, related_end, _parent_end, metadata_end = ends
    time_at = _aligned(body_end, 8)
    if tree_end - (time_at + 8) != CHECKSUM_BYTES or table - tree_end != CHECKSUM_BYTES:
        raise ValueError("a commit object names no tree")
    return CommitObject(
        metadata=_decode_metadata(data[:metadata_end]),
        subject=_text(data[related_end:subject_end]),
        timestamp=int.from_bytes(data[time_at : time_at + 8], "big"),
        tree=Tree(data[time_at + 8 : tree_end].hex(), data[tree_end:table].hex()),
    )


def _decode_metadata(data: bytes) -> dict[str, str | tuple[str, ...]]:
    """Return the text entries of an ``a{sv}``; dictionary entries and variants start at multiples of 8."""
    found: dict[str, str | tuple[str, ...]] = {}
    for entry in _elements(data, alignment=8):
        last = len(entry) - _width(len(entry))
        cut = int.from_bytes(entry[last:], "little")
        value = entry[_aligned(cut, 8) : last]
        content, _, kind = value.rpartition(b"\0")
        if kind == b"s":
            found[_text(entry[:cut])] = _text(content)
        elif kind == b"as":
            found[_text(entry[:cut])] = tuple(_text(item) for item in _elements(content))
    return found


def _elements(data: bytes, alignment: int = 1) -> list[bytes]:
    """Return the elements of an array whose elements have no fixed length."""
    parts = []
    start = 0
    for end in _ends(data):
        parts.append(data[start:end])
        start = end if alignment == 1 else _aligned(end, alignment)
    return parts


def _ends(data: bytes) -> Sequence[int]:
    """Return where each element of an array ends, from the table behind them; each at or after the one before."""
    if not data:
        return ()
    width = _width(len(data))
    table = int.from_bytes(data[len(data) - width :], "little")
    count, rest = divmod(len(data) - table, width)
    if table > len(data) or rest:
        raise ValueError("an array's table of offsets is broken")
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
    ends: Sequence[int] = data[table:] if width == 1 else struct.unpack(f"<{count}{code}", data[table:])
    if not ends or ends[-1] != table or sorted(ends) != list(ends):
        raise ValueError("an array's offsets are out of order")
    return ends


def _check_names(files: list[str], dirs: list[str]) -> None:
    """Raise :class:`ValueError` for names that are no file's, not sorted, or there twice."""
    if len(files) + len(dirs) > 1:  # many folders hold one thing, and need not be compared with themselves
        if len({*files, *dirs}) != len(files) + len(dirs):
            raise ValueError("a directory object holds a name twice")
        if sorted(files) != files or sorted(dirs) != dirs:
            raise ValueError("a directory object is not sorted")
    for name in (*files, *dirs):
        if name in _NO_NAMES or "/" in name or "\0" in name:
            raise ValueError("a directory object holds a name that is no file's")


def _text(data: bytes) -> str:
    if not data or data[-1]:
        raise ValueError("a text in an object has no end")
    return data[:-1].decode()


def _array_of(parts: Sequence[bytes], alignment: int = 1) -> bytes:
    """Return an array: the elements, each at a multiple of ``alignment``, then where each ends, in order."""
    if not parts:
        return b""
    pieces = []
    ends = []
    at = 0
    for part in parts:
        if gap := -at % alignment:
            pieces.append(bytes(gap))
        pieces.append(part)
        at += gap + len(part)
        ends.append(at)
    return b"".join(pieces) + _offsets(ends, at)


def _tuple_of(parts: Sequence[bytes]) -> bytes:
    """Return a tuple of unaligned members of unknown length: where each but the last ends stands behind them, last first."""
    body = b"".join(parts)
    ends = []
    at = 0
    for part in parts[:-1]:
        at += len(part)
        ends.append(at)
    return body + _offsets(ends[::-1], len(body))


def _offsets(ends: Sequence[int], length: int) -> bytes:
    """Return the table of offsets behind ``length`` bytes, as narrow as the whole allows."""
    for width, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q")):
        if length + width * len(ends) <= _limit(width):
            return struct.pack(f"<{len(ends)}{code}", *ends)
    raise ValueError("a container is too long")


def _width(length: int) -> int:
    """Return how many bytes each offset has in a container of ``length`` bytes."""
    return 1 if length <= 0xFF else 2 if length <= 0xFFFF else 4 if length <= 0xFFFFFFFF else 8


def _limit(width: int) -> int:
    return (1 << (8 * width)) - 1


def _aligned(position: int, alignment: int) -> int:
    return (position + alignment - 1) // alignment * alignment
