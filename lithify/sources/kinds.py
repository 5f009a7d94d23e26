"""The registry of source kinds. A new kind is one file, one line here, one test file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lithify.definitions.model import PypiSource, Source
from lithify.errors import SourceError
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext, UnpackLimits

__all__ = ["KINDS", "UNLOCKED", "SourceContext", "SourceKind", "UnpackLimits", "kind_of"]

S = TypeVar("S", contravariant=True)


class SourceKind(Protocol[S]):
    """What each kind of source can do; none keeps a state of its own."""

    @property
    def in_place(self) -> bool:
        """Whether it changes what earlier sources laid out, and brings no files of its own."""

    def label(self, source: S, pin: Pin | None) -> str:
        """Return what messages call the source, in a few words."""

    def layout(self, source: S) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin and ``into``, decides how the tree looks."""

    def pin(self, source: S, context: SourceContext) -> Pin:
        """Say what the declaration means now; asks the network."""

    def is_fetched(self, source: S, pin: Pin, context: SourceContext) -> bool:
        """Whether all is in the cache that :meth:`unpack` needs."""

    def fetch(self, source: S, pin: Pin, context: SourceContext) -> None:
        """Have all in the cache, checked against the pin. Raises :class:`SourceError` or :class:`NoSpace`."""

    def unpack(self, source: S, pin: Pin, into: Path, context: SourceContext) -> str | None:
        """Lay what is in the cache out in an existing folder: an empty one, unless :attr:`in_place`.

        Returns the digest of the tree that it laid out, where it knows that without reading it once more.
        """

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin."""

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Return the pin that lines of the lock file, as words, stand for; raises :class:`ValueError`."""

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return name → version of what a pin holds, as people compare it."""


class _PypiKind:
    """A kind that definitions may name and this version cannot fetch: each use says so."""

    in_place = False

    def label(self, source: PypiSource, pin: Pin | None) -> str:
        return f"{source.project} {source.version} (PyPI)"

    def layout(self, source: PypiSource) -> Mapping[str, Value]:
        return {}

    def pin(self, source: PypiSource, context: SourceContext) -> Pin:
        raise self._refusal(source)

    def is_fetched(self, source: PypiSource, pin: Pin, context: SourceContext) -> bool:
        raise self._refusal(source)

    def fetch(self, source: PypiSource, pin: Pin, context: SourceContext) -> None:
        raise self._refusal(source)

    def unpack(self, source: PypiSource, pin: Pin, into: Path, context: SourceContext) -> None:
        raise self._refusal(source)

    def write_pin(self, pin: Pin) -> list[str]:
        return []

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        raise ValueError("sources of the kind pypi cannot be locked yet")

    def parts(self, pin: Pin) -> Mapping[str, str]:
        return {}

    def _refusal(self, source: PypiSource) -> SourceError:
        return SourceError(
            f"sources of the kind pypi cannot be had yet ({source.project} {source.version})",
            hints=["take the project's sdist as an `archive`"],
        )


_PLACES: Mapping[str, tuple[str, str]] = {
    "git": ("git", "GitKind"),
    "archive": ("archive", "ArchiveKind"),
    "debian-source": ("debian_source", "DebianSourceKind"),
    "debian": ("debian", "DebianKind"),
    "local": ("local", "LocalKind"),
    "patch": ("patch", "PatchKind"),
    "workspace": ("workspace", "WorkspaceKind"),
}
"""``kind:`` → module and class. Each is imported when it is first used: most systems have sources of one or two kinds."""


class _Kinds(Mapping[str, SourceKind[Any]]):
    """What each kind can do, by ``kind:``."""

    def __init__(self) -> None:
        self._made: dict[str, SourceKind[Any]] = {"pypi": _PypiKind()}

    def __getitem__(self, name: str) -> SourceKind[Any]:
        if name not in self._made:
            module, kind = _PLACES[name]
            self._made[name] = getattr(importlib.import_module(f"lithify.sources.{module}"), kind)()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*_PLACES, "pypi"))

    def __len__(self) -> int:
        return len(_PLACES) + 1


KINDS: Mapping[str, SourceKind[Any]] = _Kinds()
"""``kind:`` → what it can do."""

UNLOCKED = frozenset({"local", "patch", "workspace"})
"""Kinds whose content is read at each build, and which are in no lock."""


def kind_of(source: Source) -> SourceKind[Any]:
    """Return what a declared source's kind can do."""
    return KINDS[source.kind]
