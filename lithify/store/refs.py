"""The refs of an OSTree repository, read as files; imports nothing but the standard library.

A system's graph asks for hundreds of them: paths are put together as text.
"""

from __future__ import annotations

import os
from pathlib import Path

_HEX = frozenset("0123456789abcdef")


def read_ref(repository: Path, name: str) -> str | None:
    """Return the commit that a ref names, or None: no such ref, or its commit is not whole.

    This, and never whether a commit object exists, says whether something is built.
    """
    try:
        with open(f"{repository}/refs/heads/{name}", "rb") as file:
            text = file.read().strip().decode("ascii")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return None
    if len(text) != 64 or not _HEX.issuperset(text) or is_partial(repository, text):
        return None
    return text


def is_partial(repository: Path, commit: str) -> bool:
    """Return whether a commit is marked as not whole: its objects may be missing."""
    return os.path.exists(f"{repository}/state/{commit}.commitpartial")
