"""The shell commands of chunks."""

from __future__ import annotations

from typing import Annotated

from lithify.definitions.context import Reading
from lithify.definitions.flaws import Wrong
from lithify.definitions.readers import TEXT_SCHEMA, Reader
from lithify.definitions.text import describe


def _command(value: object, reading: Reading) -> str | bytes:
    if isinstance(value, str) and "\0" not in value:
        return str(value)
    if isinstance(value, bytes) and b"\0" not in value:
        return value
    reading.note_misfit()
    if isinstance(value, (str, bytes)):
        raise Wrong("must not hold a NUL character")
    raise Wrong(f"must be text, not {describe(value)}", "quote it, if it holds a colon or begins with [ or {")


Command = Annotated[str | bytes, Reader(_command, TEXT_SCHEMA)]
"""One shell command; bytes where the text has a ``!!binary`` scalar."""
