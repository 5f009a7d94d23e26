"""What the reading of one file needs to know, and what it finds beside the faults that stop it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from lithify.definitions.flaws import Flaw
from lithify.definitions.formats import LATEST, Format
from lithify.definitions.text import Fields
from lithify.errors import Fault

MAX_FAULTS = 200
"""Most faults of one file that are told apart."""


class TooManyFaults(Exception):
    """The file holds so many faults that no more are looked for."""


class Reading(Struct):
    """What the readers of values need to know, and what they find; one for each file."""

    format: Format = LATEST
    faults: list[Fault] = field(default_factory=list)
    """Unknown fields: they stop nothing."""
    failed: list[tuple[Fields, Sequence[Flaw]]] = field(default_factory=list)
    """Mappings with flaws, inner ones first."""
    misfits: int = 0
    """Values of another type than wanted."""
    pattern_characters: int = 0
    """Characters of all patterns so far."""

    def note(self, fault: Fault) -> None:
        """Keep a fault that stops nothing."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def note_failure(self, data: Fields, flaws: Sequence[Flaw]) -> None:
        """Keep what is wrong with a mapping, and stop where there is no end of it."""
        self.failed.append((data, flaws))
        if len(self.failed) >= MAX_FAULTS:
            raise TooManyFaults

    def note_misfit(self) -> None:
        """Count a value of another type than wanted, and stop where there is no end of them."""
        self.misfits += 1
        if self.misfits >= MAX_FAULTS:
            raise TooManyFaults
