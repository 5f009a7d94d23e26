"""The order in which things stand after all that they depend on, and the cycle where there is none."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T", bound=Hashable)


class Cycle(Exception):
    """A dependency leads back to where it began; ``names`` holds each name of the cycle once."""

    def __init__(self, names: Sequence[Any]) -> None:
        super().__init__(" → ".join(str(name) for name in (*names, names[0])))
        self.names = tuple(names)


def in_order(names: Iterable[T], below: Callable[[T], Iterable[T]]) -> tuple[T, ...]:
    """Return the names and all that is below them, each once, after everything below it; otherwise as they come.

    Raises :class:`Cycle` for the first one found. It does not recurse.
    """
    found: dict[T, None] = {}
    path: dict[T, None] = {}
    for root in names:
        if root in found:
            continue
        path[root] = None
        rest = [iter(below(root))]
        while rest:
            for other in rest[-1]:
                if other in path:
                    names_on_path = tuple(path)
                    raise Cycle(names_on_path[names_on_path.index(other) :])
                if other not in found:
                    path[other] = None
                    rest.append(iter(below(other)))
                    break
            else:
                rest.pop()
                found[path.popitem()[0]] = None
    return tuple(found)


def cycles(names: Sequence[T], below: Callable[[T], Iterable[T]], *, limit: int = 20) -> tuple[Cycle, ...]:
    """Return cycles, no edge closing two of them, at most ``limit``; none where there is an order."""
    found: list[Cycle] = []
    closing: set[tuple[T, T]] = set()
    while len(found) < limit:
        try:
            in_order(names, lambda name: [other for other in below(name) if (name, other) not in closing])
        except Cycle as cycle:
            found.append(cycle)
            closing.add((cycle.names[-1], cycle.names[0]))
        else:
            break
    return tuple(found)
