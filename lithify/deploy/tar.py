"""``type: tar``: the whole system as one tar file, the same bytes each time (POSIX.1-2001 pax)."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lithify.deploy.order import Order, Works
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.store.entries import Entry
from lithify.store.reading import Repository

_TYPES = {
    "dir": tarfile.DIRTYPE,
    "file": tarfile.REGTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
}
_DEVICE_TYPES = {"c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE, "p": tarfile.FIFOTYPE}


class TarType:
    """The deployment type ``tar``."""

    fields: Mapping[str, str] = {}

    def check(self, order: Order) -> None:
        """Nothing can be wrong before it is written."""

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Write the tar to ``target``."""
        write_tar(target, order, works.repository)


def write_tar(target: Path, order: Order, repository: Repository) -> None:
    """Write a system's tree: sorted, owners as numbers, hard links, devices and xattrs kept; sockets are left out."""
    with target.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for entry in repository.entries(order.content.tree, order.content.manifest):
                member = _member(entry)
                if member is None:
                    continue
                if entry.kind == "file":
                    with repository.file_path(entry.checksum).open("rb") as content:
                        archive.addfile(member, content)
                else:
                    archive.addfile(member)
        file.flush()
        os.fsync(file.fileno())


def _member(entry: Entry) -> tarfile.TarInfo | None:
    if entry.device is not None and entry.device.type == "s":
        return None  # tar has no sockets; whoever listens makes it again
    member = tarfile.TarInfo(f"./{entry.path}" if entry.path else "./")
    member.type = _DEVICE_TYPES[entry.device.type] if entry.device is not None else _TYPES[entry.kind]
    member.mode = entry.mode
    member.uid, member.gid = entry.uid, entry.gid
    member.mtime = SOURCE_DATE_EPOCH
    if entry.kind == "file":
        member.size = entry.size
    elif entry.kind == "symlink":
        member.linkname = entry.target
    elif entry.kind == "link":
        member.linkname = f"./{entry.hardlink_to}"
    if entry.device is not None:
        member.devmajor, member.devminor = entry.device.major, entry.device.minor
    member.pax_headers = {
        f"SCHILY.xattr.{key.rstrip(bytes(1)).decode()}": value.decode("utf-8", "surrogateescape")
        for key, value in entry.xattrs
    }
    return member
