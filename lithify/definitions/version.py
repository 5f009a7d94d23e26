"""The file ``VERSION``: which format a definitions tree is in."""

from __future__ import annotations

import re

from lithify.definitions.formats import FORMATS, LATEST, Format
from lithify.definitions.reading import read
from lithify.definitions.root import VERSION
from lithify.definitions.text import Guess, describe, place_in
from lithify.errors import Fault, Place


def read_version(content: bytes | None) -> tuple[Format, tuple[Fault, ...]]:
    """Return the format that ``VERSION`` names, and what is wrong with it; no file (None) means format 0."""
    if content is None:
        return FORMATS[0], ()
    contents = read(VERSION, content)
    if contents.root is None:
        return LATEST, contents.faults
    root = contents.root
    known = f"the formats 0 to {LATEST.number} are known"
    if "version" not in root:
        return LATEST, (
            *contents.faults,
            _fault(Place(VERSION), 'missing field "version"', f"version: N; {known}"),
        )
    value = root["version"]
    place = place_in(root, ("version",))
    if not isinstance(value, Guess) or not re.fullmatch(r"0|[1-9][0-9]{0,8}", value):
        message = f'"version" must be a whole number, not {describe(value)}'
        return LATEST, (*contents.faults, _fault(place, message, known))
    number = int(value)
    if number > LATEST.number:
        message = f"format {number} is not known to this version of lithify"
        return LATEST, (*contents.faults, _fault(place, message, known))
    return FORMATS[number], contents.faults


def _fault(place: Place, message: str, hint: str) -> Fault:
    return Fault(place=place, message=message, hint=hint)
