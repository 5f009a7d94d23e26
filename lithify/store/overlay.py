"""What commands changed on an overlay, applied to the tree below it. Metadata only.

Other than in a merge the upper layer always wins, as the kernel shows it: a file may replace a folder, and no link is
followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lithify.store.folders import Branch, Folder, Frozen, check_depth, freeze, opened, plant
from lithify.store.gvariant import Tree
from lithify.store.loading import Loader
from lithify.store.manifest import Manifest


class Changes(Protocol):
    """What capture found in an upper layer beside what is taken in as a tree; paths are below the root."""

    @property
    def removed(self) -> Sequence[str]:
        """Paths that are gone, folders with all in them."""
        ...

    @property
    def opaque(self) -> Sequence[str]:
        """Folders of which nothing shows but what the upper layer has."""
        ...

    @property
    def manifest(self) -> Manifest:
        """Devices, fifos, sockets and link groups that the upper layer had."""
        ...


def overlay(load: Loader, tree: Tree, manifest: Manifest, changes: Changes, upper: Tree) -> Frozen:
    """Return ``tree`` with ``changes`` applied and ``upper``, the content of the upper layer, laid over it."""
    base = opened(load, plant(load, tree, manifest, 0))
    for path in changes.removed:
        parent, _, name = path.rpartition("/")
        folder = _folder_at(load, base, parent)
        if folder is not None:
            folder.files.pop(name, None)
            folder.dirs.pop(name, None)
    for path in changes.opaque:
        replaced = _folder_at(load, base, path)
        if replaced is not None:
            replaced.files.clear()
            replaced.dirs.clear()
    return freeze(_laid_over(load, base, plant(load, upper, changes.manifest, 1), "", 0))


def _folder_at(load: Loader, root: Folder, path: str) -> Folder | None:
    """Return the folder at ``path``, opened in place, or None where there is no folder."""
    folder = root
    for part in path.split("/") if path else ():
        branch = folder.dirs.get(part)
        if branch is None:
            return None
        folder.dirs[part] = folder = opened(load, branch)
    return folder


def _laid_over(load: Loader, base: Branch | None, upper: Branch, path: str, depth: int) -> Branch:
    if base is None or (isinstance(base, Tree) and base == upper):
        return upper
    check_depth(depth, path)
    result = opened(load, base)
    above = opened(load, upper)
    for name, leaf in above.files.items():
        result.dirs.pop(name, None)
        result.files[name] = leaf
    for name, branch in above.dirs.items():
        result.files.pop(name, None)
        here = f"{path}/{name}" if path else name
        result.dirs[name] = _laid_over(load, result.dirs.get(name), branch, here, depth + 1)
    if above.meta:
        result.meta, result.firm = above.meta, above.firm
    return result
