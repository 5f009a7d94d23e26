"""What a build left is captured: DESTDIR is walked completely once, before anything of it is moved into the store.

The walk decides first and changes afterwards: where something cannot be kept, the folder stays as the build left it. No
process of the build is alive any more, so nothing changes underneath.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from lithify.errors import UnsafeContent
from lithify.store.folders import DEEPEST
from lithify.store.manifest import Device, Manifest, manifest_of

KEPT_XATTRS = ("security.capability", "user.", "system.posix_acl_access", "system.posix_acl_default")
"""Every other xattr is taken off: it is the host's, not the content's. So is one without a value, which no commit holds."""
_OVERLAY_XATTRS = ("user.overlay.", "trusted.overlay.", "user.fuseoverlayfs.")
_OPAQUE = frozenset(f"{prefix}opaque" for prefix in _OVERLAY_XATTRS)
_FUSE_MARKS = frozenset({b".wh..wh..opq", b".wh..opq"})
BIGGEST_FOLDER = 10 << 20
"""Bytes of the object that lists a folder: libostree's limit in Debian 12, about 200,000 names."""
_BYTES_A_NAME = 40
LONGEST_PATH = 3500
"""Bytes below the top: the kernel's limit is 4,096 for a whole path, and the store's own folders stand before it."""
MOST_BYTES = 256 << 30
"""Of all files, as ``ls`` counts them: the store reads every one, a sparse file of a terabyte for an hour."""
MOST_REFUSALS_TOLD = 10


class Captured(Struct, frozen=True, kw_only=True):
    """A DESTDIR, ready to be moved into the store."""

    manifest: Manifest
    files: int
    """Regular files and symlinks."""
    folders: int
    bytes: int


class UpperChanges(Struct, frozen=True, kw_only=True):
    """What an upper layer says, beside the files left in it: they are ready to be moved into the store."""

    removed: tuple[str, ...]
    """Paths of the layers below that are gone."""
    opaque: tuple[str, ...]
    """Folders that replace what is below them, rather than unite with it."""
    manifest: Manifest
    files: int


class _Walk(Struct):
    """What one walk found; every path is absolute, as bytes."""

    top: bytes
    files: list[bytes] = field(default_factory=list)
    symlinks: int = 0
    folders: int = 0
    size: int = 0
    nodes: list[tuple[bytes, os.stat_result]] = field(default_factory=list)
    inodes: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)
    xattrs: list[tuple[bytes, str]] = field(default_factory=list)
    """Attributes to take off."""
    whiteouts: list[bytes] = field(default_factory=list)
    marks: list[bytes] = field(default_factory=list)
    """Files that a mount method keeps notes in."""
    opaque: list[bytes] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def refuse(self, path: bytes, why: str) -> None:
        """Note what cannot be kept; a long path is told by its end."""
        relative = path[len(self.top) :]
        self.refusals.append(
            f"{shown(relative)} {why}" if len(relative) < 500 else f"…{shown(relative[-200:])} {why}"
        )

    def relative(self, path: bytes) -> str:
        """Return a path as the manifest has it."""
        return os.fsdecode(path[len(self.top) + 1 :])


def shown(path: bytes) -> str:
    """Return a path as text, with what is not UTF-8 or not printable escaped."""
    text = path.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text) or "/"


def capture_destdir(folder: os.PathLike[str]) -> Captured:
    """Make a DESTDIR ready for the store and return what OSTree cannot hold of it.

    Devices, fifos and sockets are taken out, into the manifest; hard links are listed there; foreign xattrs are taken off;
    every file's mtime becomes 0. Raises :class:`UnsafeContent`, naming the paths, before anything is changed where a name or
    link target is not UTF-8, an xattr would act on a mount, or a folder is too big.
    """
    walk = _walk(os.fsencode(folder), upper=False)
    _raise_refusals(walk, "cannot be kept")
    manifest = _manifest(walk)
    _clean(walk)
    return Captured(
        manifest=manifest, files=len(walk.files) + walk.symlinks, folders=walk.folders, bytes=walk.size
    )


def capture_upper(folder: os.PathLike[str]) -> UpperChanges:
    """Make an overlay's upper layer ready for the store and return what it says beside its files.

    What the mount method wrote for itself (whiteouts, xattrs, marks) is taken out. Raises like :func:`capture_destdir`.
    """
    walk = _walk(os.fsencode(folder), upper=True)
    _raise_refusals(walk, "cannot be kept")
    manifest = _manifest(walk)
    _clean(walk)
    for path in (*walk.whiteouts, *walk.marks):
        os.unlink(path)
    return UpperChanges(
        removed=tuple(sorted(walk.relative(path) for path in walk.whiteouts)),
        opaque=tuple(sorted({walk.relative(path) for path in walk.opaque})),
        manifest=manifest,
        files=len(walk.files) + walk.symlinks,
    )


def _walk(top: bytes, *, upper: bool) -> _Walk:
    walk = _Walk(top)
    _look_at_xattrs(walk, top, upper=upper)
    _look_at_size(walk, top, os.listdir(top))
    for path, info, names in _entries(walk):
        kind = stat.S_IFMT(info.st_mode)
        name = os.path.basename(path)
        if upper and name in _FUSE_MARKS:
            walk.marks.append(path)
            walk.opaque.append(os.path.dirname(path))
            continue
        if not _is_text(name):
            walk.refuse(path, "has a name that is not UTF-8")
        if kind == stat.S_IFLNK:
            walk.symlinks += 1
            _look_at_xattrs(walk, path, upper=upper)
            target = os.readlink(path)
            if not _is_text(target):
                walk.refuse(path, f"leads to {shown(target)}, which is not UTF-8")
            continue
        if upper and kind == stat.S_IFCHR and info.st_rdev == 0:
            walk.whiteouts.append(path)
            continue
        if kind == stat.S_IFDIR:
            walk.folders += 1
            _look_at_size(walk, path, names)
        elif kind == stat.S_IFREG:
            walk.files.append(path)
            walk.size += info.st_size
            if info.st_nlink > 1:
                walk.inodes.setdefault((info.st_dev, info.st_ino), []).append(path)
        else:
            walk.nodes.append((path, info))
        _look_at_xattrs(walk, path, upper=upper)
    if walk.size > MOST_BYTES:
        walk.refuse(top, f"holds {walk.size} bytes in all: more than {MOST_BYTES >> 30} GiB")
    return walk


def _entries(walk: _Walk) -> Iterator[tuple[bytes, os.stat_result, list[bytes]]]:
    """Yield every path below the top with its state, and of folders the names in them; no link is followed."""
    waiting = [(walk.top, os.listdir(walk.top))]
    while waiting:
        folder, names = waiting.pop()
        for name in names:
            path = folder + b"/" + name
            if len(path) - len(walk.top) > LONGEST_PATH:
                walk.refuse(
                    folder, f"is too deep: its path and the names in it are over {LONGEST_PATH} bytes"
                )
                break
            info = os.lstat(path)
            within: list[bytes] = []
            if stat.S_ISDIR(info.st_mode):
                if path.count(b"/") - walk.top.count(b"/") > DEEPEST:
                    walk.refuse(path, f"is too deep: folders are nested more than {DEEPEST} deep")
                    continue
                within = os.listdir(path)
                waiting.append((path, within))
            yield path, info, within


def _look_at_size(walk: _Walk, path: bytes, names: Sequence[bytes]) -> None:
    if sum(len(name) + _BYTES_A_NAME for name in names) > BIGGEST_FOLDER:
        walk.refuse(path, f"is a folder of {len(names)} entries: more than the store can hold in one")


def _look_at_xattrs(walk: _Walk, path: bytes, *, upper: bool) -> None:
    for name in os.listxattr(path, follow_symlinks=False):
        if name.startswith(_OVERLAY_XATTRS):
            escaped = name.count("overlay.") > 1 or name.endswith("redirect")
            if not upper or escaped:
                walk.refuse(path, f"has the attribute {name}, which would act on a mount")
                continue
            if name in _OPAQUE and os.getxattr(path, name, follow_symlinks=False) == b"y":
                walk.opaque.append(path)
            walk.xattrs.append((path, name))
        elif not name.startswith(KEPT_XATTRS) or not os.getxattr(path, name, follow_symlinks=False):
            walk.xattrs.append((path, name))


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _raise_refusals(walk: _Walk, why: str) -> None:
    if not walk.refusals:
        return
    told = sorted(walk.refusals)
    more = f"; and {len(told) - MOST_REFUSALS_TOLD} more" if len(told) > MOST_REFUSALS_TOLD else ""
    raise UnsafeContent(
        f"what was installed {why}: {'; '.join(told[:MOST_REFUSALS_TOLD])}{more}",
        hints=["rename or leave it out in the chunk's `post-install-commands`"],
    )


def _manifest(walk: _Walk) -> Manifest:
    devices = [device_at(walk.relative(path), info) for path, info in walk.nodes]
    links = [[walk.relative(path) for path in group] for group in walk.inodes.values()]
    return manifest_of(devices, links)


def device_at(path: str, info: os.stat_result) -> Device:
    """Return how the manifest has a device, fifo or socket of this status."""
    kind = stat.S_IFMT(info.st_mode)
    numbered = kind in (stat.S_IFCHR, stat.S_IFBLK)
    return Device(
        path=path,
        type="c"
        if kind == stat.S_IFCHR
        else "b"
        if kind == stat.S_IFBLK
        else "p"
        if kind == stat.S_IFIFO
        else "s",
        mode=stat.S_IMODE(info.st_mode),
        uid=info.st_uid,
        gid=info.st_gid,
        major=os.major(info.st_rdev) if numbered else 0,
        minor=os.minor(info.st_rdev) if numbered else 0,
    )


def _clean(walk: _Walk) -> None:
    for path, name in walk.xattrs:
        try:
            os.removexattr(path, name, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.ENODATA:  # gone with another name of the same file
                raise
    for path, _ in walk.nodes:
        os.unlink(path)
    for path in walk.files:
        os.utime(path, ns=(0, 0))
