"""``lithify why``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from lithify.build.metadata import last_ref
from lithify.cli.naming import NamedChunk, commit_of, named_artifact, named_chunk, system_files
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.graph.explain import Difference, differences
from lithify.graph.keys import Kind
from lithify.schedule.realising import known
from lithify.schedule.session import Resolved, Session, resolve_system


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="[SYSTEM] CHUNK", help="a chunk or system, or an artifact's key")
    ],
    against: Annotated[str, typer.Option("--against", help="another artifact's key to compare with")] = "",
    inputs: Annotated[bool, typer.Option("--inputs", help="show every input of the key")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Say which inputs of a chunk or system differ from its last build: old value, new value, cause or consequence.

    \b
    Examples:
      lithify why zlib
      lithify why systems/demo.morph dropbear
      lithify why zlib --against 3f9a01c2
      lithify why zlib --inputs
    """
    with reading_events(ctx.obj) as report, opened(ctx.obj, report) as session:
        kind, named = _meant(ctx, session, words)
        keys = named.resolved.keys
        key = known(keys.system if kind == "system" else keys.chunk[named.name])
        new = keys.expanded(kind, named.name)
        commit = _earlier(session, named.resolved, kind, named.name, against)
        old = None if commit is None else session.repository.commit(commit).metadata
    changed = [] if old is None else differences(old["definition-inputs"], new)
    value: dict[str, Any] = {
        kind: named.name,
        "key": key,
        "against": None if old is None else {"key": old["definition-key"], "built-at": old["built-at"]},
        "changed": [_plain(one) for one in changed],
    }
    if inputs:
        value["inputs"] = new["inputs"]
    sys.stdout.write(
        json.dumps(value, indent=2, default=str) + "\n" if as_json else _text(kind, named.name, value)
    )


def _meant(ctx: typer.Context, session: Session, words: list[str]) -> tuple[Kind, NamedChunk]:
    """Return what the words name: a chunk, or a system by its file or name."""
    if len(words) == 1 and named_artifact(words[0]) is None:
        for file in system_files(session):
            bare = file.rpartition("/")[2].removesuffix(".morph")
            if words[0] in (file, bare, f"{bare}.morph"):
                resolved = resolve_system(session, file)
                if words[0] not in resolved.graph.chunks:
                    return "system", NamedChunk(resolved=resolved, name=resolved.graph.system.name)
    artifact = named_artifact(words[0]) if len(words) == 1 else None
    if artifact is not None:
        metadata = session.repository.commit(commit_of(session.repository, artifact)).metadata
        words = [str(metadata["name"])]
    return "chunk", named_chunk(ctx.obj, session, words)


def _earlier(session: Session, resolved: Resolved, kind: str, name: str, against: str) -> str | None:
    if against:
        artifact = named_artifact(against)
        if artifact is None:
            raise typer.BadParameter("it is the key of an artifact, or its first 8 digits or more")
        return commit_of(session.repository, artifact)
    return session.repository.ref(last_ref(kind, name, resolved.graph.system.arch))


def _plain(difference: Difference) -> dict[str, Any]:
    value = {
        "input": difference.input,
        "old": difference.old,
        "new": difference.new,
        "cause": difference.cause,
    }
    return {**value, "subject": difference.subject} if difference.subject else value


def _text(kind: str, name: str, value: dict[str, Any]) -> str:
    lines = [f"{kind} {name}: {value['key']}"]
    if value["against"] is None:
        lines.append("it was never built in this cache")
    elif not value["changed"]:
        lines.append("nothing differs from its last build")
    else:
        lines.append(f"against its build {value['against']['key'][:8]}:")
    for change in value["changed"]:
        label = "cause" if change["cause"] else "follows"
        lines.append(f"  {label:<8}{change['input']}")
        lines.append(f"    old: {_short(change['old'])}")
        lines.append(f"    new: {_short(change['new'])}")
    if "inputs" in value:
        lines += [
            "inputs:",
            *(f"  {item}: {_short(given)}" for item, given in sorted(value["inputs"].items())),
        ]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 300 else text[:297] + "..."
