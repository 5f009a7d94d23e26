"""What a copied tree became, in the form that an overlay's upper layer has; for the method ``copy`` alone.

A folder that was removed and made again comes out as its new entries and the removal of its old ones, where an overlay has
an opaque folder: the same tree.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from msgspec import Struct

from lithify.staging.copying import take_attributes


class _State(Struct, frozen=True):
    """What changes when somebody writes to a path; of folders, what is their own and not their entries'."""

    folder: bool
    identity: tuple[object, ...]


def note_state(root: Path) -> dict[str, _State]:
    """Return the state of every path below ``root``, to be compared with later."""
    states = {"": _state(root)}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder) / name
            states[str(path.relative_to(root))] = _state(path)
    return states


def _state(path: Path) -> _State:
    info = path.lstat()
    if stat.S_ISDIR(info.st_mode):
        xattrs = tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)))
        return _State(True, (info.st_mode, info.st_uid, info.st_gid, *xattrs))
    return _State(False, (info.st_ino, info.st_mode, info.st_ctime_ns, info.st_size))


def upper_of_copy(root: Path, before: dict[str, _State], upper: Path) -> None:
    """Move what is new or changed below ``root`` to ``upper``, and mark there what is gone (a device 0:0)."""
    after = note_state(root)
    gone = [path for path in before if path not in after]
    changed = [path for path in after if path and before.get(path) != after[path]]
    for path in sorted(changed):
        source, target = root / path, upper / path
        _make_parents(root, upper, path)
        if after[path].folder:
            target.mkdir(exist_ok=True)
            take_attributes(source, target)
        else:
            os.rename(source, target)
    for path in sorted(gone):
        parent = str(Path(path).parent)
        if parent != "." and parent not in after:
            continue  # gone with its folder
        if after.get(parent) is not None and not after[parent].folder:
            continue
        _make_parents(root, upper, path)
        if not os.path.lexists(upper / path):
            os.mknod(upper / path, stat.S_IFCHR, os.makedev(0, 0))
    if before[""] != after[""]:
        take_attributes(root, upper)


def _make_parents(root: Path, upper: Path, path: str) -> None:
    parts = Path(path).parts[:-1]
    for depth in range(1, len(parts) + 1):
        parent = Path(*parts[:depth])
        if not (upper / parent).is_dir():
            (upper / parent).mkdir()
            take_attributes(root / parent, upper / parent)
