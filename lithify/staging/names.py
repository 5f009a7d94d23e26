"""Short names for the folders of a stack: symlinks in one folder, made once for each.

The kernel shows an overlay's layers in ``mountinfo`` as they were named, and bubblewrap reads that file again after each of
its own mounts: with whole paths, that took more time for 100 layers than all else that it does. The links of a run stand in
memory: ext4 is slow to make files where many were removed a moment ago.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from lithify.cache import remove_tree
from lithify.staging.syscalls import FilesystemContext


class ShortNames:
    """Names of folders, relative to an open folder; safe for several threads, closed by :meth:`close`."""

    def __init__(self, descriptor: int) -> None:
        """Take over a descriptor of an empty folder."""
        self.descriptor = descriptor
        self._lock = threading.Lock()
        self._names: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Return the name of a folder."""
        with self._lock:
            name = self._names.get(path)
            if name is None:
                name = format(len(self._names), "x")
                os.symlink(path, name, dir_fd=self.descriptor)
                self._names[path] = name
            return name

    def close(self) -> None:
        """Give the folder up."""
        os.close(self.descriptor)


def names_on_disk(folder: Path) -> ShortNames:
    """Return names in a folder, made anew."""
    remove_tree(folder)
    folder.mkdir(mode=0o700)
    return ShortNames(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def names_in_memory() -> ShortNames | None:
    """Return names in a file system of their own, which is mounted nowhere and ends with its descriptor (an ``O_PATH`` one).

    None where the kernel refuses.
    """
    try:
        with FilesystemContext("tmpfs") as context:
            context.set("mode", "0700")
            return ShortNames(context.mounted())
    except OSError:
        return None
