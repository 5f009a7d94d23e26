"""A kept checkout, and what a command knows of those that it has looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from lithify.graph.model import ContentDigest
from lithify.store.gvariant import Tree
from lithify.store.looking import Looking
from lithify.store.manifest import Manifest


class Layer(Struct, frozen=True, kw_only=True):
    """A kept checkout that was found whole; paths in it are below its root."""

    digest: ContentDigest
    tree: Tree
    manifest: Manifest
    path: Path
    """The folder to mount; its own mode and owner are those of the tree."""
    dirs: frozenset[str]
    """Paths of its folders, without the root."""
    symlinks: Mapping[str, str]
    """Path → where it leads."""
    files: frozenset[str]
    """Paths of its regular files."""


class KnownLayers:
    """Layers that were found whole in this run, and the paths at which any two of them are of different kinds.

    The latter are few, and make it cheap to ask whether a stack needs more than to be mounted. Safe for several threads.
    """

    def __init__(self, lookers: Looking) -> None:
        self._lock = threading.Lock()
        self._looking: dict[ContentDigest, threading.Lock] = {}
        self._layers: dict[ContentDigest, Layer] = {}
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

    def add(self, layer: Layer) -> None:
        """Remember a layer."""
        with self._lock:
            if layer.digest in self._layers:
                return
            self._meetings |= layer.files & self._dirs
            self._meetings |= layer.symlinks.keys() & self._dirs
            self._meetings |= layer.dirs & self._others
            self._dirs |= layer.dirs
            self._others.update(layer.files, layer.symlinks)
            self._layers[layer.digest] = layer

    def forget(self, digest: str) -> None:
        """Look at a layer again on its next use: it is no longer there, or no longer what it was."""
        with self._lock:
            self._layers.pop(ContentDigest(digest), None)
            self._stacks.clear()

    def meet(self, layers: Iterable[Layer]) -> bool:
        """Return whether a folder of one of ``layers`` is at the path of something else in another."""
        stack = list(layers)
        with self._lock:
            meetings = list(self._meetings)
        return any(
            any(path in layer.dirs for layer in stack)
            and any(path in layer.symlinks or path in layer.files for layer in stack)
            for path in meetings
        )

    def resolved(self, stack: Sequence[Layer], most: int) -> tuple[Layer, ...] | None:
        """Return what a stack was resolved to in this run, for a mount of at most ``most`` layers."""
        return self._stacks.get((most, *(layer.digest for layer in stack)))

    def remember(self, stack: Sequence[Layer], most: int, resolved: Sequence[Layer]) -> None:
        """Keep what a stack was resolved to."""
        self._stacks[(most, *(layer.digest for layer in stack))] = tuple(resolved)
