"""``type: tar``: the whole system as one tar file, the same bytes each time (POSIX.1-2001 pax).

The extended headers are written here: ``tarfile`` marks those with binary values (a capability, an ACL) by a keyword that
GNU tar complains of, and what it writes may change from one Python to the next.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from lithify.deploy.order import Order, Works
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.store.entries import Entry

_TYPES = {
    "dir": tarfile.DIRTYPE,
    "file": tarfile.REGTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
}
_DEVICE_TYPES = {"c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE, "p": tarfile.FIFOTYPE}
_LONGEST_NAME = 99
_LARGEST_ID = 0o7777777
_LARGEST_SIZE = 0o77777777777
"""What the fields of a plain header hold."""


class TarType:
    """The deployment type ``tar``."""

    upgrades = False
    fields: Mapping[str, str] = {}

    def check(self, order: Order) -> None:
        """Nothing can be wrong before it is written."""

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Write the tar to ``target``."""
        entries = works.repository.entries(order.content.tree, order.content.manifest)
        with target.open("wb") as file:
            write_tar(file, entries, works.repository.file_path)
            file.flush()
            os.fsync(file.fileno())


def write_tar(file: IO[bytes], entries: Iterable[Entry], object_path: Callable[[str], Path]) -> None:
    """Write entries as they come: owners as numbers, hard links, devices and xattrs kept; sockets are left out.

    ``file`` may be a pipe.
    """
    end = 0
    for entry in entries:
        if entry.device is not None and entry.device.type == "s":
            continue  # tar has no sockets; whoever listens makes it again
        head = header(entry)
        file.write(head)
        end += len(head)
        if entry.kind == "file":
            with object_path(entry.checksum).open("rb") as content:
                shutil.copyfileobj(content, file)
            padding = -entry.size % tarfile.BLOCKSIZE
            file.write(bytes(padding))
            end += entry.size + padding
    end += 2 * tarfile.BLOCKSIZE
    file.write(bytes(2 * tarfile.BLOCKSIZE + -end % tarfile.RECORDSIZE))


def header(entry: Entry) -> bytes:
    """Return an entry's header, with an extended one before it where a plain one cannot say all."""
    name = f"./{entry.path}/" if entry.kind == "dir" and entry.path else f"./{entry.path}"
    link = f"./{entry.hardlink_to}" if entry.kind == "link" else entry.target
    member = tarfile.TarInfo(_short(name))
    member.type = _DEVICE_TYPES[entry.device.type] if entry.device is not None else _TYPES[entry.kind]
    member.mode = entry.mode
    member.mtime = SOURCE_DATE_EPOCH
    member.linkname = _short(link)
    size = entry.size if entry.kind == "file" else 0
    member.size, member.uid, member.gid = size, entry.uid, entry.gid
    if entry.device is not None:
        member.devmajor, member.devminor = entry.device.major, entry.device.minor
    records: dict[str, bytes] = {}
    for keyword, text, kept in (("path", name, member.name), ("linkpath", link, member.linkname)):
        if text != kept:
            records[keyword] = text.encode()
    for keyword, number, largest in (
        ("size", size, _LARGEST_SIZE),
        ("uid", entry.uid, _LARGEST_ID),
        ("gid", entry.gid, _LARGEST_ID),
    ):
        if number > largest:
            records[keyword] = str(number).encode()
            setattr(member, keyword, 0)
    for key, value in entry.xattrs:
        name = key.rstrip(b"\0").decode().replace("%", "%25").replace("=", "%3D")  # as GNU tar writes them
        records[f"SCHILY.xattr.{name}"] = value
    return _extended(records) + _plain(member)


def _short(text: str) -> str:
    """Return what a plain header says of a name: all of it where it can."""
    return text.encode("ascii", "replace")[:_LONGEST_NAME].decode()


def _plain(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(format=tarfile.USTAR_FORMAT, encoding="ascii", errors="strict")


def _extended(records: Mapping[str, bytes]) -> bytes:
    """Return the extended header that holds ``records``, or nothing where there are none."""
    if not records:
        return b""
    data = b"".join(_record(keyword.encode(), value) for keyword, value in records.items())
    member = tarfile.TarInfo("././@PaxHeader")
    member.type = tarfile.XHDTYPE
    member.size = len(data)
    return _plain(member) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def _record(keyword: bytes, value: bytes) -> bytes:
    """Return ``LENGTH KEYWORD=VALUE``, its length counting its own digits."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
