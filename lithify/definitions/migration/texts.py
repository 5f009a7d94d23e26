"""A definitions tree as texts, and what a step has to say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from lithify.definitions.root import VERSION
from lithify.definitions.tree import DEFAULTS, Definitions, load
from lithify.errors import Place


class Texts(Struct, frozen=True, kw_only=True):
    """The definitions of a tree: ``VERSION``, ``DEFAULTS`` and all ``.morph`` files, as far as they are there."""

    files: Mapping[str, str]
    """Name → text."""
    others: frozenset[str] = frozenset()
    """Names of the tree's other files."""

    def definitions(self) -> Definitions:
        """Return the tree as the rest of the program knows it; raises where ``VERSION`` is broken."""
        return load(Path(), read=_Reader(self))


class _Reader:
    """Gives a tree's texts as files."""

    def __init__(self, texts: Texts) -> None:
        self._files = texts.files
        self._names = {*texts.files, *texts.others}
        self.unreadable: Mapping[str, str] = {}

    def read(self, name: str) -> bytes:
        """Return the bytes of a definition."""
        if name not in self._files:
            raise FileNotFoundError(name)
        return self._files[name].encode()

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        return name in self._names or any(one.startswith(f"{name}/") for one in self._names)

    def names(self) -> Iterable[str]:
        """Return the names of all ``.morph`` files."""
        return (name for name in sorted(self._files) if name not in (VERSION, DEFAULTS))


class Note(Struct, frozen=True, kw_only=True):
    """What a step changed, or what it could not know."""

    format: int
    """The format that the step leads to."""
    place: Place
    message: str
    hint: str = ""
    is_open: bool = False
    """Somebody has to look: the definitions alone do not tell."""
