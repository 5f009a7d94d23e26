"""``lithify list-artifacts``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from lithify.build.metadata import definition_ref
from lithify.cli.naming import named_system
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened, stored_only
from lithify.errors import UsageError
from lithify.graph.keys import known
from lithify.schedule.session import Resolved
from lithify.store.reading import Repository


def command(
    ctx: typer.Context,
    systems: Annotated[list[str] | None, typer.Argument(help="the systems")] = None,
    cached: Annotated[bool, typer.Option("--cached", help="only what is in the local store")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """List the artifacts of systems as KEY.kind.name, one a line, sorted.

    \b
    Examples:
      lithify list-artifacts systems/demo.morph
      lithify list-artifacts --cached
    """
    if not systems and not cached:
        raise UsageError("which system?", hints=["`lithify list-artifacts --cached` lists the whole store"])
    found: set[str] = set()
    if not systems:
        found |= stored_artifacts(stored_only(ctx.obj))
    else:
        with reading_events(ctx.obj) as report, opened(ctx.obj, report) as session:
            for system in systems:
                found |= artifacts_of(
                    named_system(ctx.obj, session, system), session.repository if cached else None
                )
    lines = sorted(found)
    sys.stdout.write(
        json.dumps(lines, indent=2) + "\n" if as_json else "".join(f"{line}\n" for line in lines)
    )


def artifacts_of(resolved: Resolved, repository: Repository | None) -> set[str]:
    """Return ``KEY.kind.name`` of all artifacts of a system; with a repository, of those that are in it."""
    graph, keys = resolved.graph, resolved.keys
    there = {
        name
        for name in graph.needed
        if repository is None or repository.ref(definition_ref(known(keys.chunk[name]))) is not None
    }
    found = {
        f"{keys.chunk[name]}.chunk.{artifact}" for name in there for artifact in graph.chunks[name].artifacts
    }
    for stratum in graph.strata.values():
        for artifact in stratum.artifacts:
            if {chunk for chunk, _ in artifact.members} <= there:
                found.add(
                    f"{known(keys.stratum_artifact[stratum.name, artifact.name])}.stratum.{artifact.name}"
                )
    key = known(keys.system)
    if repository is None or repository.ref(definition_ref(key)) is not None:
        found.add(f"{key}.system.{graph.system.name}-rootfs")
    return found


def stored_artifacts(repository: Repository) -> set[str]:
    """Return ``KEY.kind.name`` of every chunk artifact and system in the store."""
    found: set[str] = set()
    for ref, commit in repository.refs("d").items():
        metadata = repository.commit(commit).metadata
        key = ref.rpartition("/")[2]
        if metadata["kind"] == "system":
            found.add(f"{key}.system.{metadata['name']}-rootfs")
        else:
            found |= {f"{key}.chunk.{artifact}" for artifact in metadata["artifacts"]}
    return found
