"""``lithify list-files``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from lithify.build.metadata import Content, read_chunk, read_system
from lithify.cli.naming import NamedArtifact, commit_of, named_artifact
from lithify.cli.run import stored_only
from lithify.errors import LithifyError, UsageError
from lithify.schedule.session import nearest
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
        raise UsageError(
            f"{artifact} is no artifact", hints=["KEY.kind.name, as `lithify list-artifacts` prints it"]
        )
    repository = stored_only(ctx.obj)
    content = content_of(repository, named)
    paths = sorted(repository.paths(content.tree, content.manifest))
    sys.stdout.write(
        json.dumps(paths, indent=2) + "\n" if as_json else "".join(f"{path}\n" for path in paths)
    )


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
            f"{chunk.name} has no artifact {named.name}", hints=nearest(named.name, [*chunk.artifacts])
        )
    return chunk.artifacts[named.name]
