"""What stands in the annotation of a field, and says how its value is read and what JSON Schema it has.

``Annotated[int, Reader(…)]`` is read by that reader, and ``Annotated[X, Then(…)]`` is an ``X`` of which something is made.
What other annotations mean, :mod:`lithify.definitions.fields` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from lithify.definitions.context import Reading
from lithify.definitions.flaws import Wrong
from lithify.definitions.text import describe

Read = Callable[[Any, Reading], Any]
"""Takes a value as it stands in the text, and returns what it means; raises :class:`Wrong` with all flaws in it."""


class Reader(Struct, frozen=True, eq=False):
    """How a value is read."""

    read: Read
    schema: Mapping[str, Any]
    """Its JSON Schema, keys in order."""


class Then(Struct, frozen=True, eq=False):
    """What is made of a value that was read."""

    make: Callable[[Any], Any]
    """Returns it, checked or made something else; raises :class:`Wrong`."""
    written: Any = None
    """The type that it has in the text, where that is another one than the annotation's."""
    schema: Mapping[str, Any] = {}
    """What it adds to the JSON Schema."""


class ByKind(Struct, frozen=True, eq=False):
    """The field ``kind`` says which of several mappings a value is."""

    what: str
    """What all of them are: ``source``."""


TEXT_SCHEMA: Mapping[str, Any] = {"type": ["string", "number", "boolean"]}
"""JSON Schema of text: a YAML parser without a schema gives ``0.22`` as a number."""


def as_text(value: object) -> str:
    """Return text as it was written."""
    if isinstance(value, str):
        return str(value)
    raise Wrong(f"must be text, not {describe(value)}")


TEXT = Reader(lambda value, reading: as_text(value), TEXT_SCHEMA)
"""Any text."""
