"""The nearest known name for one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lithify.definitions.text import quoted

ENOUGH = 1000
"""Most names that are compared letter by letter."""


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Return up to ``count`` known names that ``name`` may be a misspelling of, the nearest first.

    Where none is, those that it is a part of. Every third letter may be wrong, and what is far behind the nearest is left out.
    """
    choices = sorted(_likely(name, set(known)))
    alike = difflib.get_close_matches(name, choices, n=2 * count, cutoff=0.6)
    slips = {choice: _slips(name, choice) for choice in alike}
    limit = min(max(1, len(name) // 3), 2 * min(slips.values(), default=0))
    found = sorted((choice for choice in alike if slips[choice] <= limit), key=slips.__getitem__)
    if not found and len(name) > 1:
        lower = name.lower()
        found = [choice for choice in choices if lower in choice.lower()]
    return tuple(found[:count])


def _slips(one: str, other: str) -> int:
    """Return how many slips make one of the other: letters added, left out or mistaken, or neighbours swapped."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        last, before, row = before, row, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _likely(name: str, known: set[str]) -> Iterable[str]:
    """Return the names to compare with: of a great many, a few that begin or end like ``name``, so that it stays fast."""
    if len(known) <= ENOUGH:
        return known
    alike = (one for one in known if one[:2] == name[:2] or one[-3:] == name[-3:])
    return sorted(alike, key=lambda one: (abs(len(one) - len(name)), one))[:ENOUGH]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that offers the nearest names; empty where none is near."""
    near = [quoted(choice) for choice in nearest(name, known)]
    if not near:
        return ""
    return f"did you mean {' or '.join(near)}?"


def meant(name: str, known: Iterable[str]) -> list[str]:
    """Return a hint that offers the nearest names as a user types them, or none."""
    near = nearest(name, known)
    return [f"did you mean {' or '.join(near)}?"] if near else []
