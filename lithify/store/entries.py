"""A tree as a list of entries, in a fixed order: what images, tar files, checkouts and file lists are made from.

Never from what ``stat`` says of a checkout: equal files share an inode there. Here a file is a hard link to another exactly
when the manifest says so.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Literal, Protocol

from msgspec import Struct

from lithify.errors import Damaged
from lithify.store.damage import DamagedObject
from lithify.store.gvariant import Tree, Xattrs
from lithify.store.loading import Loader
from lithify.store.manifest import Device, Manifest


class Entry(Struct, frozen=True, kw_only=True):
    """One path of a tree."""

    path: str
    """Below the root, without a leading slash; empty for the root itself."""
    kind: Literal["dir", "file", "symlink", "device", "link"]
    mode: int
    """Permission bits alone."""
    uid: int
    gid: int
    xattrs: Xattrs = ()
    size: int = 0
    """Bytes of a file or of a symlink's target."""
    checksum: str = ""
    """The object that holds a file, link or symlink."""
    target: str = ""
    """Where a symlink leads."""
    device: Device | None = None
    hardlink_to: str = ""
    """For a ``link``: the path, earlier in the order, of the file that it is."""


class FileLoader(Loader, Protocol):
    """A loader that also knows where file objects lie."""

    def file_place(self, checksum: str) -> str:
        """Return the path of a file object, which need not exist."""
        ...


def walk(loader: FileLoader, tree: Tree, manifest: Manifest) -> Iterator[Entry]:
    """Yield every entry of a tree: the root first, each folder before what it holds, names sorted in each folder.

    Owners, sizes and xattrs of files are read from the objects themselves, and are true only in the namespace in which the
    store is written. Raises :class:`Damaged` for an object that is missing.
    """
    first_of = _first_names(manifest)
    devices = _by_folder(manifest)
    linked: dict[tuple[str, ...], str] = {}
    pending: list[tuple[str, str, object]] = [("", "", tree)]
    while pending:
        path, _, item = pending.pop()
        if isinstance(item, Device):
            yield Entry(path=path, kind="device", mode=item.mode, uid=item.uid, gid=item.gid, device=item)
        elif isinstance(item, str):
            group = first_of.get(path)
            yield _file_entry(loader, path, item, linked.get(group, "") if group else "")
            if group:
                linked.setdefault(group, path)
        elif isinstance(item, Tree):
            meta = loader.dirmeta(item.dirmeta)
            yield Entry(
                path=path,
                kind="dir",
                mode=stat.S_IMODE(meta.mode),
                uid=meta.uid,
                gid=meta.gid,
                xattrs=meta.xattrs,
            )
            pending.extend(reversed(_children(loader, path, item, devices.pop(path, ()))))
    if devices:
        raise Damaged(f"the manifest names a device in a folder that the tree lacks: /{next(iter(devices))}")


def paths(loader: Loader, tree: Tree, manifest: Manifest) -> list[str]:
    """Return every path of a tree but the root, in the order of :func:`walk`; reads folders alone, and no file object."""
    devices = _by_folder(manifest)
    found: list[str] = []
    pending: list[tuple[str, str, object]] = [("", "", tree)]
    while pending:
        path, _, item = pending.pop()
        if path:
            found.append(path)
        if isinstance(item, Tree):
            pending.extend(reversed(_children(loader, path, item, devices.get(path, ()))))
    return found


def _children(
    loader: Loader, path: str, tree: Tree, devices: list[Device] | tuple[()]
) -> list[tuple[str, str, object]]:
    folder = loader.dirtree(tree.dirtree)
    prefix = f"{path}/" if path else ""
    found: list[tuple[str, str, object]] = [
        (prefix + name, name, checksum) for name, checksum in folder.files
    ]
    found += [(prefix + name, name, Tree(dirtree, dirmeta)) for name, dirtree, dirmeta in folder.dirs]
    found += [(device.path, device.path.rpartition("/")[2], device) for device in devices]
    found.sort(key=lambda child: child[1])
    return found


def _file_entry(loader: FileLoader, path: str, checksum: str, hardlink_to: str) -> Entry:
    place = loader.file_place(checksum)
    try:
        status = os.lstat(place)
        is_link = stat.S_ISLNK(status.st_mode)
        target = os.readlink(place) if is_link else ""
        xattrs = read_xattrs(place)
    except FileNotFoundError as error:
        raise DamagedObject("file", checksum, "is missing") from error
    return Entry(
        path=path,
        kind="symlink" if is_link else "link" if hardlink_to else "file",
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        xattrs=xattrs,
        size=status.st_size,
        checksum=checksum,
        target=target,
        hardlink_to="" if is_link else hardlink_to,
    )


def read_xattrs(place: str | int) -> Xattrs:
    """Return the xattrs of a file (a path, or a descriptor), sorted by name; a symlink is not followed.

    Those with an empty value are left out, as libostree does: they are in no checksum.
    """
    follow = isinstance(place, int)
    return tuple(
        sorted(
            (os.fsencode(name), value)
            for name in os.listxattr(place, follow_symlinks=follow)
            if (value := os.getxattr(place, name, follow_symlinks=follow))
        )
    )


def _first_names(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Return each linked path's group."""
    return {path: group for group in manifest.links for path in group}


def _by_folder(manifest: Manifest) -> dict[str, list[Device]]:
    found: dict[str, list[Device]] = {}
    for device in manifest.devices:
        found.setdefault(device.path.rpartition("/")[0], []).append(device)
    return found
