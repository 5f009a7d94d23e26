"""``lithify show``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from msgspec.structs import asdict

from lithify.cli.naming import named_system
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.text import padded, printable, width_of
from lithify.errors import UsageError
from lithify.report.states import Expectation, State, expectation


def command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="SYSTEM", help="the system, as a path or a name")],
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Show each chunk of a system: key, whether it is in the store, name, and why it would be built.

    States: cached; build; unresolved (its key is not known yet); unneeded (not in the store, and nothing that is to be built
    needs it).

    \b
    Examples:
      lithify show systems/demo.morph
      lithify show demo --json
      lithify show demo --repo . --ref HEAD~2
    """
    origin, (system, *more) = one_of_a_commit(ctx.obj, origin_of(repo, ref), words)
    if more:
        hint = "`lithify show --help` shows how it is used"
        raise UsageError(f"too many arguments: {' '.join(more)}", hints=[hint])
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        found = expectation(session, named_system(ctx.obj, session, system))
    sys.stdout.write(json.dumps(as_data(found), indent=2) + "\n" if as_json else as_text(found))


def as_data(found: Expectation) -> dict[str, Any]:
    """Return an expectation as JSON has it."""
    rows = [
        {
            name: value
            for name, value in asdict(state).items()
            if name != "kind" and (value or name != "workspace")
        }
        for state in found.states
    ]
    kinds = [state.kind for state in found.states]
    counts = {name: found.count(name) for name in ("cached", "build", "unresolved", "unneeded")}
    return {
        "system": next((row for row, kind in zip(rows, kinds, strict=True) if kind == "system"), None),
        "chunks": [row for row, kind in zip(rows, kinds, strict=True) if kind == "chunk"],
        "counts": {"chunks": kinds.count("chunk"), **counts},
        "expected-seconds": None if found.seconds is None else round(found.seconds, 1),
    }


def as_text(found: Expectation) -> str:
    """Return an expectation as a table, and below it what it comes to."""
    width = max((width_of(state.name) for state in found.states), default=0)
    return "\n".join([*(_line(state, width) for state in found.states), summary(found), ""])


def summary(found: Expectation) -> str:
    """Return how many chunks there are, in which state, and how long a build would take."""
    chunks = sum(state.kind == "chunk" for state in found.states)
    parts = [f"{found.count('cached')} cached", f"{found.count('build')} to build"]
    parts += [f"{found.count(state)} {state}" for state in ("unresolved", "unneeded") if found.count(state)]
    text = f"{chunks} chunk{'' if chunks == 1 else 's'}: {', '.join(parts)}"
    return text if found.seconds is None else f"{text}; about {_duration(found.seconds)}"


def _line(state: State, width: int) -> str:
    key = (state.key or "unknown")[:8]
    workspace = f"workspace {printable(state.workspace)}" if state.workspace else ""
    told = "; ".join(part for part in (workspace, state.cause) if part)
    return f"{key:<8}  {state.state:<10}  {padded(state.name, width)}  {told}".rstrip()


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{minutes} min"
