"""A short look at kept checkouts: whether anything was changed in them; also a program that looks while we do something else.

It is called as ``python -I -S short_look.py LAYERS VERSION``, with names of layers as lines on its standard input, and answers
each with the name and when its top folder changed, where all is as it was made, or ``unknown``. So it imports next to nothing,
and nothing of lithify.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from array import array

# Not typing's: to import that, or collections.abc, takes a fifth of the program's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN = "unknown"
INDEX_VERSION = 2
"""Of a layer's ``index``."""


def looks_as_known(top: str, changed: Mapping[str, int], files: Iterable[str], states: str) -> bool:
    """Return whether folders' change times and files' states are as they were; raises :class:`OSError` where one is missing.

    ``changed``: folder → its change time; ``states``: what :func:`states_of` gave.
    """
    return all(
        os.lstat(below(top, path)).st_ctime_ns == time for path, time in changed.items()
    ) and states == states_of(top, files)


def states_of(top: str, files: Iterable[str]) -> str:
    """Return a digest over what ``lstat`` says of each file; raises :class:`OSError` where one is missing."""
    numbers: list[int] = []
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for path in files:
            status = os.stat(path, dir_fd=descriptor, follow_symlinks=False)
            numbers += (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns)
    finally:
        os.close(descriptor)
    return hashlib.sha256(array("q", numbers).tobytes()).hexdigest()


def below(top: str, path: str) -> str:
    """Return the path of something in a layer; the top's own is the empty one."""
    return f"{top}/{path}" if path else top


def _top_of_whole(place: str, version: int) -> int | None:
    """Return when the top of a layer changed, where all of it is as it was made; else None."""
    try:
        with open(f"{place}/index", encoding="utf-8") as file:
            index = json.load(file)
        whole = (
            index["version"] == version
            and index["settled"] is True
            and looks_as_known(f"{place}/tree", index["changed"], index["files"], index["states"])
        )
        return int(index["changed"][""]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # the ordinary look says what it is


def _main(layers: str, version: int) -> None:
    for name in sys.stdin.read().split():
        top = _top_of_whole(f"{layers}/{name}", version)
        sys.stdout.write(f"{name} {UNKNOWN if top is None else top}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
