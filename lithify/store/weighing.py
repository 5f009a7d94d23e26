"""What commits take on the disk: each object's bytes once, and which commit holds which."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from lithify.store.damage import DamagedObject
from lithify.store.gvariant import Tree
from lithify.store.reach import reach
from lithify.store.reading import Repository

_BLOCK = 512
"""Bytes of what ``st_blocks`` counts."""
_OF_A_COMMIT = ("commit", "commitmeta")
"""Suffixes of what is a commit's own: the object, and its signatures."""


class Weighed(Struct, frozen=True, kw_only=True):
    """The objects of a repository."""

    sizes: Sequence[int]
    """Bytes on the disk of each."""
    objects: Mapping[str, Sequence[int]]
    """Commit → the objects that it holds, as indices of ``sizes``."""
    unheld: int
    """Bytes of those that no commit holds."""
    inodes: frozenset[int]
    """Those of the objects: what a layer links to is not counted again."""


def weigh(repository: Repository, commits: Iterable[str]) -> Weighed:
    """Return what commits hold, and the bytes of it. An object that is missing weighs nothing."""
    places: dict[str, int] = {}
    sizes = array("Q")
    inodes: set[int] = set()
    for name, status in _objects(repository):
        places[name] = len(sizes)
        sizes.append(on_disk(status))
        inodes.add(status.st_ino)
    by_tree: dict[Tree, Sequence[int]] = {}
    objects: dict[str, Sequence[int]] = {}
    for commit in commits:
        own = [places[name] for suffix in _OF_A_COMMIT if (name := f"{commit}.{suffix}") in places]
        try:
            tree = repository.commit(commit).tree
        except DamagedObject:
            objects[commit] = array("I", own)
            continue
        if tree not in by_tree:
            by_tree[tree] = _of_tree(repository, commit, places)
        objects[commit] = array("I", sorted({*own, *by_tree[tree]}))
    held = {place for found in objects.values() for place in found}
    return Weighed(
        sizes=sizes,
        objects=objects,
        unheld=sum(size for place, size in enumerate(sizes) if place not in held),
        inodes=frozenset(inodes),
    )


def on_disk(status: os.stat_result) -> int:
    """Return the bytes that a file or folder takes on the disk."""
    return status.st_blocks * _BLOCK


def _of_tree(repository: Repository, commit: str, places: Mapping[str, int]) -> Sequence[int]:
    found = reach(repository, [commit])
    names = [
        *(f"{checksum}.dirtree" for checksum in found.dirtrees),
        *(f"{checksum}.dirmeta" for checksum in found.dirmetas),
        *(f"{checksum}.file" for checksum in found.files),
    ]
    return array("I", [places[name] for name in names if name in places])


def _objects(repository: Repository) -> Iterable[tuple[str, os.stat_result]]:
    """Yield each object's name, as ``CHECKSUM.KIND``, and what ``lstat`` says of it."""
    top = repository.path / "objects"
    try:
        folders = sorted(os.listdir(top))
    except FileNotFoundError:
        return
    for folder in folders:
        with os.scandir(top / folder) as listing:
            for entry in listing:
                try:
                    yield folder + entry.name, entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # collected meanwhile
