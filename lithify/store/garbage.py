"""Removes what nothing names any more: objects, leftovers of killed processes, kept checkouts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection
from pathlib import Path

from msgspec import Struct

from lithify.cache import host_errors, remove_tree
from lithify.crash import crash_point
from lithify.store.aside import sweep_aside
from lithify.store.gobject import OSTree, ostree_errors
from lithify.store.reach import all_commits
from lithify.store.reading import Repository, is_temporary
from lithify.store.refs import mark_partial
from lithify.store.writing import Store


class Collected(Struct, frozen=True, kw_only=True):
    """What was removed."""

    refs: int
    objects: int
    bytes: int
    """Of objects; of layers nothing is counted, since most of their files are objects too."""
    layers: int
    layers_in_use: bool
    """Whether layers were left alone because a running command may have them mounted."""


def collect(
    store: Store, *, keep_ref: Callable[[str, str], bool], keep_layers: Collection[str] | None = ()
) -> Collected:
    """Remove all refs but those for which ``keep_ref(name, commit)`` holds, and all that no kept ref leads to.

    ``keep_layers`` are content digests; other layers go, unless a running command may use them. None keeps all. Waits until no
    transaction is under way, and none begins before the end.
    """
    with store.exclusive_lock():
        dropped = _drop_refs(store, keep_ref)
        crash_point("store.collect.refs")
        _mark_unnamed(store)
        crash_point("store.collect.marked")
        _remove_staging(store)
        crash_point("store.collect.staging")
        with ostree_errors(store.cache.ostree, "removing unused objects"):
            _, _, objects, size = store.repo().prune(OSTree.RepoPruneFlags.REFS_ONLY, 0, None)
        crash_point("store.collect.pruned")
        _remove_marks(store)
        store.reading.forget()
        layers = _remove_layers(store, keep_layers)
    return Collected(
        refs=dropped,
        objects=objects,
        bytes=size,
        layers=layers or 0,
        layers_in_use=layers is None,
    )


def _drop_refs(store: Store, keep_ref: Callable[[str, str], bool]) -> int:
    """Drop refs; one whose commit is not whole names nothing, and goes too, since libostree cannot walk from it."""
    top = store.cache.ostree / "refs" / "heads"
    whole = Repository(store.cache.ostree).refs()
    dropped = 0
    for place in sorted(path for path in top.rglob("*") if path.is_file()):
        name = str(place.relative_to(top))
        if is_temporary(place.name):
            place.unlink()
            continue
        if name in whole and keep_ref(name, whole[name]):
            continue
        with ostree_errors(store.cache.ostree, f"dropping {name}"):
            store.repo().set_ref_immediate(None, name, None, None)
        dropped += 1
    return dropped


def _mark_unnamed(store: Store) -> None:
    """Mark the commits that are about to go as not whole: libostree removes objects in no order, and may be killed."""
    refs = (path for path in (store.cache.ostree / "refs").rglob("*") if path.is_file())
    named = {path.read_bytes().strip().decode(errors="replace") for path in refs}
    with host_errors(store.cache.ostree):
        for commit in all_commits(Repository(store.cache.ostree)):
            if commit not in named:
                mark_partial(store.cache.ostree, commit)


def _remove_staging(store: Store) -> None:
    """Remove what killed transactions left aside, and what other programs' did: their next one would adopt it."""
    top = store.cache.ostree / "tmp"
    sweep_aside(store.cache.ostree)
    alone = (Path(str(lock).removesuffix("-lock")) for lock in top.glob("staging-*-lock"))
    for folder in sorted({*top.glob("staging-*/"), *alone}):  # who was killed in between left a lock alone
        lock = Path(f"{folder}-lock")
        with open(lock, "a+b") as held:
            try:
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # of a program that is not lithify, at work on our repository
            remove_tree(folder)
            lock.unlink(missing_ok=True)


def _remove_marks(store: Store) -> None:
    """Remove partial marks of commits that are not there."""
    for mark in (store.cache.ostree / "state").glob("*.commitpartial"):
        if not store.reading.has(mark.stem, "commit"):
            mark.unlink(missing_ok=True)


def _remove_layers(store: Store, keep: Collection[str] | None) -> int | None:
    """Remove layers that are not to be kept; return how many, or None where they are in use."""
    if keep is None:
        return None
    with store.lease.alone() as alone:
        if not alone:
            return None
        removed = 0
        for name in sorted(os.listdir(store.cache.layers)):
            if name not in keep:
                # a half-removed layer looks otherwise than its index says, and would be made again
                remove_tree(store.cache.layers / name)
                store.layers.forget(name)
                removed += not name.startswith(".")
        return removed
