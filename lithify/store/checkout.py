"""Makes a folder out of a tree in the store, by hard links where nothing can see them, else by copies.

The tree's owners, modes, xattrs and links come out as they are; every time is 0. It works on open folders, so that neither
long paths nor links in the way matter.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from lithify.store.checking import check_file
from lithify.store.damage import DamagedObject
from lithify.store.entries import FileLoader, read_xattrs
from lithify.store.folders import check_depth
from lithify.store.gvariant import Dirmeta, Tree, Xattrs
from lithify.store.manifest import Device, Manifest

Linking = Literal["never", "alone", "always"]
_FICLONE = 0x40049409
_CANNOT = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)
"""What a kernel or file system says that has no reflinks, or no copying of its own."""
_NODE_TYPES = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO, "s": stat.S_IFSOCK}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_out(
    loader: FileLoader,
    tree: Tree,
    manifest: Manifest,
    destination: Path,
    *,
    link: Linking = "never",
    devices: bool = True,
    check: bool = False,
) -> tuple[Device, ...]:
    """Make ``destination``, which must not exist, from a tree; return the devices that this user may not make.

    With ``link``, objects are linked instead of copied: then nobody may write to the result. Where ``alone``, those that are in
    no other place yet, so that no two paths of it, or of another such checkout, are one inode unless the manifest says so;
    ``always``: all, equal files as one inode, and ``OSError`` (``EXDEV``) on another file system. ``devices=False``
    leaves out devices, fifos and sockets. ``check`` computes the checksum of every object; without it, only that of objects
    that were written to. Raises :class:`DamagedObject`, and ``OSError`` as the system says.
    """
    filling = _Filling(loader, manifest if devices else Manifest((), manifest.links), link, check)
    try:
        filling.fill(destination, tree)
    finally:
        filling.close()
    return tuple(filling.unmade)


class _Open(Struct, frozen=True):
    """A folder that is being filled."""

    descriptor: int
    path: str
    meta: Dirmeta
    below: Iterator[tuple[str, str, str]]

    def within(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def reach(self, name: str) -> str:
        """Return a path for the calls that take no folder's descriptor."""
        return f"/proc/self/fd/{self.descriptor}/{name}"


class _Filling:
    """One checkout under way: a stack of open folders, from the root to the one that is being filled."""

    def __init__(self, loader: FileLoader, manifest: Manifest, link: Linking, check: bool) -> None:
        self._loader = loader
        self._link = link
        self._check = check
        self._stack: list[_Open] = []
        self._root = -1
        self._group_of = {path: number for number, group in enumerate(manifest.links) for path in group}
        self._first: dict[int, str] = {}
        """Group → the member that is there already."""
        self._devices: dict[str, list[Device]] = {}
        for device in manifest.devices:
            self._devices.setdefault(device.path.rpartition("/")[0], []).append(device)
        self.unmade: list[Device] = []

    def fill(self, destination: Path, tree: Tree) -> None:
        os.mkdir(destination, 0o700)
        for name in ("system.posix_acl_default", "system.posix_acl_access"):
            with suppress(
                OSError
            ):  # mostly there is none; what the parent passes on would go down to all below
                os.removexattr(destination, name)
        os.chmod(destination, 0o700)
        self._root = os.open(destination, _FOLDER)
        self._enter(os.dup(self._root), "", tree)
        while self._stack:
            folder = self._stack[-1]
            child = next(folder.below, None)
            if child is None:
                self._leave()
                continue
            name, dirtree, dirmeta = child
            os.mkdir(name, 0o700, dir_fd=folder.descriptor)
            descriptor = os.open(name, _FOLDER, dir_fd=folder.descriptor)
            self._enter(descriptor, folder.within(name), Tree(dirtree, dirmeta))

    def close(self) -> None:
        for folder in self._stack:
            os.close(folder.descriptor)
        if self._root >= 0:
            os.close(self._root)

    def _enter(self, descriptor: int, path: str, tree: Tree) -> None:
        try:
            check_depth(len(self._stack), path)
            content = self._loader.dirtree(tree.dirtree)
            folder = _Open(descriptor, path, self._loader.dirmeta(tree.dirmeta), iter(content.dirs))
        except BaseException:
            os.close(descriptor)
            raise
        self._stack.append(folder)
        for name, checksum in content.files:
            self._add_file(folder, name, checksum)
        for device in self._devices.get(path, ()):
            self._add_device(folder, device)

    def _leave(self) -> None:
        """Give the innermost folder its owner, mode, xattrs and time; nothing is made in it after that."""
        folder = self._stack.pop()
        try:
            os.fchown(folder.descriptor, folder.meta.uid, folder.meta.gid)
            os.fchmod(folder.descriptor, stat.S_IMODE(folder.meta.mode))
            for name, value in folder.meta.xattrs:
                os.setxattr(folder.descriptor, os.fsdecode(name), value)
            os.utime(folder.descriptor, ns=(0, 0))
        finally:
            os.close(folder.descriptor)

    def _add_file(self, folder: _Open, name: str, checksum: str) -> None:
        source = self._loader.file_place(checksum)
        group = self._group_of.get(folder.within(name)) if self._group_of else None
        if group in self._first:
            os.link(
                self._first[group],
                name,
                src_dir_fd=self._root,
                dst_dir_fd=folder.descriptor,
                follow_symlinks=False,
            )
            return
        try:
            status = os.lstat(source)
        except FileNotFoundError as error:
            raise DamagedObject("file", checksum, "is missing") from error
        if self._check:
            check_file(source, checksum)
        if stat.S_ISLNK(status.st_mode):
            if self._link != "always" or not self._linked(folder, name, source, status):
                _make_symlink(folder, name, source, status)
        else:
            if status.st_mtime_ns:  # somebody wrote to it, or it was taken in with its time
                check_file(source, checksum)
                os.utime(source, ns=(0, 0))
            if not self._linked(folder, name, source, status):
                _copy(folder, name, source, status)
        if group is not None:
            self._first[group] = folder.within(name)

    def _linked(self, folder: _Open, name: str, source: str, status: os.stat_result) -> bool:
        if self._link == "always":
            return _link(folder, name, source)
        return self._link == "alone" and status.st_nlink == 1 and _link_alone(folder, name, source)

    def _add_device(self, folder: _Open, device: Device) -> None:
        name = device.path.rpartition("/")[2]
        number = os.makedev(device.major, device.minor)
        try:
            os.mknod(name, _NODE_TYPES[device.type] | 0o600, number, dir_fd=folder.descriptor)
        except PermissionError:
            self.unmade.append(device)
            return
        os.chown(name, device.uid, device.gid, dir_fd=folder.descriptor, follow_symlinks=False)
        os.chmod(name, device.mode, dir_fd=folder.descriptor)
        os.utime(name, ns=(0, 0), dir_fd=folder.descriptor)


def _link(folder: _Open, name: str, source: str) -> bool:
    """Link an object into a folder, and return whether one more link to it was possible."""
    try:
        os.link(source, name, dst_dir_fd=folder.descriptor, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EMLINK:
            return False
        raise
    return True


def _link_alone(folder: _Open, name: str, source: str) -> bool:
    """Link an object into a folder, and return whether it is in no other place but the store."""
    os.link(source, name, dst_dir_fd=folder.descriptor, follow_symlinks=False)
    if os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False).st_nlink == 2:
        return True
    os.unlink(name, dir_fd=folder.descriptor)  # another checkout linked it in the same moment
    return False


def _make_symlink(folder: _Open, name: str, source: str, status: os.stat_result) -> None:
    os.symlink(os.readlink(source), name, dir_fd=folder.descriptor)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=folder.descriptor, follow_symlinks=False)
    for attribute, value in read_xattrs(source):
        os.setxattr(folder.reach(name), os.fsdecode(attribute), value, follow_symlinks=False)
    os.utime(name, ns=(0, 0), dir_fd=folder.descriptor, follow_symlinks=False)


def _copy(folder: _Open, name: str, source: str, status: os.stat_result) -> None:
    """Copy a regular file with owner, mode and xattrs, sharing its blocks where the file system can."""
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.open(name, flags, 0o600, dir_fd=folder.descriptor)
        try:
            _copy_content(reading, writing, status.st_size)
            # in this order: a new owner takes setuid bits and capabilities away
            os.fchown(writing, status.st_uid, status.st_gid)
            os.fchmod(writing, stat.S_IMODE(status.st_mode))
            attributes: Xattrs = read_xattrs(reading)
            for attribute, value in attributes:
                os.setxattr(writing, os.fsdecode(attribute), value)
            os.utime(writing, ns=(0, 0))
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_content(reading: int, writing: int, size: int) -> None:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
        return
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    done = 0
    try:
        while done < size and (count := os.copy_file_range(reading, writing, size - done)):
            done += count
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    os.lseek(reading, done, os.SEEK_SET)
    while part := os.read(reading, 1 << 20):
        while part:
            part = part[os.write(writing, part) :]
