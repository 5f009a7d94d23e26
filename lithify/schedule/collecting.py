"""What in the cache nothing keeps is removed, and with a limit what is cheapest to have again.

Kept is what the systems of a definitions tree need as they are defined now, what ``lithify keep`` names, and, unless a limit
asks for more, what is younger than ``gc-keep``. While another command works on the cache, no build and no source is dropped
at all: only what killed commands left goes. What goes is decided in :mod:`lithify.schedule.eviction`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from msgspec import Struct

from lithify.build.benches import sweep
from lithify.build.kept_folder import OPENED_IN
from lithify.build.metadata import CHECK_PREFIX
from lithify.cache import CacheFolder, is_held, open_cache, remove_tree, remove_unheld
from lithify.config import Settings
from lithify.crash import crash_point
from lithify.errors import LithifyError
from lithify.events import Report
from lithify.lease import Lease
from lithify.schedule.building import reserve
from lithify.schedule.eviction import Eviction, Holding, evict
from lithify.schedule.holdings import SOURCES, Holdings, survey
from lithify.schedule.retention import Retention
from lithify.sources.checking import DAMAGED_PREFIX
from lithify.sources.open_workspaces import open_workspaces
from lithify.staging.namespace import enter
from lithify.store.garbage import Collected, collect
from lithify.store.writing import STORE_LOCKS, Store

_NOTHING_GONE = Collected(refs=0, objects=0, bytes=0, layers=0, layers_in_use=False)


class Demand(Struct, frozen=True, kw_only=True):
    """How much is to go."""

    retention: Retention
    sweep: bool
    """Whether all goes that nothing keeps."""
    limit: int | None
    """Bytes that may be left; None is any number."""


class Removal(Struct, frozen=True, kw_only=True):
    """What goes, or is gone."""

    holdings: Holdings
    """All that was there before."""
    eviction: Eviction
    collected: Collected
    busy: bool
    """Whether builds and sources were left alone because another command works on the cache."""

    @property
    def freed(self) -> int:
        """Bytes that it frees: of what goes, and of what was nobody's; what killed builds left is not counted."""
        return 0 if self.busy else self.eviction.freed + self.holdings.unheld


def decide(holdings: Holdings, demand: Demand) -> Eviction:
    """Return what goes. Pure."""
    return evict(
        holdings.holdings, holdings.sizes, fixed=holdings.fixed, limit=demand.limit, sweep=demand.sweep
    )


def look_for_garbage(settings: Settings, demand: Demand) -> Removal:
    """Return what :func:`collect_garbage` would remove; changes nothing. Enters the user namespace, like it."""
    cache = open_cache(settings.cachedir)
    enter()
    holdings = survey(cache, demand.retention)
    return Removal(holdings=holdings, eviction=decide(holdings, demand), collected=_NOTHING_GONE, busy=False)


def collect_garbage(settings: Settings, demand: Demand, report: Report) -> Removal:
    """Remove what a demand asks for, objects that nothing names, unused layers, old logs, and leftovers.

    No command can begin to use the cache before the end; where one does already, only leftovers go. Enters the user
    namespace: no thread may have been started before.
    """
    cache = open_cache(settings.cachedir)
    enter()
    lease = Lease(cache)
    store = Store(cache, sync=settings.fsync, min_free=reserve(cache), report=report, lease=lease)
    with lease.alone() as alone:
        _sweep_benches(cache, demand)
        holdings = survey(cache, demand.retention)
        eviction = decide(holdings, demand) if alone else Eviction(gone=(), frees=(), left=holdings.total)
        collected = _remove(store, holdings, eviction.gone, demand, busy=not alone)
    return Removal(holdings=holdings, eviction=eviction, collected=collected, busy=not alone)


def keep_to_limit(
    settings: Settings, limit: int, retention: Callable[[], Retention], report: Report
) -> Removal | None:
    """Do what :func:`collect_garbage` does where the cache is larger than ``limit`` bytes; None where it is not.

    Nothing but what the limit asks for is dropped. ``retention`` is asked only where something must go.
    """
    enter()
    if survey(open_cache(settings.cachedir), Retention()).total <= limit:
        return None
    return collect_garbage(settings, Demand(retention=retention(), sweep=False, limit=limit), report)


def _sweep_benches(cache: CacheFolder, demand: Demand) -> None:
    young = demand.retention.young_from
    sweep(cache, lambda label, failed: not failed or _touched(cache.staging / label) < young)


def _remove(
    store: Store, holdings: Holdings, gone: Iterable[Holding], demand: Demand, *, busy: bool
) -> Collected:
    cache, going = store.cache, {holding.place: holding for holding in gone}
    kept = {build.commit for key, build in holdings.builds.items() if key not in going}
    known = {build.commit for build in holdings.builds.values()}

    def keep_ref(name: str, commit: str) -> bool:
        """Keep refs of what is kept, and of what is no build; what a killed check has left goes."""
        return busy or commit in kept or not (commit in known or name.startswith(CHECK_PREFIX))

    contents = {build.content for key, build in holdings.builds.items() if key not in going}
    collected = collect(store, keep_ref=keep_ref, keep_layers=None if busy else contents)
    if not busy:
        _remove_sources(cache, going)
        _remove_logs(cache, holdings.builds.keys() - going.keys(), demand.retention.young_from)
        _remove_compiler_caches(cache, demand.retention.young_from)
        _remove_closed_workspaces(cache)
        _remove_locks(cache)
    return collected


def _remove_sources(cache: CacheFolder, going: Iterable[str]) -> None:
    """Remove sources, and what killed commands left half made; a mirror that was put aside as damaged is its user's to remove.

    Each is renamed first: whoever asks a repository without building sees it whole or not at all.
    """
    for place in sorted(place for place in going if place.startswith("sources/")):
        path = cache.root / place
        if is_held(cache.locks / f"git-{path.name}"):
            continue  # somebody fetches it who has no other claim on the cache
        aside = path.with_name(f".{path.name}.gone")
        remove_tree(aside)
        os.rename(path, aside)
        crash_point("collect.source")
    for folder in SOURCES:
        top = cache.sources / folder
        for name in os.listdir(top) if top.is_dir() else ():
            if name.startswith(".") and not name.startswith(DAMAGED_PREFIX):
                remove_tree(top / name)


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


def _remove_closed_workspaces(cache: CacheFolder) -> None:
    """Remove the build folders of workspaces that no definitions tree lists any more."""
    if not cache.workspaces.is_dir():
        return
    for folder in cache.workspaces.iterdir():
        try:
            root = Path((folder / OPENED_IN).read_text(errors="surrogateescape"))
            still = any(one.id == folder.name for one in open_workspaces(root).values())
        except FileNotFoundError:
            still = False
        except (OSError, LithifyError):
            continue  # nobody can tell
        if not still:
            remove_tree(folder)


def _remove_logs(cache: CacheFolder, keys: Collection[str], before: float) -> None:
    for log in cache.logs.glob("*.log"):
        if log.stem not in keys and log.stat().st_mtime < before:
            log.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
