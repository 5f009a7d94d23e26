"""A folder on the disk as a tree: each file's checksum computed where it lies, so that it need only be renamed into the store.

What libostree does for ``ostree commit --consume``, with the same objects as its result. Debian's libostree hashes with GLib,
at a fifth of the speed of OpenSSL, and renames each file twice.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping

from msgspec import Struct

from lithify.errors import UnsafeContent
from lithify.store.entries import read_xattrs
from lithify.store.folders import Folder, check_depth
from lithify.store.gvariant import Dirmeta, Xattrs, checksum_of, encode_dirmeta, encode_file_header

_AT_ONCE = 1 << 18
"""Bytes read at a time; most files are smaller."""


class Ingest(Struct, frozen=True, kw_only=True):
    """What a folder is in the store."""

    root: Folder
    files: Mapping[str, str]
    """Checksum → a path at which a file or symlink with it lies."""
    dirmetas: Mapping[str, bytes]
    """Checksum → object: owners, modes and xattrs of folders."""


def read_folder(top: str) -> Ingest:
    """Return what the folder at ``top`` is in the store; nothing in it is changed.

    Every file is read, as it is in the namespace in which the store is written. Raises :class:`UnsafeContent` for what is no
    file, folder or symlink, or has a name or target that is not UTF-8, and ``OSError`` as the system says.
    """
    reading = _Reading()
    root = reading.folder(top, os.lstat(top))
    waiting: list[tuple[str, Folder, int]] = [(top, root, 1)]
    while waiting:
        place, folder, depth = waiting.pop()
        with os.scandir(place) as found:
            items = list(found)
        for item in items:
            status = item.stat(follow_symlinks=False)
            _check_text(item.path, item.name, "has a name")
            if stat.S_ISDIR(status.st_mode):
                check_depth(depth, item.path[len(top) + 1 :])
                child = folder.dirs[item.name] = reading.folder(item.path, status)
                waiting.append((item.path, child, depth + 1))
            else:
                folder.files[item.name] = reading.file(item.path, status)
    return Ingest(root=root, files=reading.files, dirmetas=reading.dirmetas)


def _check_text(path: str, text: str, what: str) -> None:
    """Raise :class:`UnsafeContent` for what is not UTF-8: libostree would store something else."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UnsafeContent(f"{os.fsencode(path)!r} {what} that is not UTF-8") from error


class _Reading:
    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.dirmetas: dict[str, bytes] = {}
        self._headers: dict[tuple[int, int, int, Xattrs], bytes] = {}

    def folder(self, place: str, status: os.stat_result) -> Folder:
        meta = Dirmeta(uid=status.st_uid, gid=status.st_gid, mode=status.st_mode, xattrs=_attributes(place))
        data = encode_dirmeta(meta)
        checksum = checksum_of(data)
        self.dirmetas[checksum] = data
        return Folder(meta=checksum, firm=True)

    def file(self, place: str, status: os.stat_result) -> str:
        attributes = _attributes(place)
        if stat.S_ISREG(status.st_mode):
            key = (status.st_uid, status.st_gid, status.st_mode, attributes)
            header = self._headers.get(key)
            if header is None:
                header = self._headers[key] = encode_file_header(*key[:3], "", attributes)
            digest = hashlib.sha256(header)
            for part in _parts(place):
                digest.update(part)
            checksum = digest.hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(place)
            _check_text(place, target, "has a target")
            header = encode_file_header(status.st_uid, status.st_gid, status.st_mode, target, attributes)
            checksum = hashlib.sha256(header).hexdigest()
        else:
            raise UnsafeContent(f"{place!r} is neither a file nor a folder nor a symlink")
        self.files[checksum] = place
        return checksum


def _attributes(place: str) -> Xattrs:
    return read_xattrs(place) if os.listxattr(place, follow_symlinks=False) else ()


def _parts(place: str) -> Iterator[bytes]:
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while part := os.read(descriptor, _AT_ONCE):
            yield part
            if len(part) < _AT_ONCE:
                return
    finally:
        os.close(descriptor)
