"""A source tree's digest, and the form that every source tree gets before it has one.

The digest is over sorted entries: path, kind, permissions, owner, content or link target, capability, and which paths are one
file. Sources other than Debian packages have 0755 and 0644, 0:0 (:func:`level`), so the caller's umask and id are in no digest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from pathlib import Path

from msgspec import Struct
from msgspec.structs import astuple

from lithify.errors import UnsafeContent
from lithify.sources.plain_tree import (
    Special,
    content_of,
    digest_rows,
    file_digest,
    is_git,
    look_of,
    plain_mode,
    plain_rows,
    walk,
)

__all__ = ["file_digest", "is_git", "plain_mode", "walk"]


_NANOSECONDS = 1_000_000_000
_CAPABILITY = "security.capability"
SETTLED_NS = 3_000_000_000
"""A file whose status changed this short ago may change again and look the same: no look at it is relied upon."""


class Entry(Struct, frozen=True, kw_only=True):
    """One file, folder or link of a tree."""

    path: bytes
    """Below the root."""
    kind: bytes
    """``d``, ``f``, ``l``; ``h`` for a further name of a file that stands before it."""
    mode: int
    uid: int
    gid: int
    content: bytes
    """Hex SHA-256 of a file, a link's target, the first path of a hard link."""
    capability: bytes = b""


def digest_entries(entries: Collection[Entry]) -> str:
    """Return the digest of a tree, 64 hex digits; the order of ``entries`` does not matter."""
    return digest_rows(astuple(entry) for entry in entries)


def seal(root: Path, *, time: int, leave_out: Collection[Path] = (), known: str | None = None) -> str:
    """Give everything below ``root`` the same time, and return the digest of the tree.

    ``time``: seconds. ``leave_out``: folders that are kept as they are, and that the digest does not see. ``known`` is the
    digest where whoever made the tree has it already; then no file is read.
    """
    stamp = (time * _NANOSECONDS, time * _NANOSECONDS)
    hidden = {os.fsencode(path) for path in leave_out}
    top = os.fsencode(root)
    # Sorted, so that it does not depend on the file system which of several hard links comes first.
    found = sorted(walk(top, hidden.__contains__), key=lambda item: item[0])
    if known is None:
        first_names: dict[tuple[int, int], bytes] = {}
        known = digest_entries(
            [_entry(path, path[len(top) + 1 :], status, first_names) for path, status in found]
        )
    for path, _ in reversed(found):  # folders after what is in them, which changes their time
        os.utime(path, ns=stamp, follow_symlinks=False)
    os.utime(top, ns=stamp)
    return known


def _entry(
    path: bytes, relative: bytes, status: os.stat_result, first_names: dict[tuple[int, int], bytes]
) -> Entry:
    first = relative
    if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
        first = first_names.setdefault((status.st_dev, status.st_ino), relative)
    try:
        kind, content = (b"h", first) if first != relative else content_of(path, status)
    except Special as error:
        raise _unsafe(relative) from error
    return Entry(
        path=relative,
        kind=kind,
        mode=0o777 if kind == b"l" else stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        content=content,
        capability=_capability(path) if stat.S_ISREG(status.st_mode) else b"",
    )


def _capability(path: bytes) -> bytes:
    try:
        return os.getxattr(path, _CAPABILITY, follow_symlinks=False)
    except OSError:
        return b""  # none, or a file system without


def level(root: Path) -> None:
    """Give everything below ``root`` plain permissions: 0755 for folders and programs, 0644 for the rest."""
    for path, status in walk(os.fsencode(root)):
        wanted = plain_mode(status)
        if not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(status.st_mode) != wanted:
            os.chmod(path, wanted)


def read_plain(root: Path, skip: Callable[[bytes], bool]) -> str:
    """Return the digest that a folder has as a plain source tree, changing nothing in it.

    ``skip`` says of a path that it, and all below it, is none of the source. Raises :class:`UnsafeContent` for what is no
    file, folder or link.
    """
    try:
        return digest_rows(plain_rows(os.fsencode(root), skip))
    except Special as error:
        raise _unsafe(os.path.relpath(error.args[0], os.fsencode(root))) from error


def _unsafe(relative: bytes) -> UnsafeContent:
    return UnsafeContent(f"{os.fsdecode(relative)!r} is neither a file nor a folder nor a link")


def plain_digest(found: Path) -> str:
    """Return the digest that a folder without ``.git``, or a file alone, has as a plain source tree; see :func:`read_plain`."""
    status = found.stat()
    if stat.S_ISDIR(status.st_mode):
        return read_plain(found, is_git)
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeContent(f"{found.name} is neither a file nor a folder")
    return read_plain(found.parent, lambda path: path != os.fsencode(found))


class Look(Struct, frozen=True, kw_only=True):
    """How a folder, or a file, looks without reading any content."""

    digest: str
    """Over every path with its mode, device, inode, size and times; ``.git`` left out."""
    newest: int
    """When the last status in it changed, nanoseconds since 1970."""
    size: int
    """Bytes of all that it holds."""
    count: int
    """Files, folders and links."""


def look_at(found: Path) -> Look:
    """Return how a folder or file looks now; two looks are the same where no content was changed between them.

    That holds for changes that the file system's clock tells apart: a content read within its last tick, some milliseconds
    up to two seconds after ``newest``, may change again and look the same.
    """
    status = found.stat()
    whole = stat.S_ISDIR(status.st_mode)
    top = os.fsencode(found)
    items = list(walk(top, is_git)) if whole else [(top, status)]
    return Look(
        digest=look_of(items),
        newest=max((status.st_ctime_ns for _, status in items), default=0),
        size=sum(status.st_size for _, status in items),
        count=len(items),
    )
