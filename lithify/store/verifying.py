"""Every object against its checksum: finds what bit rot, a bad disk or a stray write did."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import get_args

from msgspec import Struct

from lithify.store.checking import check_file, check_metadata
from lithify.store.damage import DamagedObject, ObjectKind
from lithify.store.reach import Reached, all_commits, reach
from lithify.store.reading import Repository

THREADS = 2
"""Hashing leaves other threads running, and more of them only wait for the disk."""
BATCH = 128
_KINDS: frozenset[str] = frozenset(get_args(ObjectKind))
_Object = tuple[ObjectKind, str]


class Verified(Struct, frozen=True, kw_only=True):
    """What was looked at, and what is wrong."""

    objects: int
    damaged: tuple[DamagedObject, ...]
    """Sorted by kind and checksum."""
    inodes: frozenset[int] = frozenset()
    """Of the file objects that are there: kept checkouts share most of them."""


def verify(
    repository: Repository,
    commits: Iterable[str] | None = None,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verified:
    """Read and check every object of ``commits``; of the whole store where none are given, unused objects included.

    An unused object counts too: it is there by name, and the next build that makes the same file would take it as it is.
    ``progress`` gets how many objects of how many are done. About 1 s a GB and core. Owners are part of a file's
    checksum: run this in the namespace in which the store is written.
    """
    fresh = Repository(repository.path)
    inodes: dict[_Object, int] = {}
    if commits is None:
        inodes = dict(_loose_objects(repository.path / "objects"))
        whole = (name for name in all_commits(fresh) if not fresh.is_partial(name))
        commits = {*fresh.refs().values(), *whole}
    reached = reach(fresh, sorted(commits))
    found = {(error.kind, error.checksum): error for error in reached.damaged}
    read = _read_already(reached)
    rest = sorted(({*inodes} | {("file", name) for name in reached.files}) - read, key=lambda one: one[1])
    for error in _check(fresh, rest, len(read), progress):
        found.setdefault((error.kind, error.checksum), error)
    return Verified(
        objects=len(read) + len(rest),
        damaged=tuple(found[key] for key in sorted(found)),
        inodes=frozenset(inode for (kind, _), inode in inodes.items() if kind == "file"),
    )


def _read_already(reached: Reached) -> set[_Object]:
    """Return the objects that were read, and so checked, on the way."""
    read: set[_Object] = {("commit", name) for name in reached.commits}
    read |= {("dirtree", name) for name in reached.dirtrees}
    return read | {("dirmeta", name) for name in reached.dirmetas}


def _loose_objects(top: Path) -> Iterator[tuple[_Object, int]]:
    """Yield each object that is there, with its inode."""
    for folder in sorted(top.glob("??")):
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, _, kind = entry.name.partition(".")
                if kind in _KINDS and len(stem) == 62:
                    kind_of_it: ObjectKind = next(one for one in get_args(ObjectKind) if one == kind)
                    yield (kind_of_it, folder.name + stem), entry.inode()


def _check(
    repository: Repository, objects: Sequence[_Object], done: int, progress: Callable[[int, int], None]
) -> Iterator[DamagedObject]:
    """Check objects in batches, a few ahead of what is asked for."""
    total = done + len(objects)
    progress(done, total)
    batches = (objects[start : start + BATCH] for start in range(0, len(objects), BATCH))
    with ThreadPoolExecutor(THREADS) as pool:
        pending: deque[tuple[Future[list[DamagedObject]], int]] = deque()
        try:
            while True:
                for batch in islice(batches, 2 * THREADS - len(pending)):
                    pending.append((pool.submit(_check_batch, repository, batch), len(batch)))
                if not pending:
                    return
                future, count = pending.popleft()
                yield from future.result()
                done += count
                progress(done, total)
        finally:
            for future, _ in pending:
                future.cancel()


def _check_batch(repository: Repository, batch: Sequence[_Object]) -> list[DamagedObject]:
    damaged = []
    for kind, checksum in batch:
        place = repository.place(checksum, kind)
        try:
            if kind == "file":
                check_file(place, checksum)
            else:
                check_metadata(place, kind, checksum)
        except DamagedObject as error:
            damaged.append(error)
    return damaged
