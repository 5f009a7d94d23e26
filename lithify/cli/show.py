"""``lithify show``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from lithify.build.metadata import definition_ref, last_ref
from lithify.cli.naming import named_system
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.graph.explain import differences
from lithify.graph.keys import Unresolved
from lithify.graph.model import DefinitionKey
from lithify.schedule.session import Resolved, Session, plan_of


def command(
    ctx: typer.Context,
    system: Annotated[str, typer.Argument(help="the system, as a path or a name")],
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Show each chunk of a system: name, key, whether it is cached, and if not, why it would be built.

    \b
    Examples:
      lithify show systems/demo.morph
      lithify show demo --json
    """
    with reading_events(ctx.obj) as report, opened(ctx.obj, report) as session:
        resolved = named_system(ctx.obj, session, system)
        rows = states(session, resolved)
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if as_json else as_text(resolved, rows))


def states(session: Session, resolved: Resolved) -> list[dict[str, Any]]:
    """Return one row for each needed chunk and the system: name, kind, key, state, cause, seconds of the last build."""
    graph, keys = resolved.graph, resolved.keys
    unresolved = [name for name in graph.needed if isinstance(keys.chunk[name], Unresolved)]
    to_build = set(unresolved or plan_of(session, resolved).to_build)
    rows = [
        _row(session, resolved, "chunk", name, keys.chunk[name], name in to_build)
        for name in graph.chunks
        if name in graph.needed
    ]
    cached = (
        not isinstance(keys.system, Unresolved)
        and session.repository.ref(definition_ref(keys.system)) is not None
    )
    return [*rows, _row(session, resolved, "system", graph.system.name, keys.system, not cached)]


def _row(
    session: Session, resolved: Resolved, kind: Any, name: str, key: DefinitionKey | Unresolved, missing: bool
) -> dict[str, Any]:
    if isinstance(key, Unresolved):
        return {
            "name": name,
            "kind": kind,
            "key": None,
            "state": "unresolved",
            "cause": f"{key.origin}: {key.reason}",
        }
    if not missing and session.repository.ref(definition_ref(key)) is None:
        return {"name": name, "kind": kind, "key": key, "state": "not needed", "cause": ""}
    cause = _cause(session, resolved, kind, name) if missing else ""
    seconds = session.facts.get("seconds", name)
    return {
        "name": name,
        "kind": kind,
        "key": key,
        "state": "build" if missing else "cached",
        "cause": cause,
        "seconds": None if seconds is None else float(seconds),
    }


def _cause(session: Session, resolved: Resolved, kind: Any, name: str) -> str:
    """Return in a few words why something has to be built: what differs from its last build."""
    last = session.repository.ref(last_ref(kind, name, resolved.graph.system.arch))
    if last is None:
        return "never built"
    old = session.repository.commit(last).metadata["definition-inputs"]
    found = differences(old, resolved.keys.expanded(kind, name))
    causes = [difference.input for difference in found if difference.cause]
    follows = [difference.subject for difference in found if not difference.cause and difference.subject]
    if causes:
        return f"changed: {', '.join(causes[:3])}{' …' if len(causes) > 3 else ''}"
    if follows:
        return f"follows {', '.join(follows[:3])}{' …' if len(follows) > 3 else ''}"
    return "its result is not in the store"


def as_text(resolved: Resolved, rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table, and what they come to."""
    width = max(len(row["name"]) for row in rows)
    lines = []
    for row in rows:
        key = (row["key"] or "unknown")[:8]
        lines.append(f"{key:<8}  {row['state']:<10}  {row['name']:<{width}}  {row['cause']}".rstrip())
    chunks = [row for row in rows if row["kind"] == "chunk"]
    counts = {
        state: sum(row["state"] == state for row in chunks) for state in ("cached", "build", "unresolved")
    }
    summary = f"{len(chunks)} chunks: {counts['cached']} cached, {counts['build']} to build"
    if counts["unresolved"]:
        summary += f", {counts['unresolved']} unresolved"
    expected = [row["seconds"] for row in rows if row["state"] == "build" and row.get("seconds")]
    if expected:
        summary += f"; the last builds of {len(expected)} of them took {sum(expected):.0f} s in all"
    return "\n".join([*lines, summary]) + "\n"
