"""Throws damaged objects away, with all that is built on them, so that the next build makes them anew.

Building again alone heals nothing: an object is there by name, and the damaged one would stay.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence

from msgspec import Struct

from lithify.cache import host_errors
from lithify.crash import crash_point
from lithify.store.damage import DamagedObject
from lithify.store.gobject import ostree_errors
from lithify.store.layers import DAMAGED_PREFIX
from lithify.store.reach import contents_of, holders
from lithify.store.reading import Repository
from lithify.store.refs import mark_partial
from lithify.store.writing import Store


class Healed(Struct, frozen=True, kw_only=True):
    """What was thrown away with the damaged objects."""

    commits: tuple[str, ...]
    refs: tuple[str, ...]
    layers: tuple[str, ...]


def heal(store: Store, damaged: Iterable[DamagedObject]) -> Healed:
    """Drop damaged objects, the refs of every commit that holds one, and the layers made from these.

    In this order, so that a process killed in between leaves nothing that looks whole and is not: the commits are marked
    partial, their refs go, their layers are renamed away, and the objects go last. Waits until no transaction is under way.
    """
    bad = sorted({(error.kind, error.checksum) for error in damaged})
    with store.exclusive_lock():
        repository = Repository(store.cache.ostree)
        commits = holders(repository, bad)
        refs = [name for name, commit in repository.refs().items() if commit in commits]
        layers = _layers_of(store, repository, commits, bad)
        with host_errors(store.cache.ostree):
            for commit in commits:
                mark_partial(store.cache.ostree, commit)
        crash_point("store.heal.marked")
        with ostree_errors(store.cache.ostree, "dropping damaged objects"):
            for name in refs:
                store.repo().set_ref_immediate(None, name, None, None)
        crash_point("store.heal.dropped")
        for name in layers:
            away = f"{DAMAGED_PREFIX}{name}-{secrets.token_hex(4)}"
            os.rename(store.cache.layers / name, store.cache.layers / away)
            store.layers.forget(name)
        crash_point("store.heal.layers")
        for kind, checksum in bad:
            place = store.cache.ostree / "objects" / checksum[:2] / f"{checksum[2:]}.{kind}"
            place.unlink(missing_ok=True)
            crash_point("store.heal.object")
        store.reading.forget()
    return Healed(commits=tuple(commits), refs=tuple(refs), layers=tuple(layers))


def _layers_of(
    store: Store, repository: Repository, commits: Sequence[str], bad: Sequence[tuple[str, str]]
) -> list[str]:
    """Return the layers that were made of damaged commits, and those that share an inode with a damaged file."""
    found: set[str] = set()
    for commit in commits:
        try:
            found |= contents_of(repository.commit(commit))
        except DamagedObject:
            continue
    inodes = set()
    for kind, checksum in bad:
        if kind == "file":
            try:
                inodes.add(os.lstat(repository.file_place(checksum)).st_ino)
            except FileNotFoundError:
                continue
    there = sorted(name for name in os.listdir(store.cache.layers) if not name.startswith("."))
    return [name for name in there if name in found or _holds_inode(store.cache.layers / name, inodes)]


def _holds_inode(folder: os.PathLike[str], inodes: set[int]) -> bool:
    if not inodes:
        return False
    pending = [os.fspath(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.inode() in inodes:
                    return True
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return False
