"""A measured figure, and how a set of them is shown and kept."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from lithify import __version__

RESULTS = Path(__file__).parent / "results"


class Figure(Struct, frozen=True, kw_only=True):
    """How long something took, over some rounds."""

    name: str
    seconds: tuple[float, ...]
    goal: float | None = None
    """What the median is to stay below, on an idle machine of two processors."""
    unit: str = "s"
    processor: tuple[float, ...] = ()
    """Processor seconds of each round, where they were measured: they hardly depend on what else the machine does."""

    @property
    def best(self) -> float:
        """The shortest round: what the work itself takes, without what else the machine did."""
        return min(self.seconds)

    @property
    def middle(self) -> float:
        """The median round."""
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        """The longest round."""
        return max(self.seconds)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, rounds: int, work: Callable[[int], object], *, goal: float | None = None) -> Figure:
    """Return the times of ``rounds`` calls of ``work``, each with its number."""
    seconds, processor = [], []
    for number in range(rounds):
        before = spent()
        seconds.append(timed(partial(work, number)))
        processor.append(spent() - before)
    return Figure(name=name, goal=goal, seconds=tuple(seconds), processor=tuple(processor))


def spent() -> float:
    """Return the processor seconds of this process and of all that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


HEADER = f"{'seconds':<72} {'median':>8} {'least':>8} {'most':>8} {'goal':>6} {'processor':>10}"


def line(figure: Figure) -> str:
    """Return a figure as a line of a table."""
    goal = "" if figure.goal is None else f"{figure.goal:g}"
    numbers = f"{figure.middle:8.3f} {figure.best:8.3f} {figure.worst:8.3f}"
    processor = f"{statistics.median(figure.processor):10.3f}" if figure.processor else ""
    return f"{figure.name:<72} {numbers} {goal:>6} {processor}".rstrip()


def shown_seconds(seconds: float) -> str:
    """Return seconds as text, to a thousandth; below a hundredth, to a tenth of that."""
    return f"{seconds:.{3 if seconds >= 0.01 else 4}f}"


def machine() -> dict[str, Any]:
    """Return what figures depend on, and nothing that names this machine."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory-GiB": round(memory / (1 << 30), 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(one, 1) for one in os.getloadavg()],
    }


def _processor() -> str:
    for text in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.machine()


def report(figures: Iterable[Figure], conditions: dict[str, Any]) -> dict[str, Any]:
    """Return figures as JSON has them, with the date and the machine."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "lithify": __version__,
        "machine": conditions,
        "figures": [
            {
                "name": figure.name,
                "median": round(figure.middle, 4),
                "least": round(figure.best, 4),
                "most": round(figure.worst, 4),
                "goal": figure.goal,
                "unit": figure.unit,
                "seconds": [round(seconds, 4) for seconds in figure.seconds],
                "processor": [round(seconds, 4) for seconds in figure.processor],
            }
            for figure in figures
        ],
    }


def keep(results: dict[str, Any], names: Sequence[str]) -> Path:
    """Write results into a file of their own, named by the date and what was measured; return it."""
    path = RESULTS / f"{results['date']}-{'-'.join(names)}.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    return path
