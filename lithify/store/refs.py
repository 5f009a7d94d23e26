"""The refs of an OSTree repository, and the marks of commits that are not whole, as files; imports the standard library alone.

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


def mark_partial(repository: Path, commit: str) -> None:
    """Mark a commit as not whole."""
    place = f"{repository}/state/{commit}.commitpartial"
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def unmark_partial(repository: Path, commit: str) -> None:
    """Take the mark off, if there is one: the commit is whole, or is not there."""
    try:
        os.unlink(f"{repository}/state/{commit}.commitpartial")
    except FileNotFoundError:
        pass
