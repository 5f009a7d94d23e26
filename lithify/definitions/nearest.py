"""The nearest known name for one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Return up to ``count`` known names that look like ``name``, the nearest first."""
    choices = sorted(set(known))
    found = difflib.get_close_matches(name, choices, n=count, cutoff=0.6)
    if not found:
        lower = name.lower()
        found = [choice for choice in choices if lower and lower in choice.lower()][:count]
    return tuple(found)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that offers the nearest names; empty where none is near."""
    near = [f'"{choice}"' for choice in nearest(name, known)]
    if not near:
        return ""
    return f"did you mean {' or '.join(near)}?"
