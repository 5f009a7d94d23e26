"""What all models of the definitions language share: read-only, compared by their fields, and with a place each.

A model is made from :class:`~lithify.definitions.text.Fields`, or in code from keyword arguments (then it has no place).
Unknown fields are judged here, by the format that is being read, so that they are reported beside all other faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lithify.definitions.context import MAX_FAULTS, Reading
from lithify.definitions.formats import FIRST_FORMAT, IGNORED, LATEST, OBSOLETE, Format, Severity
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.scalars import describe
from lithify.definitions.text import Fields, place_in, quoted
from lithify.errors import Fault, Place

NOWHERE = Place("<made in code>")
"""The place of what was not read from a file."""


class Definition(BaseModel):
    """A mapping of the language. Field names in text have ``-`` for ``_``."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=lambda name: name.replace("_", "-"),
        serialize_by_alias=True,
        json_schema_extra={"additionalProperties": False},
        defer_build=True,  # what a command does not read costs nothing
    )
    __slots__ = ("_origin",)

    kind_of_mapping: ClassVar[str] = ""
    """What the mapping is, in the words of the manual: ``chunk``, ``chunk entry``, …"""
    strict_fields: ClassVar[bool] = False
    """An unknown field is an error in every format."""

    @model_validator(mode="wrap")
    @classmethod
    def _keep_origin(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(data, Mapping):
            if isinstance(data, cls):
                return data
            if isinstance(info.context, Reading):
                info.context.note_misfit()
            raise PydanticCustomError(
                "lithify", "{message}", {"message": f"must be a mapping, not {describe(data)}", "hint": ""}
            )
        given = data
        if isinstance(data, Fields) and isinstance(info.context, Reading):
            given = cls._known(data, info.context)
        try:
            made = handler(cls._arranged(given, info.context))
        except ValidationError as error:
            if isinstance(data, Fields) and isinstance(info.context, Reading):
                info.context.note_failure(data, error)
            raise
        made.set_origin(data if isinstance(data, Fields) else None)
        return made

    @classmethod
    def _arranged(cls, data: Mapping[str, Any], reading: Reading | None) -> Mapping[str, Any]:
        """Return what the fields are validated from; a null is a field that is not there."""
        if None in data.values():
            return {name: value for name, value in data.items() if value is not None}
        return data

    @classmethod
    def _known(cls, data: Fields, reading: Reading) -> Mapping[str, Any]:
        """Return the fields that this format reads; the others become faults."""
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
            names = {info.alias or name: name for name, info in cls.model_fields.items()}
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
        made_from: Fields | None = getattr(self, "_origin", None)
        return made_from

    def set_origin(self, origin: Fields | None) -> None:
        """Say where it stands; no part of its value, so a read-only model takes it."""
        object.__setattr__(self, "_origin", origin)

    def __eq__(self, other: object) -> bool:
        """Equal fields are equal, wherever they stand."""
        return type(self) is type(other) and self.__dict__ == other.__dict__


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
