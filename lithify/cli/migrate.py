"""``lithify migrate``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from lithify.definitions.folder import Folder
from lithify.definitions.formats import CHANGES, LATEST
from lithify.definitions.migration.files import changed_files, read_texts, write_texts
from lithify.definitions.migration.lifting import lift
from lithify.definitions.migration.texts import Note
from lithify.definitions.root import find_root
from lithify.errors import LithifyError, UsageError


def command(
    ctx: typer.Context,
    to: Annotated[int, typer.Option("--to", help="the format to lift the tree to")] = LATEST.number,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be changed")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the changes as JSON")] = False,
) -> None:
    """Lift definitions to a later format, step by step; comments and layout stay as they are.

    Says what was changed, and lists apart what the definitions alone do not tell, such as build systems that morph found by
    looking into sources. Places are those of the new files.

    \b
    Examples:
      lithify migrate --dry-run
      lithify migrate
      lithify migrate --to 8
    """
    root = _root(ctx.obj.cwd)
    before = read_texts(root)
    number = before.definitions().format.number
    if not 0 <= to <= LATEST.number:
        raise UsageError(
            f"--to {to}: there is no such format", hints=[f"the formats are 0 to {LATEST.number}"]
        )
    if to < number:
        raise UsageError(
            f"--to {to}: the tree is in format {number} already", hints=["git has the tree as it was before"]
        )
    lifted = lift(before, to)
    changed = changed_files(before, lifted.texts)
    if not dry_run:
        write_texts(root, before, lifted.texts)
    sys.stdout.write(
        _as_json(number, to, changed, lifted.notes)
        if as_json
        else _as_text(number, to, changed, lifted.notes, dry_run=dry_run)
    )


def _root(cwd: Path) -> Path:
    """Return the root of the tree around; one of format 0 may have no ``VERSION``, and stand for itself without git."""
    try:
        return find_root(cwd)
    except LithifyError:
        if next(iter(Folder(cwd).names()), None) is None:
            raise
        return cwd


def _as_text(number: int, to: int, changed: Sequence[str], notes: Sequence[Note], *, dry_run: bool) -> str:
    if number == to:
        return f"the tree is in format {to} already\n"
    summaries = {change.format: change.summary for change in CHANGES}
    lines = []
    for step, own in groupby((note for note in notes if not note.is_open), key=lambda note: note.format):
        lines.append(f"format {step}: {summaries[step]}")
        lines += [f"  {_told(note)}" for note in own]
    asked = [note for note in notes if note.is_open]
    if asked:
        lines += ["", "to be looked at:"]
        for note in asked:
            lines.append(f"  {_told(note)}")
            lines += [f"    hint: {note.hint}"] if note.hint else []
    files = "1 file" if len(changed) == 1 else f"{len(changed)} files"
    done = "would be changed" if dry_run else "changed"
    open_ones = f", {len(asked)} to be looked at" if asked else ""
    lines += [""] if lines else []
    return "\n".join([*lines, f"format {number} -> {to}: {files} {done}{open_ones}", ""])


def _told(note: Note) -> str:
    return f"{note.place.file}:{note.place.line}:{note.place.column}: {note.message}"


def _as_json(number: int, to: int, changed: Sequence[str], notes: Sequence[Note]) -> str:
    data = {
        "from": number,
        "to": max(number, to),
        "files": list(changed),
        "changes": [_note_data(note) for note in notes if not note.is_open],
        "to-be-looked-at": [_note_data(note) for note in notes if note.is_open],
    }
    return json.dumps(data, indent=2) + "\n"


def _note_data(note: Note) -> dict[str, Any]:
    place = note.place
    return {
        "format": note.format,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "message": note.message,
        "hint": note.hint,
    }
