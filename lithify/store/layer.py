"""A kept checkout, and what a command knows of those that it has looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from lithify.graph.model import ContentDigest
from lithify.store.gvariant import Tree
from lithify.store.looking import Looking
from lithify.store.manifest import Manifest
from lithify.store.survey import Survey, read_survey


class Layer(Struct, frozen=True, kw_only=True):
    """A kept checkout that was found whole; paths in it are below its root."""

    digest: ContentDigest
    tree: Tree
    manifest: Manifest
    path: Path
    """The folder to mount; its own mode and owner are those of the tree."""


class KnownLayers:
    """Layers that were found whole in this run, and the paths at which any two of them are of different kinds.

    The latter are few, and make it cheap to ask whether a stack needs more than to be mounted. The names in a layer are read
    when they are first asked for: that takes time by their number. Safe for several threads.
    """

    def __init__(self, lookers: Looking) -> None:
        self._lock = threading.Lock()
        self._looking: dict[ContentDigest, threading.Lock] = {}
        self._layers: dict[ContentDigest, Layer] = {}
        self._names: dict[ContentDigest, Survey] = {}
        self._met: set[ContentDigest] = set()
        """Layers whose names are in the following."""
        self._dirs: set[str] = set()
        self._others: set[str] = set()
        self._meetings: set[str] = set()
        self.lookers = lookers
        """Processes that look ahead."""
        self._stacks: dict[tuple[int | ContentDigest, ...], tuple[Layer, ...]] = {}

    @contextmanager
    def looking_at(self, digest: ContentDigest) -> Iterator[None]:
        """Let one thread at a time look for a layer, or make it: the others find what it found."""
        with self._lock:
            own = self._looking.setdefault(digest, threading.Lock())
        with own:
            yield

    def get(self, digest: ContentDigest) -> Layer | None:
        """Return a layer that was found whole."""
        return self._layers.get(digest)

    def digests(self) -> tuple[ContentDigest, ...]:
        """Return the content of all layers that were found whole, in the order in which they were."""
        return tuple(self._layers)

    def add(self, layer: Layer, names: Survey | None = None) -> None:
        """Remember a layer, and the names in it where they are known."""
        with self._lock:
            if layer.digest not in self._layers:
                self._layers[layer.digest] = layer
                if names is not None:
                    self._names[layer.digest] = names

    def names(self, layer: Layer) -> Survey:
        """Return the names of all that is in a layer."""
        with self._lock:
            return self._names_of(layer)

    def _names_of(self, layer: Layer) -> Survey:
        known = self._names.get(layer.digest)
        if known is None:
            known = self._names[layer.digest] = read_survey(layer.path)
        return known

    def forget(self, digest: str) -> None:
        """Look at a layer again on its next use: it is no longer there, or no longer what it was."""
        with self._lock:
            for known in (self._layers, self._names):
                known.pop(ContentDigest(digest), None)
            self._stacks.clear()

    def meet(self, layers: Iterable[Layer]) -> bool:
        """Return whether a folder of one of ``layers`` is at the path of something else in another."""
        stack = list(layers)
        with self._lock:
            names = [self._names_of(layer) for layer in stack]
            for layer, found in zip(stack, names, strict=True):
                self._take_in(layer, found)
            meetings = list(self._meetings)
        return any(
            any(path in found.dirs for found in names)
            and any(path in found.symlinks or path in found.files for found in names)
            for path in meetings
        )

    def _take_in(self, layer: Layer, names: Survey) -> None:
        if layer.digest in self._met:
            return
        self._met.add(layer.digest)
        self._meetings |= names.files & self._dirs
        self._meetings |= names.symlinks.keys() & self._dirs
        self._meetings |= names.dirs & self._others
        self._dirs |= names.dirs
        self._others.update(names.files, names.symlinks)

    def resolved(self, stack: Sequence[Layer], most: int) -> tuple[Layer, ...] | None:
        """Return what a stack was resolved to in this run, for a mount of at most ``most`` layers."""
        return self._stacks.get((most, *(layer.digest for layer in stack)))

    def remember(self, stack: Sequence[Layer], most: int, resolved: Sequence[Layer]) -> None:
        """Keep what a stack was resolved to."""
        self._stacks[(most, *(layer.digest for layer in stack))] = tuple(resolved)
