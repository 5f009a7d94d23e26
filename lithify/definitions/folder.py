"""The files of a definitions tree on disk: which there are, and their bytes. Nothing outside of the tree is ever read."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from lithify.definitions.limits import MAX_BYTES

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_LOST = "lost+found"
"""In the top folder of a file system, and nobody's to read."""


class FileReader(Protocol):
    """Where a definitions tree's files come from: a folder, or a commit."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; OSError where it cannot be read."""

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""

    def names(self) -> Iterable[str]:
        """Return the names of all ``.morph`` files, below the root."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The folders that the last :meth:`names` could not look into, with the reason."""


class OutsideError(OSError):
    """A name leads out of the tree, by a symbolic link."""


class Folder:
    """A definitions tree as it is on disk."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._folders: dict[str, str] = {}
        """Folder below the root → its real path, so that each is looked up once."""
        self.unreadable: Mapping[str, str] = {}
        """See :class:`FileReader`."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, at most one more than may be read."""
        return self.read_with_status(name)[0]

    def read_with_status(self, name: str) -> tuple[bytes, os.stat_result]:
        """Return the bytes of a file, and its status as it was before they were read."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(self._plain_path(name), flags | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            descriptor = os.open(self._path(name), flags)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{name} is not a regular file")
            return file.read(MAX_BYTES + 1), status

    def status(self, name: str) -> os.stat_result:
        """Return the status of what bears a name; a symbolic link's is its own."""
        return os.lstat(self._plain_path(name))

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name in the tree."""
        try:
            return os.path.exists(self._path(name))
        except (OSError, ValueError):
            return False

    def names(self) -> Iterator[str]:
        """Yield the names of all ``.morph`` files, sorted within each folder.

        Hidden folders are left out, and those that hold a ``VERSION`` of their own: that is another tree.
        """
        unreadable: dict[str, str] = {}
        self.unreadable = unreadable
        waiting = [""]
        while waiting:
            below = waiting.pop()
            try:
                with os.scandir(os.path.join(self._root, below)) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except (
                OSError
            ) as error:  # it has gone, is too deep for any name to reach it, or is not ours to read
                if error.errno not in _NOT_THERE and posixpath.basename(below) != _LOST:
                    unreadable[below or "."] = error.strerror or str(error)
                continue
            files = [entry.name for entry in entries if not _leads_to_folder(entry)]
            if below and "VERSION" in files:
                continue
            prefix = f"{below}/" if below else ""
            yield from (f"{prefix}{name}" for name in files if name.endswith(".morph"))
            folders = [
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            ]
            waiting += [f"{prefix}{name}" for name in reversed(folders)]

    def _plain_path(self, name: str) -> str:
        """Return the path of a name whose last part is taken for no symbolic link."""
        folder, base = os.path.split(name)
        if folder not in self._folders:
            self._folders[folder] = self._path(folder) if folder else self._root
        return os.path.join(self._folders[folder], base)

    def _path(self, name: str) -> str:
        path = os.path.realpath(os.path.join(self._root, name))
        if not path.startswith(self._root.rstrip("/") + "/"):
            raise OutsideError(f"{name} leads out of the definitions")
        return path


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
