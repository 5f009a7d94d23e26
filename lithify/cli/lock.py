"""``lithify lock``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lithify.cache import open_cache
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.definitions.model import Source
from lithify.definitions.nearest import meant
from lithify.errors import LithifyError
from lithify.graph.resolve import resolve
from lithify.schedule.session import Session
from lithify.sources.lock import LOCK_NAME, write_lock
from lithify.sources.locking import Change, lock_sources


def command(
    ctx: typer.Context,
    chunks: Annotated[list[str] | None, typer.Argument(help="only these chunks")] = None,
    update: Annotated[bool, typer.Option("--update", help="move pins to the newest")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the changes as JSON")] = False,
) -> None:
    """Pin every source that is not pinned yet; show what changed, from what to what.

    \b
    Examples:
      lithify lock                  # pin what is new
      lithify lock --update         # move all pins to the newest
      lithify lock --update zlib    # move the pins of one chunk
    """
    with reading_events(ctx.obj) as report, opened(ctx.obj, report) as session:
        open_cache(ctx.obj.settings.cachedir)
        declared = declared_sources(session)
        names = {name for name, _ in declared}
        for chunk in chunks or ():
            if chunk not in names:
                raise LithifyError(f"no system has a chunk {chunk}", hints=meant(chunk, sorted(names)))
        wanted = [(name, source) for name, source in declared if not chunks or name in chunks]
        moved = {name for name, _ in wanted} if update else set()
        lock, changes = lock_sources(
            wanted, session.lock, session.sources(), update=moved, drop_others=not chunks
        )
        if changes:
            write_lock(session.definitions.root / LOCK_NAME, lock)
    sys.stdout.write(_as_json(changes) if as_json else _as_text(changes, Path(LOCK_NAME)))


def declared_sources(session: Session) -> list[tuple[str, Source]]:
    """Return (chunk, source) of every system of the definitions, in the order of the files."""
    definitions = session.definitions
    found: dict[tuple[str, Source], None] = {}
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        if loaded is None or loaded.file is None or loaded.file.kind != "system":
            continue
        for chunk_name, chunk in resolve(definitions, name).chunks.items():
            found.update(dict.fromkeys((chunk_name, source) for source in chunk.sources))
    return list(found)


def _as_text(changes: tuple[Change, ...], path: Path) -> str:
    if not changes:
        return f"{path}: nothing to pin\n"
    lines = []
    for change in changes:
        what = "dropped" if change.after is None else "pinned" if change.before is None else "moved"
        lines.append(f"{', '.join(change.chunks) or change.identity}: {what}")
        lines += [
            f"  {name}: {before} -> {after}" if before and after else f"  {name}: {after or before}"
            for name, before, after in change.parts()
        ]
    return "\n".join(lines) + "\n"


def _as_json(changes: tuple[Change, ...]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "source": change.identity,
            "chunks": list(change.chunks),
            "parts": [{"name": name, "old": old, "new": new} for name, old, new in change.parts()],
        }
        for change in changes
    ]
    return json.dumps(rows, indent=2) + "\n"
