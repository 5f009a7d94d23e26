"""``lithify list-files``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from lithify.build.metadata import Content, read_chunk, read_system
from lithify.cli.invocation import Invocation
from lithify.cli.naming import ARTIFACT_HINT, NamedArtifact, commit_of, named_artifact, system_files
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened, stored_only
from lithify.definitions.nearest import meant
from lithify.errors import DefinitionErrors, Fault, LithifyError, UsageError
from lithify.graph.keys import known
from lithify.graph.model import StratumArtifact
from lithify.schedule.session import Resolved, resolve_system
from lithify.store.reading import Repository


def command(
    ctx: typer.Context,
    artifact: Annotated[str, typer.Argument(help="KEY.kind.name, or the first digits of the key")],
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """List the paths in an artifact of the local store, one a line, sorted.

    \b
    Examples:
      lithify list-files $(lithify list-artifacts demo | grep zlib-libs)
      lithify list-files 3f9a01c2
    """
    named = named_artifact(artifact)
    if named is None:
        raise UsageError(f"{artifact} is no artifact", hints=[ARTIFACT_HINT])
    if named.kind == "stratum":
        paths = _paths_of_stratum(ctx.obj, named)
    else:
        repository = stored_only(ctx.obj)
        content = content_of(repository, named)
        paths = sorted(repository.paths(content.tree, content.manifest))
    sys.stdout.write(
        json.dumps(paths, indent=2) + "\n" if as_json else "".join(f"{path}\n" for path in paths)
    )


def _paths_of_stratum(invocation: Invocation, named: NamedArtifact) -> list[str]:
    """Return the paths of all that a stratum artifact selects; only the definitions around know what that is."""
    faults: list[Fault] = []
    with reading_events(invocation) as report, opened(invocation, report) as session:
        for file in system_files(session):
            try:
                resolved = resolve_system(session, file)
            except DefinitionErrors as error:  # a system that is broken hides nothing of another one
                faults += error.faults
                continue
            for stratum in resolved.graph.strata.values():
                for artifact in stratum.artifacts:
                    key = str(resolved.keys.stratum_artifact[stratum.name, artifact.name])
                    if artifact.name == named.name and key.startswith(named.key):
                        return sorted(_paths_of_members(session.repository, resolved, artifact))
    if faults:
        raise DefinitionErrors(faults)
    raise LithifyError(
        f"no system of these definitions has the stratum artifact {named.key}.stratum.{named.name}",
        hints=["`lithify list-artifacts SYSTEM` lists what there is"],
    )


def _paths_of_members(repository: Repository, resolved: Resolved, artifact: StratumArtifact) -> set[str]:
    paths: set[str] = set()
    for chunk, part in artifact.members:
        key = str(known(resolved.keys.chunk[chunk]))
        content = content_of(repository, NamedArtifact(key=key, kind="chunk", name=part))
        paths.update(repository.paths(content.tree, content.manifest))
    return paths


def content_of(repository: Repository, named: NamedArtifact) -> Content:
    """Return what an artifact holds: one artifact of a chunk, all of a chunk where none is named, or a system."""
    commit = commit_of(repository, named)
    stored = repository.commit(commit)
    if stored.metadata["kind"] == "system":
        return read_system(commit, stored).content
    chunk = read_chunk(repository, commit)
    if not named.name:
        return chunk.whole
    if named.name not in chunk.artifacts:
        raise LithifyError(
            f"{chunk.name} has no artifact {named.name}", hints=meant(named.name, [*chunk.artifacts])
        )
    return chunk.artifacts[named.name]
