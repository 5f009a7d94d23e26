"""The layers to mount for a stack whose plain overlay would differ from the merge.

An overlay shows a folder of one layer in place of another's symlink; the merge puts its content where the link leads. So a
layer whose folders lie on symlinks of others is rewritten (metadata only), checked out and kept. Most stacks have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lithify.cache import CacheFolder
from lithify.facts import Facts
from lithify.store.content import content_digest
from lithify.store.entries import FileLoader
from lithify.store.folders import Branch, Folder, Frozen, freeze, opened
from lithify.store.gvariant import Dirmeta, Dirtree, decode_dirmeta, decode_dirtree
from lithify.store.layer import Layer
from lithify.store.layers import keep_layer
from lithify.store.loading import Loader
from lithify.store.merge import Part, Settled, merge, settle
from lithify.store.uniting import Uniting, described
from lithify.store.writing import Store

MOST_LAYERS = 490
"""The kernel takes 500, and a staging area adds its own."""
_PLAIN = "plain-stack"
"""The kind of fact: digests of layers → that no two meet."""
FOLD = 50
"""How many layers become one where there are too many: the lowest, which change least."""


def resolve_stack(
    cache: CacheFolder,
    store: Store,
    layers: Sequence[Layer],
    *,
    names: Sequence[str] = (),
    most: int = MOST_LAYERS,
    facts: Facts | None = None,
) -> list[Layer]:
    """Return the layers, lowest first, whose plain overlay is the merge of ``layers``; mostly the same ones.

    ``names`` are what a :class:`MergeConflict` calls them. More than ``most`` are made fewer, by merging the lowest. That a
    stack is one of those that are mounted as they are is kept among the ``facts``: then the names in it need not be read.
    """
    if len(layers) <= most and _is_plain(store, layers, facts):
        return list(layers)
    known = store.layers.resolved(layers, most)
    if known is None:
        labels = [*names, *(f"layer {layer.digest[:12]}" for layer in layers[len(names) :])]
        known = tuple(_Resolving(cache, store).resolve(list(layers), labels, most))
        store.layers.remember(layers, most, known)
    return list(known)


def _is_plain(store: Store, layers: Sequence[Layer], facts: Facts | None) -> bool:
    """Return whether no folder of one layer is at the path of something else in another."""
    # a set: the order of the layers does not matter
    key = hashlib.sha256(" ".join(sorted({layer.digest for layer in layers})).encode()).hexdigest()
    if facts is not None and facts.get(_PLAIN, key):
        return True
    if store.layers.meet(layers):
        return False
    if facts is not None:
        facts.put(_PLAIN, key, "yes")
    return True


class _Resolving:
    """One stack being resolved; trees made on the way are in memory alone, where no collector can take them away."""

    def __init__(self, cache: CacheFolder, store: Store) -> None:
        self._cache = cache
        self._store = store
        self._loader = _WithFrozen(store.reading)

    def resolve(self, layers: list[Layer], labels: list[str], most: int) -> list[Layer]:
        start = 0
        while len(layers) > max(most, 1):
            some = slice(start, start + FOLD)
            merged = merge(self._loader, _parts(layers[some], labels[some]))
            labels[some] = [f"{labels[start]} and those after it"]
            layers[some] = [self._kept(merged)]
            start = start + 1 if start + 2 < len(layers) else 0
        if not self._store.layers.meet(layers):
            return layers
        settled = settle(self._loader, _parts(layers, labels))
        offending = {piece.part for piece in settled.pieces if piece.moved}
        return [
            self._kept(_rewritten(self._loader, settled, number)) if number in offending else layer
            for number, layer in enumerate(layers)
        ]

    def _kept(self, frozen: Frozen) -> Layer:
        self._loader.add(frozen)
        digest = content_digest(frozen.tree, frozen.manifest)
        return keep_layer(self._cache, self._store, self._loader, digest, frozen.tree, frozen.manifest)


def _parts(layers: Sequence[Layer], labels: Sequence[str]) -> list[Part]:
    return [
        Part(name=label, tree=layer.tree, manifest=layer.manifest)
        for label, layer in zip(labels, layers, strict=True)
    ]


def _rewritten(load: Loader, settled: Settled, part: int) -> Frozen:
    """Return a part with its moved content in place.

    Folders that were only made for it get the metadata of those below that describe them, since the uppermost layer's counts
    on an overlay.
    """
    root = Uniting(load).unite([piece.root for piece in settled.pieces if piece.part == part])
    _describe(load, root, [piece.root for piece in settled.pieces if piece.part < part])
    return freeze(root)


def _describe(load: Loader, branch: Branch, below: Sequence[Branch]) -> None:
    if not isinstance(branch, Folder):
        return
    if not branch.firm:
        branch.meta, _ = described([*below, branch])
    for name, child in branch.dirs.items():
        if isinstance(child, Folder):
            beneath = [found for at in below if (found := opened(load, at).dirs.get(name)) is not None]
            _describe(load, child, beneath)


class _WithFrozen:
    """Reads folders that were made in memory, and all else from the store."""

    def __init__(self, loader: FileLoader) -> None:
        self._loader = loader
        self._dirtrees: dict[str, bytes] = {}
        self._dirmetas: dict[str, bytes] = {}

    def add(self, frozen: Frozen) -> None:
        self._dirtrees.update(frozen.dirtrees)
        self._dirmetas.update(frozen.dirmetas)

    def dirtree(self, checksum: str) -> Dirtree:
        data = self._dirtrees.get(checksum)
        return self._loader.dirtree(checksum) if data is None else decode_dirtree(data)

    def dirmeta(self, checksum: str) -> Dirmeta:
        data = self._dirmetas.get(checksum)
        return self._loader.dirmeta(checksum) if data is None else decode_dirmeta(data)

    def symlink_target(self, checksum: str) -> str | None:
        return self._loader.symlink_target(checksum)

    def file_place(self, checksum: str) -> str:
        return self._loader.file_place(checksum)
