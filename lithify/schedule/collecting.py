"""What in the cache nothing keeps: decided here as plain data, and then removed.

Kept is what the systems of a definitions tree need as they are defined now, and what is younger than ``gc-keep``. While
another command works on the cache, no build is dropped at all: only what killed commands left goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lithify.build.benches import sweep
from lithify.build.metadata import CHECK_PREFIX
from lithify.cache import CacheFolder, is_held, open_cache, remove_tree, remove_unheld
from lithify.config import Settings
from lithify.crash import crash_point
from lithify.errors import LithifyError
from lithify.events import Report
from lithify.graph.keys import Unresolved
from lithify.lease import Lease
from lithify.schedule.building import reserve
from lithify.schedule.session import Resolved
from lithify.staging.namespace import enter
from lithify.store.garbage import Collected, collect
from lithify.store.reading import Repository
from lithify.store.writing import STORE_LOCKS, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBuild:
    """A finished build in the store, and what keeps it."""

    kind: str
    name: str
    key: str
    """Its definition key."""
    commit: str
    content: str
    """Digest of what it holds: the name of its layer."""
    made_at: int
    """Seconds since 1970."""
    size: int
    """Bytes of its files; those that other builds hold too are counted as well."""
    seconds: float
    """How long it took to build."""
    kept_by: str
    """Why it stays; empty where nothing keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed."""

    builds: tuple[StoredBuild, ...]
    collected: Collected
    busy: bool
    """Whether builds were left alone because another command works on the cache."""


def keys_needed(systems: Iterable[Resolved]) -> dict[str, str]:
    """Return the definition keys of all that systems need, each with the name of a system that needs it."""
    needed: dict[str, str] = {}
    for resolved in systems:
        keys = [*(resolved.keys.chunk[name] for name in resolved.graph.needed), resolved.keys.system]
        for key in keys:
            if not isinstance(key, Unresolved):
                needed.setdefault(key, resolved.graph.system.name)
    return needed


def stored_builds(
    repository: Repository, *, needed: Mapping[str, str], now: float, keep_seconds: float
) -> tuple[StoredBuild, ...]:
    """Return every build in the store with what keeps it, the oldest first."""
    found = []
    for ref, checksum in repository.refs("d").items():
        metadata = repository.commit(checksum).metadata
        key = ref.rpartition("/")[2]
        made = int(metadata.get("adopted-at", metadata["built-at"]))
        young = now - made < keep_seconds
        found.append(
            StoredBuild(
                kind=metadata["kind"],
                name=metadata["name"],
                key=key,
                commit=checksum,
                content=metadata["content"],
                made_at=made,
                size=int(metadata.get("size", 0)),
                seconds=sum(metadata.get("timings", {}).values()) / 1000,
                kept_by=needed.get(key, "") or ("its age" if young else ""),
            )
        )
    return tuple(sorted(found, key=lambda build: (build.made_at, build.name)))


def remove_unkept(settings: Settings, builds: Sequence[StoredBuild], report: Report) -> Removal:
    """Remove the builds that nothing keeps, objects that nothing names, unused layers, old logs, and leftovers.

    No command can begin to use the cache before the end; where one does already, only leftovers go. Enters the user
    namespace: no thread may have been started before.
    """
    cache = open_cache(settings.cachedir)
    enter()
    lease = Lease(cache)
    store = Store(cache, sync=settings.fsync, min_free=reserve(cache), report=report, lease=lease)
    with lease.alone() as alone:
        return _remove(settings, store, builds, busy=not alone)


def _remove(settings: Settings, store: Store, builds: Sequence[StoredBuild], *, busy: bool) -> Removal:
    cache, began = store.cache, time.time()
    sweep(cache, lambda label, failed: not failed or _age(cache.staging / label, began) > settings.gc_keep)
    kept = {build.commit for build in builds if build.kept_by or busy}
    known = {build.commit for build in builds}

    def keep_ref(name: str, commit: str) -> bool:
        """Keep refs of what is kept, and of what was built since the store was looked through.

        What a killed check has left is neither.
        """
        return busy or commit in kept or not (commit in known or name.startswith(CHECK_PREFIX))

    layers = None if busy else {build.content for build in builds if build.kept_by}
    collected = collect(store, keep_ref=keep_ref, keep_layers=layers)
    if not busy:
        _remove_logs(cache, {build.key for build in builds if build.kept_by}, began - settings.gc_keep)
        _remove_compiler_caches(cache, began - settings.gc_keep)
        _remove_locks(cache)
    dropped = () if busy else tuple(build for build in builds if not build.kept_by)
    return Removal(builds=dropped, collected=collected, busy=busy)


def empty_cache(settings: Settings) -> Path:
    """Remove all that is in the cache but the lock that says so, and return its folder.

    Raises :class:`LithifyError` while another command works on it.
    """
    cache = open_cache(settings.cachedir)
    enter()
    lease = Lease(cache)
    with lease.alone() as alone:
        if not alone or any(is_held(lock) for lock in cache.locks.glob("bench-*")):
            raise LithifyError(
                f"another command works on the cache {cache.root}", hints=["try again when it has ended"]
            )
        sweep(cache, lambda label, failed: True)
        for entry in sorted(cache.root.iterdir()):
            if entry != cache.locks:
                remove_tree(entry)
                crash_point("empty.removed")
        for lock in sorted(cache.locks.iterdir()):
            if lock != lease.path:  # others may wait for it already
                remove_tree(lock)
    return cache.root


def _remove_locks(cache: CacheFolder) -> None:
    """Remove the lock files that nobody holds: each key ever built has left some."""
    lasting = {Lease(cache).path.name, *STORE_LOCKS}
    for lock in cache.locks.iterdir():
        if lock.name not in lasting:
            remove_unheld(lock)


def _remove_compiler_caches(cache: CacheFolder, before: float) -> None:
    """Remove the compiler caches that no build has used for long."""
    if cache.compiler_caches.is_dir():
        for folder in cache.compiler_caches.iterdir():
            if folder.stat().st_mtime < before:
                remove_tree(folder)


def _remove_logs(cache: CacheFolder, keys: set[str], before: float) -> None:
    for log in cache.logs.glob("*.log"):
        if log.stem not in keys and log.stat().st_mtime < before:
            log.unlink(missing_ok=True)


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
