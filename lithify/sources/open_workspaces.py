"""Which workspaces a definitions tree has: a small file beside the definitions, that git does not see.

``.lithify/workspaces.json`` is there exactly while one is open, so that a commit of the definitions, another checkout of them
and another user have none. Imports nothing slow: every command that builds or asks reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from lithify.cache import hold_lock
from lithify.errors import LithifyError

FOLDER = ".lithify"
"""Below the root of the definitions; hidden, so that nothing in it is taken for a definition."""
FILE = "workspaces.json"
VERSION = 1


class Workspace(Struct, frozen=True, kw_only=True):
    """A folder in which somebody works on a chunk."""

    chunk: str
    path: str
    """Absolute."""
    id: str
    """32 hex digits, made when it was opened, and never used again."""
    branch: str
    """The branch that was made for the work."""
    base: str
    """The commit at which it began: all that came after it is the user's own."""
    opened_at: int
    """Seconds since 1970."""
    made_from: str
    """The chunk's sources as the definitions had them, in a few words."""
    pins: str
    """What these were pinned to, as JSON: to see that the definitions have moved on."""


def is_any_open(root: Path) -> bool:
    """Return whether a definitions tree has a workspace."""
    return os.path.lexists(root / FOLDER / FILE)


def open_workspaces(root: Path) -> dict[str, Workspace]:
    """Return the workspaces of a definitions tree by chunk; raises :class:`LithifyError` for a file that is not ours."""
    path = root / FOLDER / FILE
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        record = json.loads(text)
        if record["version"] != VERSION:
            raise LithifyError(
                f"{path}: its version is {record['version']}, and this lithify knows {VERSION}",
                hints=["use the lithify that has written it, or a later one"],
            )
        found = [Workspace(**one) for one in record["workspaces"]]
        if not all(isinstance(value, str | int) for one in found for value in asdict(one).values()):
            raise ValueError(text)
    except (ValueError, KeyError, TypeError) as error:
        raise LithifyError(
            f"{path}: this is no list of workspaces",
            hints=["remove it: all workspaces are forgotten then, and their folders stay"],
        ) from error
    return {one.chunk: one for one in found}


@contextmanager
def changing(root: Path) -> Iterator[dict[str, Workspace]]:
    """Yield the workspaces by chunk, to be changed; they are written down at the end of the block, if it ends well.

    One process at a time; no reader ever sees half of it.
    """
    folder = root / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("# what lithify keeps here is of this checkout alone\n*\n")
    except OSError as error:
        raise LithifyError(
            f"{folder} cannot be written: {error.strerror}",
            hints=["workspaces are of a definitions tree that is yours; clone it"],
        ) from error
    with hold_lock(folder / "lock"):
        found = open_workspaces(root)
        yield found
        _write(folder / FILE, found)


def _write(path: Path, workspaces: Mapping[str, Workspace]) -> None:
    if not workspaces:
        path.unlink(missing_ok=True)
        return
    record = {"version": VERSION, "workspaces": [asdict(one) for _, one in sorted(workspaces.items())]}
    aside = path.with_suffix(".partial")
    aside.write_text(f"{json.dumps(record, indent=2)}\n", encoding="utf-8")
    os.replace(aside, path)
