"""A measured figure, and how a set of them is shown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How long something took, over some rounds."""

    name: str
    seconds: tuple[float, ...]
    note: str = ""

    @property
    def best(self) -> float:
        """The shortest round: what the work itself takes, without what else the machine did."""
        return min(self.seconds)

    @property
    def middle(self) -> float:
        """The median round."""
        return statistics.median(self.seconds)


def measure(name: str, rounds: int, work: Callable[[int], object], *, note: str = "") -> Figure:
    """Return the times of ``rounds`` calls of ``work``, each with its number."""
    seconds = []
    for number in range(rounds):
        began = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - began)
    return Figure(name=name, seconds=tuple(seconds), note=note)


def line(figure: Figure) -> str:
    """Return a figure as a line of a table."""
    return f"{figure.name:<48} {figure.best:9.3f} s {figure.middle:9.3f} s  {figure.note}"
