"""The shell commands of chunks."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from lithify.definitions.context import Reading
from lithify.definitions.scalars import TEXT_SCHEMA, describe, wrong


def _command(value: object, info: ValidationInfo) -> str | bytes:
    if isinstance(value, str) and "\0" not in value:
        return str(value)
    if isinstance(value, bytes) and b"\0" not in value:
        return value
    if isinstance(info.context, Reading):
        info.context.note_misfit()
    if isinstance(value, (str, bytes)):
        raise wrong("must not hold a NUL character")
    raise wrong(f"must be text, not {describe(value)}", "quote it, if it holds a colon or begins with [ or {")


Command = Annotated[str | bytes, PlainValidator(_command), WithJsonSchema(TEXT_SCHEMA)]
"""One shell command; bytes where the text has a ``!!binary`` scalar."""
