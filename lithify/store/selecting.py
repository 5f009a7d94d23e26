"""A part of a tree: exactly the paths that a split rule chose, and the folders above them. Metadata only."""

from __future__ import annotations

from collections.abc import Iterable

from lithify.store.folders import Branch, Folder, Frozen, check_depth, freeze, opened, plant
from lithify.store.gvariant import Tree
from lithify.store.loading import Loader
from lithify.store.manifest import Manifest

Trie = dict[str, "Trie"]
"""Paths as nested dicts, one level a folder."""


def select(load: Loader, tree: Tree, manifest: Manifest, paths: Iterable[str]) -> Frozen:
    """Return the tree that holds exactly ``paths`` (devices among them), and their parents as they are in ``tree``.

    A folder that is chosen comes without what is in it, unless that is chosen too. The root is always there. Raises
    :class:`KeyError` for a path that the tree lacks.
    """
    return freeze(_chosen(load, plant(load, tree, manifest), _trie_of(paths), "", 0))


def _chosen(load: Loader, branch: Branch, chosen: Trie, path: str, depth: int) -> Folder:
    check_depth(depth, path)
    source = opened(load, branch)
    result = Folder(meta=source.meta, firm=source.firm)
    for name, below in chosen.items():
        here = f"{path}/{name}" if path else name
        if name in source.dirs:
            result.dirs[name] = _chosen(load, source.dirs[name], below, here, depth + 1)
        elif name in source.files and not below:
            result.files[name] = source.files[name]
        else:
            raise KeyError(here)
    return result


def _trie_of(paths: Iterable[str]) -> Trie:
    root: Trie = {}
    for path in paths:
        level = root
        for part in path.split("/") if path else ():
            level = level.setdefault(part, {})
    return root
