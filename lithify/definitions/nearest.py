"""The nearest known name for one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lithify.definitions.text import quoted

ENOUGH = 1000
"""Most names that are compared letter by letter."""


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Return up to ``count`` known names that look like ``name``, the nearest first."""
    choices = sorted(_likely(name, set(known)))
    found = difflib.get_close_matches(name, choices, n=count, cutoff=0.6)
    if not found:
        lower = name.lower()
        found = [choice for choice in choices if lower and lower in choice.lower()][:count]
    return tuple(found)


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
