"""Edits of a text, and where its lines are afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Edit(Struct, frozen=True, order=True):
    """The characters from ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str


def without_nested(edits: Iterable[Edit]) -> list[Edit]:
    """Return edits in order, each once, without those within what another one replaces.

    Of several texts that come to one spot, what is indented more stands first: it belongs to the mapping that ends there.
    """
    kept: list[Edit] = []
    for edit in sorted(dict.fromkeys(edits), key=lambda one: (one.start, -one.end, -_indent(one.text))):
        if kept and edit.start < kept[-1].end:
            continue
        kept.append(edit)
    return kept


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def applied(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with edits made that are in order and do not overlap."""
    parts: list[str] = []
    done = 0
    for edit in edits:
        parts += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join([*parts, text[done:]])


class Moves:
    """Where the lines of a text are, after edits. Lines count from 1."""

    def __init__(self, text: str, edits: Sequence[Edit]) -> None:
        self._steps = [
            (
                text.count("\n", 0, edit.start) + 1,
                text.count("\n", edit.start, edit.end),
                edit.text.count("\n"),
                text.rfind("\n", 0, edit.start) + 1 == edit.start,
            )
            for edit in edits
        ]

    def line(self, line: int) -> int:
        """Return where a line is now; one that is gone, where it was."""
        moved = line
        for first, taken, given, at_start in self._steps:
            if line < first or (line == first and not (at_start and taken == 0)):
                continue
            if line < first + taken:  # within what was replaced
                moved += min(0, given - (line - first))
                continue
            moved += given - taken
        return moved
