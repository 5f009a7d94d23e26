"""The values of a text file, each with the spot where it stands.

A YAML mapping is a :class:`Fields`, a sequence is :class:`Items`; scalars are ``str``, ``bytes`` (``!!binary``), ``None``
(null), or :class:`Guess` where YAML 1.1 would read something else than text: what it means, the schema decides.
The containers hold the marks of their children, so that most scalars stay plain strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lithify.errors import Place

LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What libyaml counts as the end of a line."""

Mark = tuple[int, int]
"""Line and column, both from 0."""


class TextFile:
    """A file's name (relative to the root of the definitions) and its text."""

    __slots__ = ("_lines", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._lines: list[str] | None = None

    def place(self, mark: Mark) -> Place:
        """Return the place of ``mark``, with its source line."""
        if self._lines is None:
            self._lines = LINE_END.split(self.text)
        line, column = mark
        source = self._lines[line] if line < len(self._lines) else ""
        return Place(self.name, line + 1, column + 1, source)


class Guess(str):
    """A plain scalar as its author wrote it, which YAML 1.1 reads as ``tag``."""

    __slots__ = ("tag",)

    tag: str
    """``bool``, ``int``, ``float`` or ``timestamp``."""


class Fields(dict[str, Any]):
    """A mapping of a text file. Keys are text, as written."""

    __slots__ = ("file", "mark", "marks")

    def __init__(self, file: TextFile, mark: Mark) -> None:
        super().__init__()
        self.file = file
        self.mark = mark
        self.marks: dict[str, tuple[Mark, Mark]] = {}
        """Key → mark of the key, mark of the value."""


class Items(list[Any]):
    """A sequence of a text file."""

    __slots__ = ("file", "mark", "marks")

    def __init__(self, file: TextFile, mark: Mark) -> None:
        super().__init__()
        self.file = file
        self.mark = mark
        self.marks: list[Mark] = []
        """One for each item."""


def quoted(text: str) -> str:
    """Return text in quotes, fit for a message: on one line, without control characters, not endless."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[:61])
    return f'"{shown}"' if len(text) <= 60 else f'"{shown[:57]}..."'


def describe(value: object) -> str:
    """Return what a value is, in words: ``a list``, ``nothing``, ``text``."""
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return "!!binary data"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return quoted(str(value)) if len(str(value)) <= 40 else "text"


def place_in(container: Fields | Items, path: Iterable[str | int], *, key: bool = False) -> Place:
    """Return the place of what ``path`` leads to; of its key, with ``key``, where its last element names a field.

    Where the path leads nowhere, the place of the last thing on it that is there.
    """
    at: object = container
    mark = container.mark
    for step in path:
        if isinstance(at, Fields) and isinstance(step, str) and step in at.marks:
            mark = at.marks[step][0 if key else 1]
            at = at[step]
        elif isinstance(at, Items) and isinstance(step, int) and 0 <= step < len(at.marks):
            mark = at.marks[step]
            at = at[step]
        else:
            break
    return container.file.place(mark)
