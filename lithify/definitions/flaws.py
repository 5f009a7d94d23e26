"""What is wrong with a value of a definition, and where in it, before the file and line are known."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Flaw(Struct, frozen=True):
    """One thing that is wrong with a value, or with something in it."""

    path: tuple[str | int, ...]
    """From the value to what is wrong: names of fields, and indices of items."""
    message: str
    """What follows the name of what ``path`` leads to, unless ``is_whole``."""
    hint: str = ""
    is_whole: bool = False
    """The message says itself what it is about."""
    at_key: bool = False
    """It is shown at the field's name, not at its value."""

    def below(self, step: str | int) -> Flaw:
        """Return it as a flaw of what holds the value at ``step``."""
        return Flaw((step, *self.path), self.message, self.hint, self.is_whole, self.at_key)


class Wrong(ValueError):
    """A value is not what it must be."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.flaws: tuple[Flaw, ...] = (Flaw((), message, hint),)

    @classmethod
    def of(cls, flaws: Iterable[Flaw]) -> Wrong:
        """Return the error of a value with these flaws, at least one."""
        found = tuple(flaws)
        wrong = cls(found[0].message)
        wrong.flaws = found
        return wrong

    def below(self, step: str | int) -> Iterable[Flaw]:
        """Return the flaws of what holds the value at ``step``."""
        return (flaw.below(step) for flaw in self.flaws)
