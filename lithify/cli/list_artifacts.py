"""``lithify list-artifacts``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from lithify.build.metadata import definition_ref
from lithify.cli.naming import sound_systems
from lithify.cli.origin import RefOption, RepoOption, origin_of, with_old_spelling
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened, stored_only
from lithify.errors import UsageError
from lithify.graph.artifacts import needed_artifacts
from lithify.graph.keys import Unresolved, known
from lithify.graph.model import DefinitionKey
from lithify.schedule.session import Resolved, declared_in
from lithify.sources.pins import refuse_unpinned
from lithify.store.reading import Repository


def command(
    ctx: typer.Context,
    systems: Annotated[list[str] | None, typer.Argument(help="the systems")] = None,
    cached: Annotated[bool, typer.Option("--cached", help="only what is in the local store")] = False,
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """List the artifacts of systems as KEY.kind.name, one a line, sorted.

    1 and no line where the definitions have faults, or a source is not pinned. With --cached, what has no pin is not in the
    store. Before format 9, git servers are asked what a branch or tag means, as `build` asks them.

    \b
    Examples:
      lithify list-artifacts systems/demo.morph
      lithify list-artifacts --cached
      lithify list-artifacts demo --repo . --ref HEAD~2
    """
    origin, names = with_old_spelling(ctx.obj, origin_of(repo, ref), systems or ())
    if not systems and not cached:
        raise UsageError("which system?", hints=["`lithify list-artifacts --cached` lists the whole store"])
    found: set[str] = set()
    if not systems:
        found |= stored_artifacts(stored_only(ctx.obj))
    else:
        with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
            for resolved in sound_systems(ctx.obj, session, names, ask=not cached):
                if not cached:
                    refuse_unpinned(declared_in(resolved.graph), resolved.pins)
                found |= artifacts_of(resolved, session.repository if cached else None)
    lines = sorted(found)
    sys.stdout.write(
        json.dumps(lines, indent=2) + "\n" if as_json else "".join(f"{line}\n" for line in lines)
    )


def artifacts_of(resolved: Resolved, repository: Repository | None) -> set[str]:
    """Return ``KEY.kind.name`` of all artifacts of a system; with a repository, of those that are in it.

    A stratum is there when all that it selects is. Without a repository, raises :class:`Unpinned` for a key that is not known
    yet; nothing of such a key can be in one.
    """
    found = needed_artifacts(resolved.keys)
    if repository is None:
        for artifact in found:
            known(artifact.key)
        return {str(artifact) for artifact in found}
    graph, keys = resolved.graph, resolved.keys
    there = {name for name in graph.needed if _is_there(repository, keys.chunk[name])}
    members = {
        (stratum.name, artifact.name): {chunk for chunk, _ in artifact.members}
        for stratum in graph.strata.values()
        for artifact in stratum.artifacts
    }
    return {
        str(one)
        for one in found
        if (one.artifact.kind == "chunk" and one.artifact.source in there)
        or (one.artifact.kind == "stratum" and members[one.artifact.source, one.artifact.name] <= there)
        or (one.artifact.kind == "system" and _is_there(repository, one.key))
    }


def _is_there(repository: Repository, key: DefinitionKey | Unresolved) -> bool:
    return not isinstance(key, Unresolved) and repository.ref(definition_ref(key)) is not None


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
