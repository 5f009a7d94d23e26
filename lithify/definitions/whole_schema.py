"""One schema for all ``.morph`` files: what a file's ``kind`` says decides which part of it holds."""

from __future__ import annotations

from typing import Any

from lithify.definitions.formats import LATEST, Format
from lithify.definitions.loading import KINDS
from lithify.definitions.schema import DIALECT, schema


def whole_schema(form: Format = LATEST) -> dict[str, Any]:
    """Return the schema of every file of kind chunk, stratum, system or cluster, in a format of the language."""
    parts: dict[str, Any] = {}
    choices = []
    for kind in KINDS:
        made = schema(kind, form)
        parts.update(made.pop("$defs", {}))
        made.pop("$schema")
        parts[f"{kind} file"] = made
        choices.append(
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind} file".replace(" ", "%20")},
            }
        )
    return {
        "$schema": DIALECT,
        "title": f"lithify definitions, format {form.number}",
        "type": "object",
        "properties": {"kind": {"enum": list(KINDS)}},
        "required": ["kind"],
        "allOf": choices,
        "$defs": parts,
    }
