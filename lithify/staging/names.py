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
from lithify.staging.syscalls import MS_NODEV, MS_NOSUID, mount


class ShortNames:
    """Names of folders, relative to ``folder``; safe for several threads."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty ``folder``, whose parent is there."""
        self.folder = folder
        remove_tree(folder)
        folder.mkdir(mode=0o700)
        self._lock = threading.Lock()
        self._names: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Return the name of a folder."""
        with self._lock:
            name = self._names.get(path)
            if name is None:
                name = format(len(self._names), "x")
                os.symlink(path, f"{self.folder}/{name}")
                self._names[path] = name
            return name


def names_in_memory(place: Path) -> ShortNames | None:
    """Return names that are gone with the mount namespace of this process, which mounts a file system of its own at ``place``.

    ``place`` is a folder that others may use so too, made if missing. None where the kernel refuses.
    """
    place.mkdir(mode=0o700, exist_ok=True)
    try:
        mount("lithify", str(place), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700")
    except OSError:
        return None
    return ShortNames(place / "names")
