"""What the validation of one file needs to know, and what it finds beside the faults that stop it."""

from __future__ import annotations

from msgspec import Struct, field
from pydantic import ValidationError

from lithify.definitions.formats import LATEST, Format
from lithify.definitions.text import Fields
from lithify.errors import Fault

MAX_FAULTS = 200
"""Most faults of one file that are told apart."""


class TooManyFaults(Exception):
    """The file holds so many faults that no more are looked for."""


class Reading(Struct):
    """What validation needs to know, and what it finds; one for each file."""

    format: Format = LATEST
    faults: list[Fault] = field(default_factory=list)
    """Unknown fields: they do not stop validation."""
    failed: list[tuple[Fields, ValidationError]] = field(default_factory=list)
    """Mappings that could not be validated, inner ones first."""
    misfits: int = 0
    """Values of another type than wanted."""
    pattern_characters: int = 0
    """Characters of all patterns so far."""

    def note(self, fault: Fault) -> None:
        """Keep a fault that does not stop validation."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def note_failure(self, data: Fields, error: ValidationError) -> None:
        """Keep what a mapping failed with, and stop where there is no end of it."""
        self.failed.append((data, error))
        if len(self.failed) >= MAX_FAULTS:
            raise TooManyFaults

    def note_misfit(self) -> None:
        """Count a value of another type than wanted, and stop where there is no end of them."""
        self.misfits += 1
        if self.misfits >= MAX_FAULTS:
            raise TooManyFaults
