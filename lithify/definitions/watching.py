"""Reads a definitions tree and notes what it was told, so that a later run can tell that it would be told the same.

What is made of a tree depends on nothing but the answers of its :class:`~lithify.definitions.folder.FileReader`; these are
kept here, each file with its status as it was before it was read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from lithify.definitions.folder import Folder

Status = tuple[int, int, int, int, int, int]
"""Mode, device, inode, size, and the times of the last change of content and of status, in nanoseconds."""


def status_of(found: os.stat_result) -> Status:
    """Return what tells one state of a file from another without reading it."""
    return (
        found.st_mode,
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def digest_of_names(names: Iterable[str]) -> str:
    """Return the digest of a tree's file names; none of them holds a NUL."""
    return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()


class SeenFile(Struct, frozen=True):
    """A file as it was read."""

    status: Status
    digest: str
    """SHA-256 of the content."""


class WatchedFolder:
    """A definitions tree on disk that remembers its answers."""

    def __init__(self, root: Path) -> None:
        self._folder = Folder(root)
        self.files: dict[str, SeenFile] = {}
        """Each file that was read."""
        self.absent: set[str] = set()
        """Names that no file was found under."""
        self.looked_up: dict[str, bool] = {}
        """Names that were only asked for, and whether they were there."""
        self.names_digest = ""
        """What :func:`digest_of_names` says of all names; empty where nobody asked for them."""
        self.is_settled = True
        """False where an answer was an error, or not the same each time: nothing can be concluded from these."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; see :meth:`Folder.read`."""
        try:
            content, status = self._folder.read_with_status(name)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            self.absent.add(name)
            self.is_settled = self.is_settled and name not in self.files
            raise
        except OSError:
            self.is_settled = False
            raise
        seen = SeenFile(status_of(status), hashlib.sha256(content).hexdigest())
        if self.files.setdefault(name, seen) != seen or name in self.absent:
            self.is_settled = False
        return content

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name in the tree."""
        answer = self._folder.exists(name)
        if self.looked_up.setdefault(name, answer) != answer:
            self.is_settled = False
        return answer

    def names(self) -> list[str]:
        """Return the names of all ``.morph`` files; see :meth:`Folder.names`."""
        names = list(self._folder.names())
        digest = digest_of_names(names)
        if self.names_digest not in ("", digest):
            self.is_settled = False
        self.names_digest = digest
        self.is_settled = self.is_settled and not self.unreadable
        return names

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The folders that cannot be looked into; see :attr:`Folder.unreadable`."""
        return self._folder.unreadable
