"""What is kept of sources, against what it should be: archives and packages by digest, mirrors by git itself."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from lithify.cache import CacheFolder, hold_lock
from lithify.process import Completed
from lithify.sources.git_program import query

DIGEST = re.compile(r"[0-9a-f]{64}")
DAMAGED_PREFIX = ".damaged-"
"""How a mirror's name begins that was put aside."""
_LINT = re.compile(r"(warning|error) in (commit|tree|blob|tag) ")
"""What git thinks of how an object was written by its author: old projects have much of that, and no server mends it."""
_HARMLESS = ("dangling ", "unreachable ", "notice: ", "warning: ")


def files_by_digest(cache: CacheFolder, kind: str) -> list[Path]:
    """Return the kept files of a kind (``archives`` or ``debian``), sorted by their names: their SHA-256 digests."""
    try:
        return sorted(path for path in (cache.sources / kind).iterdir() if DIGEST.fullmatch(path.name))
    except FileNotFoundError:
        return []


def file_fault(path: Path) -> str:
    """Return what is wrong with a file that is named by its digest; empty where nothing is, or where it has gone."""
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == path.name else "is not what its digest says"


def mirrors(cache: CacheFolder) -> list[Path]:
    """Return the mirrors of git repositories, sorted."""
    try:
        names = (cache.sources / "git").iterdir()
        return sorted(path for path in names if not path.name.startswith(".") and path.suffix == ".git")
    except FileNotFoundError:
        return []


def mirror_fault(mirror: Path) -> str:
    """Return what git finds broken in a mirror: every object is read; empty where nothing is, or where it has gone."""
    done = query(mirror, "fsck", "--full", "--no-dangling", "--no-progress", expected=None)
    told = list(_told(done))
    if not told or not mirror.exists():
        return ""
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return f"git finds: {told[0]}{more}"


def _told(done: Completed) -> Iterator[str]:
    """Yield the lines that tell of damage."""
    lines = [line.strip() for line in (done.stderr + done.stdout).decode(errors="replace").splitlines()]
    lints = False
    found = False
    for line in lines:
        if _LINT.match(line):
            lints = True
        elif line and not line.startswith(_HARMLESS):
            found = True
            yield line
    if done.returncode != 0 and not found and not lints:
        yield f"git fsck ended with {done.returncode}"


def put_mirror_aside(cache: CacheFolder, mirror: Path) -> Path | None:
    """Rename a mirror away that is still broken, so that the next use fetches it anew; return where it is now.

    It stays: it may hold commits that its server no longer has.
    """
    with hold_lock(cache.locks / f"git-{mirror.name}"):
        if not mirror_fault(mirror):
            return None
        aside = mirror.with_name(f"{DAMAGED_PREFIX}{mirror.name}-{secrets.token_hex(4)}")
        os.rename(mirror, aside)
        return aside
