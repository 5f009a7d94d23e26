"""The regular expressions of split rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from lithify.definitions.context import Reading
from lithify.definitions.matching import why_unbounded
from lithify.definitions.scalars import pattern_fault, wrong
from lithify.definitions.text import quoted

MAX_CHARACTERS = 100_000
"""Most characters of all patterns of one file: compiling more would take seconds."""


def _pattern(text: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Reading):
        info.context.pattern_characters += len(text) + 10
        if info.context.pattern_characters > MAX_CHARACTERS:
            info.context.note_misfit()
            raise wrong(f"is too long: all patterns of a file may have {MAX_CHARACTERS:,} characters")
    if fault := pattern_fault(text):
        raise wrong(f"{quoted(text)} is no regular expression: {fault}")
    if why := why_unbounded(text):
        raise wrong(f"{quoted(text)} cannot be matched in a time that is known: {why}")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression, matched from the beginning of a path or name (``re.match``)."""
