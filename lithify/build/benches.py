"""The folders of builds that run, that failed, or that were killed: which there are, and which may go.

Each has two, one in the cache's ``staging/`` and one in the scratch folder, and a lock that is held as long as it is in use.
Imports nothing slow: whether something is left is asked even where nothing is to be done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lithify.cache import CacheFolder, is_held, remove_tree
from lithify.crash import crash_point

FAILED = "failed"
"""Marks a bench that stays for ``lithify shell --failed``."""
FAILED_LOG = "log"
"""Leads from the folder of a bench that stays to the log of its build."""
SCRATCH = "scratch"
"""Leads from a bench's folder in the cache to the one in the scratch folder."""
LABEL = re.compile(r".+-\d+-[0-9a-f]{8}")
"""A bench's name: that of what is built, a process, and something random."""


def own_name(name: str) -> str:
    """Return the part of a bench's name that tells what is built on it."""
    return name.replace("/", "_")[:80]


def name_of(label: str) -> str:
    """Return what is built on a bench."""
    return label.rsplit("-", 2)[0]


def kept_of(cache: CacheFolder, name: str) -> Path | None:
    """Return the folder that the last failed build of a name left; None where there is none, or a later one has succeeded."""
    own = own_name(name)
    kept = [
        staging
        for staging in (cache.staging.iterdir() if cache.staging.exists() else ())
        if LABEL.fullmatch(staging.name) and name_of(staging.name) == own and (staging / FAILED).exists()
    ]
    return max(kept, key=lambda staging: staging.stat().st_mtime, default=None)


def lock_of(cache: CacheFolder, label: str) -> Path:
    """Return the lock file that is held as long as a bench is in use."""
    return cache.locks / f"bench-{label}"


def leftovers(cache: CacheFolder) -> list[str]:
    """Return the labels of the benches that killed commands left; those of failed builds are kept on purpose."""
    try:
        labels = os.listdir(cache.staging)
    except FileNotFoundError:
        return []
    return [
        label
        for label in labels
        if LABEL.fullmatch(label)
        and not (cache.staging / label / FAILED).exists()
        and not is_held(lock_of(cache, label))
    ]


def sweep(cache: CacheFolder, wanted: Callable[[str, bool], bool]) -> None:
    """Remove the benches that no running build holds and ``wanted(label, failed)`` chooses.

    Those of killed runs are found by their lock, which died with its holder. Raises nothing for one that another process
    removes at the same time.
    """
    for staging in cache.staging.iterdir():
        label = staging.name
        if not LABEL.fullmatch(label) or not wanted(label, (staging / FAILED).exists()):
            continue
        lock = lock_of(cache, label)
        if is_held(lock):
            continue
        with suppress(FileNotFoundError):
            clear_away(staging)
        lock.unlink(missing_ok=True)


def clear_away(staging: Path) -> None:
    """Remove a bench; its folder in the cache goes last, so that what a kill leaves is still found."""
    scratch = staging / SCRATCH
    if scratch.is_symlink():
        target = Path(os.readlink(scratch))
        if target.name == staging.name:
            remove_tree(target)
    crash_point("bench.remove")
    remove_tree(staging)
    crash_point("bench.removed")
