"""Whether an object is what its name says: its checksum, computed from what lies on the disk."""

from __future__ import annotations

import hashlib
import os
import stat

from lithify.sources.plain_tree import parts
from lithify.store.damage import DamagedObject, ObjectKind
from lithify.store.entries import read_xattrs
from lithify.store.gvariant import checksum_of, encode_file_header


def file_checksum(place: str, status: os.stat_result | None = None) -> str:
    """Return the checksum of the regular file or symlink at ``place``: over owner, mode, xattrs and content.

    ``status`` is what ``lstat`` says of it, where that is known. True only in the namespace in which the store is written,
    where owners are what they should be. Raises :class:`UnicodeEncodeError` for a link's target that is no text.
    """
    status = status or os.lstat(place)
    target = os.readlink(place) if stat.S_ISLNK(status.st_mode) else ""
    header = encode_file_header(status.st_uid, status.st_gid, status.st_mode, target, read_xattrs(place))
    digest = hashlib.sha256(header)
    if not stat.S_ISLNK(status.st_mode):
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for part in parts(descriptor):
                digest.update(part)
        finally:
            os.close(descriptor)
    return digest.hexdigest()


def check_file(place: str, checksum: str) -> None:
    """Raise :class:`DamagedObject` where the object at ``place`` is missing or not what ``checksum`` says."""
    try:
        found = file_checksum(place)
    except FileNotFoundError as error:
        raise DamagedObject("file", checksum, "is missing") from error
    except OSError as error:
        raise DamagedObject("file", checksum, f"cannot be read: {error.strerror}") from error
    except UnicodeError:
        found = ""  # a link's target that is no text, which none that was stored is
    if found != checksum:
        raise DamagedObject("file", checksum, "is not what its checksum says")


def check_metadata(place: str, kind: ObjectKind, checksum: str) -> None:
    """Do what :func:`check_file` does, for a commit, dirtree or dirmeta."""
    try:
        with open(place, "rb", buffering=0) as content:
            data = content.readall()
    except FileNotFoundError as error:
        raise DamagedObject(kind, checksum, "is missing") from error
    except OSError as error:
        raise DamagedObject(kind, checksum, f"cannot be read: {error.strerror}") from error
    if checksum_of(data or b"") != checksum:
        raise DamagedObject(kind, checksum, "is not what its checksum says")
