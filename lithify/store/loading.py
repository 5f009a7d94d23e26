"""What the pure functions over trees need of a store: to open folders and to read where symlinks lead."""

from __future__ import annotations

from typing import Protocol

from lithify.store.gvariant import Dirmeta, Dirtree


class Loader(Protocol):
    """Opens objects by checksum; :class:`lithify.store.reading.Repository` is the real one."""

    def dirtree(self, checksum: str) -> Dirtree:
        """Return what a folder holds."""
        ...

    def dirmeta(self, checksum: str) -> Dirmeta:
        """Return a folder's owner, mode and xattrs."""
        ...

    def symlink_target(self, checksum: str) -> str | None:
        """Return where a file object leads, or None where it is no symlink."""
        ...
