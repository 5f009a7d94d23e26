"""Every object against its checksum: finds what bit rot, a bad disk or a stray write did."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lithify.store.checking import check_file
from lithify.store.damage import DamagedObject
from lithify.store.reach import reach
from lithify.store.reading import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong."""

    objects: int
    damaged: tuple[DamagedObject, ...]
    """Sorted by kind and checksum."""


def verify(repository: Repository, commits: Iterable[str] | None = None) -> Verified:
    """Read and check every object of ``commits`` (all that refs name); about 4 s a GB and core.

    Owners are part of a file's checksum: run this in the namespace in which the store is written.
    """
    fresh = Repository(repository.path)
    reached = reach(fresh, sorted(set(repository.refs().values() if commits is None else commits)))
    damaged = list(reached.damaged)

    def check(checksum: str) -> DamagedObject | None:
        try:
            check_file(fresh.file_place(checksum), checksum)
        except DamagedObject as error:
            return error
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing leaves the other threads running
        damaged += [error for error in pool.map(check, sorted(reached.files), chunksize=64) if error]
    return Verified(
        objects=sum(map(len, (reached.commits, reached.dirtrees, reached.dirmetas, reached.files))),
        damaged=tuple(sorted(damaged, key=lambda error: (error.kind, error.checksum))),
    )
