"""Kept checkouts against what they were made of: more than their first use in a command looks at."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from lithify.store.checking import file_checksum
from lithify.store.layers import is_as_made
from lithify.store.reading import Repository


def layers_of(folder: Path) -> list[Path]:
    """Return the layers that are there, sorted; what is being made or was put aside is none."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def layer_fault(layer: Path, repository: Repository, inodes: Collection[int]) -> str:
    """Return what is wrong with a layer; empty where nothing is, or where it has gone meanwhile.

    Names, kinds, modes, owners, sizes and times must be as they were when it was made, and each file an object of the store:
    either it is one (``inodes``: of all that are there), or its content is read and looked up by its checksum.
    """
    if not is_as_made(layer):
        return "was changed since it was made" if layer.exists() else ""
    try:
        for path in _files_of_its_own(layer / "tree", inodes):
            if not repository.has(file_checksum(path), "file"):
                return f"holds {os.path.relpath(path, layer / 'tree')}, which is not as it was built"
    except FileNotFoundError:
        return "was changed while it was read" if layer.exists() else ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _files_of_its_own(top: Path, inodes: Collection[int]) -> Iterator[str]:
    """Yield the regular files that are no objects; symlinks are looked at with the names, since they have no more to them."""
    pending = [str(top)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.inode() not in inodes and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    yield entry.path
