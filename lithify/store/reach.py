"""Which objects a commit holds, and which commits hold an object; reads folders alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct, field

from lithify.store.damage import DamagedObject, ObjectKind
from lithify.store.gvariant import Tree
from lithify.store.reading import Commit, Repository

Object = tuple[ObjectKind, str]
"""The kind of an object, and its checksum."""


class Reached(Struct):
    """Objects that were reached, by kind, and those that could not be read on the way."""

    commits: set[str] = field(default_factory=set)
    dirtrees: set[str] = field(default_factory=set)
    dirmetas: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    damaged: list[DamagedObject] = field(default_factory=list)


def reach(repository: Repository, commits: Iterable[str]) -> Reached:
    """Return all that commits hold; each folder is read once, and damaged ones are listed and not entered."""
    found = Reached()
    for checksum in commits:
        found.commits.add(checksum)
        try:
            tree = repository.commit(checksum).tree
        except DamagedObject as error:
            found.damaged.append(error)
            continue
        _enter(repository, tree, found)
    for checksum in found.dirmetas:
        try:
            repository.dirmeta(checksum)
        except DamagedObject as error:
            found.damaged.append(error)
    return found


def _enter(repository: Repository, tree: Tree, found: Reached) -> None:
    pending = [tree]
    while pending:
        tree = pending.pop()
        found.dirmetas.add(tree.dirmeta)
        if tree.dirtree in found.dirtrees:
            continue
        found.dirtrees.add(tree.dirtree)
        try:
            folder = repository.dirtree(tree.dirtree)
        except DamagedObject as error:
            found.damaged.append(error)
            continue
        found.files.update(checksum for _, checksum in folder.files)
        pending.extend(Tree(dirtree, dirmeta) for _, dirtree, dirmeta in folder.dirs)


def holders(repository: Repository, objects: Collection[Object]) -> list[str]:
    """Return the commits, named by a ref or not, that hold any of ``objects`` or are one of them; sorted."""
    found = {name for kind, name in objects if kind == "commit"}
    return sorted(found | {name for name in all_commits(repository) if places(repository, name, objects)})


def places(repository: Repository, commit: str, objects: Collection[Object]) -> dict[Object, str]:
    """Return where in a commit's tree each of ``objects`` stands: the first path of each that is in it, "" for the root.

    What cannot be read is not entered.
    """
    try:
        root = repository.commit(commit).tree
    except DamagedObject:
        return {("commit", commit): ""} if ("commit", commit) in objects else {}
    found: dict[Object, str] = {("commit", commit): ""} if ("commit", commit) in objects else {}
    pending = [("", root)]
    entered: set[Tree] = set()
    while pending:
        path, tree = pending.pop()
        if tree in entered:
            continue
        entered.add(tree)
        for one in (("dirtree", tree.dirtree), ("dirmeta", tree.dirmeta)):
            if one in objects:
                found.setdefault(one, path)
        try:
            folder = repository.dirtree(tree.dirtree)
        except DamagedObject:
            continue
        below = f"{path}/" if path else ""
        for name, checksum in folder.files:
            if ("file", checksum) in objects:
                found.setdefault(("file", checksum), below + name)
        pending += [
            (below + name, Tree(dirtree, dirmeta)) for name, dirtree, dirmeta in reversed(folder.dirs)
        ]
    return found


def all_commits(repository: Repository) -> Iterator[str]:
    """Yield the checksum of every commit object, sorted."""
    for place in sorted((repository.path / "objects").glob("??/*.commit")):
        yield place.parent.name + place.stem


def contents_of(commit: Commit) -> set[str]:
    """Return the content digests that a chunk's or system's commit speaks of: the names of its layers."""
    artifacts = commit.metadata.get("artifacts", {})
    entries = artifacts.values() if isinstance(artifacts, dict) else artifacts
    return {commit.metadata.get("content", ""), *(entry.get("content", "") for entry in entries)} - {""}
