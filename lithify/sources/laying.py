"""One source is laid over another: folders unite, later files win, and a folder on a link goes where the link leads.

Links are resolved in the tree, as if its root were the root of the system, never by the kernel on the host.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lithify.errors import MergeConflict, UnsafeContent

_LINKS = 40
"""Symlinks followed for one path, as in the kernel."""


def lay_over(part: Path, root: Path, below: str, name: str) -> None:
    """Move all that is in the folder ``part`` over what is in the folder ``below`` of ``root``; ``part`` stays empty.

    ``below`` holds no links (:func:`resolve_inside`). ``name`` is what messages call the upper source. Raises
    :class:`MergeConflict` where a folder meets a file.
    """
    waiting = [("", below)]
    while waiting:
        here, there = waiting.pop()
        for item in sorted(os.listdir(part / here)):
            source = part / here / item
            path = f"{there}/{item}" if there else item
            is_folder = stat.S_ISDIR(source.lstat().st_mode)
            if is_folder and (root / path).is_symlink():
                path = resolve_inside(root, path)
            kind = _kind(root / path)
            if is_folder and kind == "folder":
                waiting.append((f"{here}/{item}" if here else item, path))
            elif kind == "nothing" or (not is_folder and kind == "file"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                os.rename(source, root / path)
            elif not _same_link(source, root, path):
                raise MergeConflict(
                    f"{name} has {path!r} as a {'folder' if is_folder else 'file'}, a source below it as a {kind}",
                    hints=["put one of them elsewhere with `into`"],
                )


def _kind(path: Path) -> str:
    try:
        return "folder" if stat.S_ISDIR(path.lstat().st_mode) else "file"
    except FileNotFoundError:
        return "nothing"


def _same_link(source: Path, root: Path, path: str) -> bool:
    """Whether an upper symlink leads to the very folder that stands at its path; then the folder may stay."""
    if not source.is_symlink():
        return False
    target = os.readlink(source)
    above = "" if target.startswith("/") else path.rpartition("/")[0]
    return resolve_inside(root, f"{above}/{target}") == path


def resolve_inside(root: Path, path: str) -> str:
    """Return where ``path`` leads below ``root``, as if ``root`` were ``/``: a path without links, ``.`` or ``..``.

    What does not exist is taken as it stands. Raises :class:`UnsafeContent` for a loop of links.
    """
    done: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if done:
                done.pop()
            continue
        done.append(part)
        try:
            target = os.readlink(root.joinpath(*done))
        except OSError:
            continue  # no link, or nothing there
        followed += 1
        if followed > _LINKS:
            raise UnsafeContent(f"{path!r} goes through a loop of links")
        done.pop()
        if target.startswith("/"):
            done.clear()
        todo.extend(target.split("/")[::-1])
    return "/".join(done)
