"""``lithify validate``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lithify.cli.origin import RefOption, RepoOption, origin_of, read_definitions
from lithify.cli.render import fault_text
from lithify.cli.reporting import reading_events
from lithify.definitions.root import find_root
from lithify.definitions.tree import Definitions, load
from lithify.errors import DefinitionErrors, Fault, LithifyError, Place
from lithify.graph.validation import faults_of


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(help="only the faults of these files and folders")
    ] = None,
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print the faults as JSON, for editors")] = False,
) -> None:
    """Read every definition of the tree and report every fault, each with its place. Needs no source.

    Faults are printed on stdout, sorted by place. 1 where one of them is an error, 0 where there are none or only warnings.

    \b
    Examples:
      lithify validate
      lithify validate strata/userland.morph
      lithify validate --json
    """
    origin = origin_of(repo, ref)
    start = ctx.obj.cwd
    if origin is None and paths:
        start = _folder(ctx.obj.cwd / paths[0], ctx.obj.cwd)
    try:
        with reading_events(ctx.obj) as report:
            definitions = (
                load(find_root(start)) if origin is None else read_definitions(ctx.obj, report, origin)
            )
        faults: Sequence[Fault] = faults_of(definitions)
    except DefinitionErrors as error:
        faults = error.faults
    else:
        faults = _within(faults, [_name(definitions, path, ctx.obj.cwd) for path in paths or ()])
    sys.stdout.write(
        json.dumps([fault_data(fault) for fault in faults], indent=2) + "\n"
        if as_json
        else "".join(f"{fault_text(fault)}\n" for fault in faults)
    )
    if any(fault.severity == "error" for fault in faults):
        raise LithifyError(DefinitionErrors(faults).message)


def fault_data(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON has it; lines and columns count from 1."""
    return {
        **_place_data(fault.place),
        "severity": fault.severity,
        "message": fault.message,
        "hint": fault.hint,
        "related": [{**_place_data(place), "message": text} for place, text in fault.related],
    }


def _place_data(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}


def _folder(path: Path, cwd: Path) -> Path:
    """Return where the search for the root of a path's tree begins: another tree may be named than the one around us."""
    if path.is_dir():
        return path
    return path.parent if path.exists() else cwd


def _name(definitions: Definitions, path: str, cwd: Path) -> str:
    """Return the file or folder of the tree that a user means; "." for the whole tree."""
    for folder in (cwd, definitions.root):
        name = os.path.relpath(os.path.normpath(folder / path), definitions.root)
        if name == "." or definitions.exists(name):
            return name
    return definitions.locate(path, cwd=cwd)


def _within(faults: Sequence[Fault], names: Sequence[str]) -> Sequence[Fault]:
    if not names or "." in names:
        return faults
    folders = tuple(f"{name}/" for name in names)
    return [fault for fault in faults if fault.place.file in names or fault.place.file.startswith(folders)]
