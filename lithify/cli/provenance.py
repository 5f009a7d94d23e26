"""``lithify provenance``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from lithify.cli.naming import ARTIFACT_HINT, commit_of, named_artifact
from lithify.cli.run import stored_only
from lithify.definitions.nearest import meant
from lithify.errors import LithifyError, UsageError
from lithify.report.provenance import provenance


def command(
    ctx: typer.Context,
    artifact: Annotated[str, typer.Argument(help="KEY.kind.name, or the first digits of the key")],
) -> None:
    """Print where an artifact of the local store comes from: SLSA v1 provenance, as an in-toto statement in JSON.

    Sources with their digests, the definitions' commit, every input of the keys, the builder, and the times: all from what
    the artifact's commit says of itself.

    \b
    Examples:
      lithify provenance $(lithify build demo)
      lithify provenance 3f9a01c2
      lithify provenance 3f9a01c2.chunk.zlib-libs >zlib-libs.intoto.json
    """
    named = named_artifact(artifact)
    if named is None:
        raise UsageError(f"{artifact} is no artifact", hints=[ARTIFACT_HINT])
    if named.kind == "stratum":
        raise LithifyError(
            f"{named.name} is a stratum, which has no content of its own",
            hints=["ask for the system, or for the chunks that it selects"],
        )
    repository = stored_only(ctx.obj)
    commit = repository.commit(commit_of(repository, named))
    said = commit.metadata
    name = "" if said["kind"] == "system" else named.name
    if name and name not in said["artifacts"]:
        raise LithifyError(f"{said['name']} has no artifact {name}", hints=meant(name, [*said["artifacts"]]))
    sys.stdout.write(json.dumps(provenance(commit, name), indent=2) + "\n")
