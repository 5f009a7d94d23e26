"""The regular expressions of split rules."""

from __future__ import annotations

from typing import Annotated

from lithify.definitions.context import Reading
from lithify.definitions.flaws import Wrong
from lithify.definitions.matching import why_unbounded
from lithify.definitions.readers import TEXT_SCHEMA, Reader, as_text
from lithify.definitions.scalars import pattern_fault
from lithify.definitions.text import quoted

MAX_CHARACTERS = 100_000
"""Most characters of all patterns of one file: compiling more would take seconds."""


def _pattern(value: object, reading: Reading) -> str:
    pattern = as_text(value)
    reading.pattern_characters += len(pattern) + 10
    if reading.pattern_characters > MAX_CHARACTERS:
        reading.note_misfit()
        raise Wrong(f"is too long: all patterns of a file may have {MAX_CHARACTERS:,} characters")
    if fault := pattern_fault(pattern):
        raise Wrong(f"{quoted(pattern)} is no regular expression: {fault}")
    if why := why_unbounded(pattern):
        raise Wrong(f"{quoted(pattern)} cannot be matched in a time that is known: {why}")
    return pattern


Pattern = Annotated[str, Reader(_pattern, TEXT_SCHEMA)]
"""A regular expression, matched from the beginning of a path or name (``re.match``)."""
