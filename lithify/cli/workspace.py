"""``lithify workspace``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from lithify.cli.expand_repo import patterns
from lithify.cli.invocation import Invocation
from lithify.cli.naming import system_files
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.text import padded, printable, width_of
from lithify.definitions.nearest import did_you_mean
from lithify.errors import DefinitionErrors, Fault, LithifyError, UsageError
from lithify.graph.model import Chunk
from lithify.graph.pins import declared_pin
from lithify.schedule.session import Session, resolve_system
from lithify.schedule.workspaces import (
    Look,
    close_workspace,
    forget_build,
    look_at_workspace,
    open_workspace,
    said_pins,
    workspace_of,
)
from lithify.sources.kinds import UNLOCKED

ACTIONS = ("close", "list", "open", "reset")


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="ACTION [CHUNK [FOLDER]]",
            help="open, list, reset or close; FOLDER: where to open it, named as the chunk, beside the definitions, "
            "where it is left out",
        ),
    ],
    force: Annotated[
        bool, typer.Option("--force", help="close: throw away what is not committed, or not pushed")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="close: leave the folder where it is")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Work on a chunk's source in a folder of your own; systems are built with it, and only what you changed is compiled.

    `open` makes the folder: a clone of the chunk's repository, the real one as its origin, on a new branch at the commit that
    is built; of an archive or a Debian source package, a new repository with the patches applied. From then on `build`, `show`,
    `why`, `shell` and `deploy` take the chunk from there, as the files are, committed or not.

    The build folder stays from build to build. A change of the chunk's commands, environment or dependencies, or of a file
    that configure reads, begins from nothing; `reset` makes the next build do so.

    `close` removes the folder, if all in it is committed and pushed, and the chunk is built from its declared sources again.

    \b
    Examples:
      lithify workspace open zlib
      lithify workspace open zlib ~/src/zlib
      lithify workspace list
      lithify workspace reset zlib
      lithify workspace close zlib
      lithify workspace close zlib --keep
    """
    action, *names = words
    if action not in ACTIONS:
        hint = did_you_mean(action, ACTIONS)
        raise UsageError(
            f"workspace {action}: there is no such action", hints=[hint or "it is open, list, reset or close"]
        )
    if (force or keep) and action != "close":
        raise UsageError(f"{'--force' if force else '--keep'} is for `workspace close`")
    if force and keep:
        raise UsageError("--force throws the folder away, --keep leaves it: give one of them")
    least, most = {"open": (1, 2), "list": (0, 0), "reset": (1, 1), "close": (1, 1)}[action]
    if len(names) < least:
        raise UsageError(
            f"workspace {action}: missing argument CHUNK", hints=[f"lithify workspace {action} zlib"]
        )
    if len(names) > most:
        raise UsageError(f"workspace {action}: too many arguments: {' '.join(names[most:])}")
    with reading_events(ctx.obj) as report, opened(ctx.obj, report) as session:
        value, text = _DOES[action](ctx.obj, session, names, force, keep)
    sys.stdout.write(json.dumps(value, indent=2) + "\n" if as_json else text)


_Result = tuple[Any, str]


def _open(invocation: Invocation, session: Session, names: list[str], force: bool, keep: bool) -> _Result:
    name = names[0].removesuffix(".morph")
    chunks = _chunks(session)
    if name not in chunks:
        hint = did_you_mean(name, chunks)
        raise LithifyError(f"no system has a chunk {name}", hints=[hint] if hint else [])
    chunk, *others = chunks[name]
    if others:
        places = " and ".join(one.place.file for one in (chunk, *others))
        raise LithifyError(
            f"{name} is made from other sources in each of {places}",
            hints=["one workspace cannot stand for all of them"],
        )
    into = (
        Path(os.path.normpath(invocation.cwd / Path(names[1]).expanduser()))
        if len(names) == 2
        else session.definitions.root.parent / name
    )
    _, pushes = patterns(invocation.settings.repository_aliases())
    made = open_workspace(session, chunk, into, pushes)
    return {"chunk": name, "folder": made.path, "branch": made.branch, "base": made.base}, f"{made.path}\n"


def _chunks(session: Session) -> dict[str, list[Chunk]]:
    """Return by name the chunks of all systems, as the definitions have them: one of each list of sources.

    A system that is broken hides no chunk of another one.
    """
    plain = replace(session, workspaces={})
    found: dict[str, list[Chunk]] = {}
    faults: list[Fault] = []
    for file in system_files(plain):
        try:
            chunks = resolve_system(plain, file).graph.chunks
        except DefinitionErrors as error:
            faults += error.faults
            continue
        for name, chunk in chunks.items():
            same = found.setdefault(name, [])
            if all(one.sources != chunk.sources for one in same):
                same.append(chunk)
    if not found and faults:
        raise DefinitionErrors(faults)
    return found


def _list(invocation: Invocation, session: Session, names: list[str], force: bool, keep: bool) -> _Result:
    now = _pins_now(session) if session.workspaces else {}
    looks = [
        look_at_workspace(session.cache, one, now.get(name))
        for name, one in sorted(session.workspaces.items())
    ]
    return [_as_data(look) for look in looks], _as_text(looks)


def _pins_now(session: Session) -> dict[str, str | None]:
    """Return what the sources of each chunk are pinned to now, without asking anybody; None where somebody must be asked."""
    found: dict[str, str | None] = {}
    for name, (chunk, *_) in _chunks(session).items():
        pins = {source: declared_pin(source) or session.lock.get(source) for source in chunk.sources}
        known = {source: pin for source, pin in pins.items() if pin}
        lasting = [source for source in chunk.sources if source.kind not in UNLOCKED]
        found[name] = said_pins(chunk.sources, known) if all(one in known for one in lasting) else None
    return found


def _as_data(look: Look) -> dict[str, Any]:
    one = look.workspace
    return {
        "chunk": one.chunk,
        "folder": one.path,
        "condition": look.condition,
        "branch": look.branch,
        "commit": look.commit,
        "base": one.base,
        "changed": list(look.unsaved.changed),
        "unpushed": list(look.unsaved.commits),
        "stashes": look.unsaved.stashes,
        "pins-moved": look.moved,
        "built": look.built,
        "made-from": one.made_from,
        "opened-at": one.opened_at,
    }


def _as_text(looks: list[Look]) -> str:
    if not looks:
        return "no workspace is open\n"
    width = max(width_of(look.workspace.chunk) for look in looks)
    return "".join(
        f"{padded(look.workspace.chunk, width)}  {printable(look.workspace.path)}  {_told(look)}\n"
        for look in looks
    )


def _told(look: Look) -> str:
    if look.condition == "gone":
        return "the folder is gone"
    if look.condition == "no repository":
        return "no git repository any more"
    parts = [look.unsaved.told() or "clean"]
    if look.moved:
        parts.append("the definitions pin other sources now")
    return "; ".join(parts)


def _reset(invocation: Invocation, session: Session, names: list[str], force: bool, keep: bool) -> _Result:
    one = workspace_of(session.workspaces, names[0].removesuffix(".morph"))
    forget_build(session, one)
    return {"chunk": one.chunk}, f"{one.chunk}: its next build begins from nothing\n"


def _close(invocation: Invocation, session: Session, names: list[str], force: bool, keep: bool) -> _Result:
    one = close_workspace(session, names[0].removesuffix(".morph"), force=force, keep=keep)
    there = Path(one.path).exists()
    what = f"{one.path} stays" if there else f"{one.path} is removed"
    value = {"chunk": one.chunk, "folder": one.path, "removed": not there}
    return value, f"{one.chunk} is built from its declared sources again; {what}\n"


_DOES: Mapping[str, Callable[[Invocation, Session, list[str], bool, bool], _Result]] = {
    "open": _open,
    "list": _list,
    "reset": _reset,
    "close": _close,
}
