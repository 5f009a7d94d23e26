"""``lithify schema``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from lithify.definitions.formats import FORMATS, LATEST, Format
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.root import find_root
from lithify.definitions.schema import SCHEMAS, schema
from lithify.definitions.tree import load
from lithify.definitions.whole_schema import whole_schema
from lithify.errors import LithifyError, UsageError


def command(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(help=f"{', '.join(SCHEMAS)}; without it, one schema for all .morph files")
    ] = "",
    number: Annotated[
        int | None,
        typer.Option("--format", help="the format of the language; by default that of the tree around"),
    ] = None,
) -> None:
    """Print a JSON Schema (2020-12) of the definitions language, for editors.

    \b
    Examples:
      lithify schema >.lithify-schema.json
      lithify schema chunk
      lithify schema system --format 8
    """
    form = _format(ctx.obj.cwd, number)
    if kind and kind not in SCHEMAS:
        hint = did_you_mean(kind, SCHEMAS) or f"there are {', '.join(SCHEMAS)}"
        raise UsageError(f"there is no schema of {kind}", hints=[hint])
    made = schema(kind, form) if kind else whole_schema(form)
    sys.stdout.write(json.dumps(made, indent=2, ensure_ascii=False) + "\n")


def _format(cwd: Path, number: int | None) -> Format:
    if number is not None:
        if not 0 <= number < len(FORMATS):
            raise UsageError(f"there is no format {number}", hints=[f"there are 0 to {LATEST.number}"])
        return FORMATS[number]
    try:
        return load(find_root(cwd)).format
    except LithifyError:
        return LATEST  # outside of a definitions tree, or in one whose VERSION is broken
