"""What all mappings of the definitions language share: read-only, compared by their fields, and with a place each.

One is read from :class:`~lithify.definitions.text.Fields` (see :mod:`lithify.definitions.fields`), or made in code from
keyword arguments: then it has no place, and nothing looks at its values. Unknown fields are judged here, by the format
that is being read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from lithify.definitions.context import MAX_FAULTS, Reading
from lithify.definitions.formats import FIRST_FORMAT, IGNORED, LATEST, OBSOLETE, Format, Severity
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.text import Fields, place_in, quoted
from lithify.errors import Fault, Place

NOWHERE = Place("<made in code>")
"""The place of what was not read from a file."""


class Definition(Struct, frozen=True, kw_only=True, dict=True):
    """A mapping of the language. Field names in text have ``-`` for ``_``."""

    kind_of_mapping: ClassVar[str] = ""
    """What the mapping is, in the words of the manual: ``chunk``, ``chunk entry``, …"""
    strict_fields: ClassVar[bool] = False
    """An unknown field is an error in every format."""

    @classmethod
    def fields_given(cls, data: Fields, reading: Reading) -> Mapping[str, Any]:
        """Return the fields that this format reads, and their values; the others become faults."""
        readable = cls._readable(reading.format)
        if readable.issuperset(data):
            return data
        dropped = [name for name in data if name not in readable]
        for name in dropped[:MAX_FAULTS]:
            reading.note(cls._unknown(data, name, cls.field_names(), reading.format))
        left_out = set(dropped)
        return {name: value for name, value in data.items() if name not in left_out}

    @classmethod
    def _unknown(cls, data: Fields, name: str, known: Mapping[str, str], form: Format) -> Fault:
        kind = cls.kind_of_mapping
        severity: Severity = "error" if cls.strict_fields else form.unknown_inner_field
        since = FIRST_FORMAT.get((kind, name), 0)
        if name in known:
            message = f"field {quoted(name)} of {_a(kind)} came with format {since}; this tree is in format {form.number}"
            hint = f"let VERSION say {since}, if the rest of the tree is in that format" if since > 8 else ""
        elif name in IGNORED.get(kind, ()) and form.number < LATEST.number:
            severity = "warning"
            message, hint = f"field {quoted(name)} of {_a(kind)} is ignored", "the stratum's entry says it"
        elif name in OBSOLETE.get(kind, ()) and form.obsolete_fields == "warning":
            severity = "warning"
            message, hint = f"field {quoted(name)} of {_a(kind)} is obsolete and ignored", "leave it out"
        else:
            readable = cls._readable(form)
            near = did_you_mean(name, [one for one in known if one in readable])
            message, hint = f"unknown field {quoted(name)} in {_a(kind)}", near
        return Fault(place=place_in(data, (name,), key=True), message=message, hint=hint, severity=severity)

    @classmethod
    def field_names(cls) -> Mapping[str, str]:
        """Return the fields as they stand in text → the attribute that has them."""
        names = _FIELD_NAMES.get(cls)
        if names is None:
            names = {attribute.replace("_", "-"): attribute for attribute in cls.__struct_fields__}
            _FIELD_NAMES[cls] = names
        return names

    @classmethod
    def _readable(cls, form: Format) -> frozenset[str]:
        """Return the fields that a format reads, as they stand in text."""
        readable = _READABLE.get((cls, form.number))
        if readable is None:
            first = {name: FIRST_FORMAT.get((cls.kind_of_mapping, name), 0) for name in cls.field_names()}
            readable = frozenset(name for name, since in first.items() if since <= form.number)
            _READABLE[cls, form.number] = readable
        return readable

    @property
    def origin(self) -> Fields | None:
        """The mapping that it was read from, with its marks."""
        return self.__dict__.get("_origin")

    def set_origin(self, origin: Fields | None, given: Mapping[str, Any] | None = None) -> None:
        """Say where it stands, and which fields were read there; no part of its value, so a read-only one takes it."""
        self.__dict__.update(_origin=origin, _given=given)

    def says(self, field: str) -> bool:
        """Whether the file gives an attribute its value, be it that of the default."""
        given = self.__dict__.get("_given") or {}
        return given.get(field.replace("_", "-")) is not None


def _a(kind: str) -> str:
    """Return what a mapping is with its article; ``resources`` have none."""
    return kind if kind.endswith("s") else f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


_FIELD_NAMES: dict[type[Definition], Mapping[str, str]] = {}
_READABLE: dict[tuple[type[Definition], int], frozenset[str]] = {}


def place_of(thing: Definition, *path: str | int, key: bool = False) -> Place:
    """Return where ``thing`` stands, or what ``path`` leads to in it, in the words of the text.

    ``place_of(entry, "build-depends", 2)`` is the third dependency; with ``key``, the place of the last field's name.
    """
    return NOWHERE if thing.origin is None else place_in(thing.origin, path, key=key)
