"""``lithify why``."""

from __future__ import annotations

import difflib
import json
import sys
import time
from typing import Annotated, Any

import typer
from msgspec import Struct

from lithify.cli.invocation import Invocation
from lithify.cli.naming import NamedArtifact, NamedChunk, commit_of, named_artifact, named_chunk
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.systems import system_named
from lithify.cli.text import cut, printable
from lithify.errors import LithifyError
from lithify.graph.explain import Difference, Record, differences
from lithify.graph.keys import Kind, known
from lithify.report.builds import build_before, made_at
from lithify.schedule.definitions_from_git import Origin
from lithify.schedule.session import Session, resolve_system
from lithify.store.reading import Commit


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[SYSTEM] CHUNK", help="a chunk or system, or the key of an artifact in the store"
        ),
    ],
    against: Annotated[
        str,
        typer.Option(
            metavar="KEY|REF", help="compare with this artifact, or with the definitions at this git ref"
        ),
    ] = "",
    inputs: Annotated[bool, typer.Option("--inputs", help="show every input of the key")] = False,
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Say which inputs of a chunk or system differ from its last build: old value, new value, cause or consequence.

    Where the last build is current, it is compared with the build before it. A cause is what somebody changed; what follows
    is another because something else is.

    \b
    Examples:
      lithify why zlib
      lithify why systems/demo.morph dropbear
      lithify why zlib --against HEAD~3
      lithify why zlib --inputs
    """
    origin, words = one_of_a_commit(ctx.obj, origin_of(repo, ref), words)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        kind, named = _meant(ctx, session, words)
        keys = named.resolved.keys
        key = known(keys.system if kind == "system" else keys.chunk[named.name])
        new = keys.expanded(kind, named.name)
        other = _other(ctx.obj, session, named, kind, against)
    changed = () if other is None else differences(other.record, new)
    value: dict[str, Any] = {
        kind: named.name,
        "key": key,
        "against": None if other is None else other.said,
        "changed": [_plain(one) for one in changed],
    }
    workspace = session.workspaces.get(named.name) if kind == "chunk" else None
    if workspace is not None:
        value["workspace"] = workspace.path
    if inputs or as_json:
        value["inputs"] = new["inputs"]
    sys.stdout.write(
        json.dumps(value, indent=2, default=str) + "\n" if as_json else _text(kind, named.name, value)
    )


class _Other(Struct, frozen=True, kw_only=True):
    """What a key is compared with."""

    record: Record
    said: dict[str, Any]
    """What JSON says of it."""


def _other(
    invocation: Invocation, session: Session, named: NamedChunk, kind: Kind, against: str
) -> _Other | None:
    """Return the build before, or what ``--against`` names."""
    artifact = named_artifact(against) if against else None
    if artifact is not None and (found := _stored(session, artifact)) is not None:
        return _build(found)
    if against:
        return _at_ref(invocation, session, named, kind, against)
    key = named.resolved.keys.system if kind == "system" else named.resolved.keys.chunk[named.name]
    before = build_before(session.repository, named.resolved.keys, kind, named.name, known(key))
    return None if before is None else _build(before)


def _stored(session: Session, artifact: NamedArtifact) -> Commit | None:
    """Return an artifact's commit; None where there is none: a commit of git looks like a key too."""
    if artifact.kind:
        return session.repository.commit(commit_of(session.repository, artifact))
    try:
        return session.repository.commit(commit_of(session.repository, artifact))
    except LithifyError:
        return None


def _build(commit: Commit) -> _Other:
    metadata = commit.metadata
    said = {"key": metadata["definition-key"], "commit": commit.checksum, "built-at": made_at(commit)}
    return _Other(record=metadata["definition-inputs"], said=said)


def _at_ref(invocation: Invocation, session: Session, named: NamedChunk, kind: Kind, ref: str) -> _Other:
    """Return what the key was made of in the definitions of another commit."""
    system = named.resolved.graph.system
    origin = Origin(repo=str(session.definitions.root), ref=ref)
    with opened(invocation, session.report, origin) as then:
        resolved = resolve_system(then, system.file)
    if kind == "chunk" and named.name not in resolved.graph.chunks:
        raise LithifyError(f"{system.file} had no chunk {named.name} at {ref}")
    key = known(resolved.keys.system if kind == "system" else resolved.keys.chunk[named.name])
    return _Other(record=resolved.keys.expanded(kind, named.name), said={"key": key, "ref": ref})


def _meant(ctx: typer.Context, session: Session, words: list[str]) -> tuple[Kind, NamedChunk]:
    """Return what the words name: a chunk, or a system by its file or name."""
    if len(words) == 1 and named_artifact(words[0]) is None:
        file = system_named(ctx.obj, session.definitions, words[0])
        if file is not None:
            resolved = resolve_system(session, file)
            if words[0] not in resolved.graph.chunks:
                return "system", NamedChunk(resolved=resolved, name=resolved.graph.system.name)
    artifact = named_artifact(words[0]) if len(words) == 1 else None
    if artifact is not None:
        metadata = session.repository.commit(commit_of(session.repository, artifact)).metadata
        words = [str(metadata["name"])]
    return "chunk", named_chunk(ctx.obj, session, words, or_system=True)


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
    if "workspace" in value:
        lines.append(f"built from its workspace {printable(value['workspace'])}")
    lines.append(_heading(value))
    for change in value["changed"]:
        label = "cause" if change["cause"] else "follows"
        lines += [f"  {label:<8}{change['input']}", *_change(change["old"], change["new"])]
    if "inputs" in value:
        lines += [
            "inputs:",
            *(f"  {item}: {_short(given)}" for item, given in sorted(value["inputs"].items())),
        ]
    return "\n".join(lines) + "\n"


def _heading(value: dict[str, Any]) -> str:
    other = value["against"]
    if other is None:
        return "no other build of it is in this cache"
    if "ref" in other:
        what = f"the definitions at {other['ref']}"
    else:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(other["built-at"]))
        what = f"its build {other['key'][:8]} of {when}"
    return f"against {what}:" if value["changed"] else f"nothing differs from {what}"


def _change(old: Any, new: Any) -> list[str]:
    """Return old and new; of two lists, what went and what came."""
    if isinstance(old, list) and isinstance(new, list):
        before, after = [_short(item) for item in old], [_short(item) for item in new]
        changed = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
        return [f"    {line[0]} {line[1:]}" for line in changed if line[0] != "@"]
    return [f"    - {_short(old)}"] * (old is not None) + [f"    + {_short(new)}"] * (new is not None)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return printable(cut(text, 300))
