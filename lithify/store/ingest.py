"""A folder on the disk as a tree: each file's checksum computed where it lies, so that it need only be renamed into the store.

What libostree does for ``ostree commit --consume``, with the same objects as its result. Debian's libostree hashes with GLib,
at a fifth of the speed of OpenSSL, and renames each file twice.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from msgspec import Struct

from lithify.errors import UnsafeContent
from lithify.store.checking import file_checksum
from lithify.store.entries import read_xattrs
from lithify.store.folders import PLAIN_DIRMETA, PLAIN_FOLDER, Folder, check_depth
from lithify.store.gvariant import Dirmeta, checksum_of, encode_dirmeta, encode_file_header

PLAIN_HEADER = encode_file_header(0, 0, stat.S_IFREG | 0o644, "", ())
"""What comes before the content in the checksum of a file that is owned by 0:0, has 0644 and no xattrs."""
PROGRAM_HEADER = encode_file_header(0, 0, stat.S_IFREG | 0o755, "", ())
"""The same, of one that has 0755."""
_LINK = stat.S_IFLNK | 0o777


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
            _check_name(item.path, item.name)
            if stat.S_ISDIR(status.st_mode):
                check_depth(depth, item.path[len(top) + 1 :])
                child = folder.dirs[item.name] = reading.folder(item.path, status)
                waiting.append((item.path, child, depth + 1))
            else:
                folder.files[item.name] = reading.file(item.path, status)
    return Ingest(root=root, files=reading.files, dirmetas=reading.dirmetas)


def plain_ingest(rows: Iterable[tuple[str, str, str]], place: str) -> Ingest:
    """Return what a plain tree is in the store: owned by 0:0, folders 0755, without xattrs.

    ``rows`` are kind (``d``, ``f``, ``l``), path, and a file's checksum or where a link leads; each folder comes before what
    is in it. Files and links lie in ``place`` as 0, 1, 2, …, the first of equal ones alone; names and targets are UTF-8.
    """
    meta = encode_dirmeta(PLAIN_FOLDER)
    root = Folder(meta=PLAIN_DIRMETA, firm=True)
    folders = {"": root}
    files: dict[str, str] = {}
    for kind, path, content in rows:
        parent, _, name = path.rpartition("/")
        if kind == "d":
            folders[parent].dirs[name] = folders[path] = Folder(meta=PLAIN_DIRMETA, firm=True)
            continue
        checksum = content if kind == "f" else checksum_of(encode_file_header(0, 0, _LINK, content, ()))
        folders[parent].files[name] = checksum
        files.setdefault(checksum, f"{place}/{len(files)}")
    return Ingest(root=root, files=files, dirmetas={PLAIN_DIRMETA: meta})


def _check_name(path: str, name: str) -> None:
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise _no_text(path, "has a name") from error


def _no_text(path: str, what: str) -> UnsafeContent:
    """Return the error for what is not UTF-8: libostree would store something else."""
    return UnsafeContent(f"{os.fsencode(path)!r} {what} that is not UTF-8")


class _Reading:
    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.dirmetas: dict[str, bytes] = {}

    def folder(self, place: str, status: os.stat_result) -> Folder:
        meta = Dirmeta(uid=status.st_uid, gid=status.st_gid, mode=status.st_mode, xattrs=read_xattrs(place))
        data = encode_dirmeta(meta)
        checksum = checksum_of(data)
        self.dirmetas[checksum] = data
        return Folder(meta=checksum, firm=True)

    def file(self, place: str, status: os.stat_result) -> str:
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            raise UnsafeContent(f"{place!r} is neither a file nor a folder nor a symlink")
        try:
            checksum = file_checksum(place, status)
        except UnicodeEncodeError as error:
            raise _no_text(place, "has a target") from error
        self.files[checksum] = place
        return checksum
