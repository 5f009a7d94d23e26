"""Objects that a transaction has written and not published yet: files in a folder of its own, each renamed once to its place.

What libostree's transactions do, with the same files as their result; those make a folder for each two letters of a checksum,
and an unnamed file that is linked for each object. Format: https://ostreedev.github.io/ostree/repo/.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lithify.cache import host_errors, no_space, remove_tree
from lithify.crash import crash_point
from lithify.sources.plain_tree import write_all
from lithify.store.damage import ObjectKind
from lithify.store.gvariant import Xattrs

PREFIX = "lithify-"
"""How the names of these folders begin, in the repository's ``tmp``; each is locked as long as its transaction lives."""


def sweep_aside(repository: Path) -> None:
    """Remove what killed transactions left aside; raises nothing for what another process removes at the same time."""
    for folder in (repository / "tmp").glob(f"{PREFIX}*/"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(folder)
            finally:
                os.close(descriptor)


class Aside:
    """Objects by checksum: those written here, and files that lie elsewhere on the same file system."""

    def __init__(self, repository: Path, min_free: int) -> None:
        """``min_free`` bytes of the file system are not used up by what is written."""
        self._repository = repository
        self._folder = ""
        self._held = -1
        self._number = 0
        usage = os.statvfs(repository)
        self._room = usage.f_bfree * usage.f_frsize - min_free
        self.lying: dict[str, str] = {}
        """Checksum → path."""
        self._kinds: dict[str, ObjectKind] = {}
        """Of what is no file."""

    def add_files(self, files: Mapping[str, str]) -> None:
        """Take in files that are complete as they lie, checksum → path."""
        self.lying.update(files)

    def write_metadata(self, kind: ObjectKind, checksum: str, data: bytes) -> None:
        """Write a dirtree, dirmeta or commit."""
        with host_errors(self._repository), self._new_file(data, counted=len(data)) as (descriptor, path):
            os.fchmod(descriptor, 0o644)
        self.lying[checksum] = path
        self._kinds[checksum] = kind

    def write_file(
        self, checksum: str, content: bytes, *, mode: int, uid: int, gid: int, xattrs: Xattrs
    ) -> None:
        """Write a regular file; ``mode`` has the permission bits."""
        with (
            host_errors(self._repository),
            self._new_file(content, counted=len(content)) as (descriptor, path),
        ):
            # in this order: a new owner takes setuid bits and capabilities away
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
            for name, value in xattrs:
                os.setxattr(descriptor, os.fsdecode(name), value)
            os.utime(descriptor, ns=(0, 0))
        self.lying[checksum] = path

    def write_symlink(self, checksum: str, target: str, *, uid: int, gid: int, xattrs: Xattrs) -> None:
        """Write a symlink."""
        with host_errors(self._repository):
            path = self._new_path(len(target))
            os.symlink(target, path)
            os.chown(path, uid, gid, follow_symlinks=False)
            for name, value in xattrs:
                os.setxattr(path, os.fsdecode(name), value, follow_symlinks=False)
        self.lying[checksum] = path

    def publish(self) -> None:
        """Rename everything to its place; an object that is there already stays, with the layers that share it."""
        objects = f"{self._repository}/objects"
        with host_errors(self._repository):
            there = set(os.listdir(objects))
            for checksum, path in self._in_order():
                if checksum[:2] not in there:
                    with suppress(FileExistsError):
                        os.mkdir(f"{objects}/{checksum[:2]}")
                    there.add(checksum[:2])
                target = f"{objects}/{checksum[:2]}/{checksum[2:]}.{self._kinds.get(checksum, 'file')}"
                if not os.path.lexists(target):
                    os.rename(path, target)
                    crash_point("store.commit.moved")
        self.lying.clear()

    def set_ref(self, name: str, commit: str) -> None:
        """Have a ref name a commit, at one stroke. Nothing of it is among the refs before: every file there is one."""
        with self._new_file(f"{commit}\n".encode(), counted=0) as (descriptor, path):
            os.fchmod(descriptor, 0o644)
        target = f"{self._repository}/refs/heads/{name}"
        try:
            os.rename(path, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(path, target)
        os.utime(self._repository)  # who keeps what the refs say looks at this

    def drop(self) -> None:
        """Remove what was written here and not published; raises nothing. Called once, at the end."""
        self.lying.clear()
        if self._folder:
            with suppress(OSError):
                remove_tree(Path(self._folder))
            os.close(self._held)

    def _in_order(self) -> list[tuple[str, str]]:
        """Return what is published: files, folders, commits, so that what names something comes after it."""
        order = {"commit": 2, "dirtree": 1, "dirmeta": 1}
        return sorted(self.lying.items(), key=lambda item: order.get(self._kinds.get(item[0], ""), 0))

    @contextmanager
    def _new_file(self, content: bytes, *, counted: int) -> Iterator[tuple[int, str]]:
        """Write a new file, and yield it open with its path; ``counted``: bytes that are taken from the room there is."""
        path = self._new_path(counted)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            write_all(descriptor, content)
            yield descriptor, path
        finally:
            os.close(descriptor)

    def _new_path(self, size: int) -> str:
        """Return where the next object is written; raises :class:`~lithify.errors.NoSpace` where there is no room for it."""
        self._room -= size
        if size and self._room < 0:
            raise no_space(self._repository)
        while not self._folder:
            self._folder, self._held = _made_and_held(
                f"{self._repository}/tmp/{PREFIX}{secrets.token_hex(8)}"
            )
        self._number += 1
        return f"{self._folder}/{self._number}"


def _made_and_held(folder: str) -> tuple[str, int]:
    """Make a folder and lock it; return both, or nothing where somebody took it for a killed one's in between."""
    os.mkdir(folder, 0o700)
    crash_point("store.commit.aside")
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", -1
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if os.path.exists(folder):
        return folder, descriptor
    os.close(descriptor)
    return "", -1
