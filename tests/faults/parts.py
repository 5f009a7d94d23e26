"""The parts of the bench: each is a function, named here, that does its faults as often as it is told and says what came of it.

To plug a part in, add a line to :data:`PARTS`: a name, and ``module:function``. The function gets an :class:`Extent` and
returns a :class:`Tally`. What a part found wrong is in its tally, never raised: one fault must not hide the others.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, field

PARTS: dict[str, str] = {
    "crashes": "tests.faults.crashes:run",
    "power": "tests.faults.power:run",
    "company": "tests.faults.company:run",
    "deceit": "tests.faults.deceit:deceit",
    "disks": "tests.faults.disks:disks",
}
"""Name → ``module:function``, in the order in which they run."""


class Extent(Struct, frozen=True, kw_only=True):
    """How much a part is to do."""

    folder: Path
    """An empty folder on a real file system, for this part alone; removed afterwards if nothing failed."""
    kills: int
    """Kills in all, and the measure for whatever else is counted."""
    minutes: float
    """How long commands keep each other company."""
    most_minutes: float
    """After which a part that counts ends, whatever its count is."""
    seed: int
    """Of everything that is chosen by chance."""
    say: Callable[[str], None]
    """Shows one line of progress."""

    @property
    def variants(self) -> int:
        """How many variants of the workload are worth their preparation."""
        return 4 if self.kills >= 50 and self.minutes >= 1 else 2


class Tally(Struct, kw_only=True):
    """What was done, how often each outcome came, and what went wrong."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """What was done or seen → how often: ``killed in fetch``, ``waited for a lock``."""
    failures: list[str] = field(default_factory=list)
    """What went wrong, each with all that is needed to do it again."""
    figures: dict[str, Any] = field(default_factory=dict)
    """What was measured, by name; with its unit in the name."""
    say: Callable[[str], None] = lambda text: None
    """Shows a failure as soon as it is seen: a run may take an hour."""

    def check(self, holds: bool, failure: str) -> bool:
        """Note a failure where something does not hold; return whether it does."""
        if not holds:
            self.fail(failure)
        return holds

    def fail(self, failure: str) -> None:
        """Note a failure."""
        self.failures.append(failure)
        self.say(f"FAILED: {failure}")


def part(name: str) -> Callable[[Extent], Tally]:
    """Return the function of a part."""
    module, _, function = PARTS[name].partition(":")
    found: Callable[[Extent], Tally] = getattr(importlib.import_module(module), function)
    return found
