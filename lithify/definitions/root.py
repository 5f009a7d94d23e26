"""Where a definitions tree begins."""

from __future__ import annotations

import os
from pathlib import Path

from lithify.errors import LithifyError

VERSION = "VERSION"
"""The file at the root that says which format the tree is in."""


def find_root(start: Path) -> Path:
    """Return the root of the definitions that ``start`` lies in.

    The nearest folder at or above with a ``VERSION``, up to the top of the git work tree; else that top.
    """
    start = Path(os.path.abspath(start))
    for folder in (start, *start.parents):
        if (folder / VERSION).is_file() or (folder / ".git").exists():
            return folder
    raise LithifyError(
        f"no definitions at or above {start}",
        hints=["their root holds a file VERSION; give it with -C, or make one with the line: version: 9"],
    )
