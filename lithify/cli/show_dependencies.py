"""``lithify show-dependencies``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from lithify.cli.origin import RefOption, RepoOption, origin_of, read_definitions, with_old_spelling
from lithify.cli.reporting import reading_events
from lithify.cli.systems import shown_system
from lithify.graph.artifacts import Artifact, artifact_dependencies, dependency_lines
from lithify.graph.model import SystemGraph


def command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="SYSTEM...", help="the systems, as paths or names")],
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Print each artifact of systems with those that it depends on directly, as REPO|REF|FILE|SOURCE|ARTIFACT.

    REPO and REF are written as in the definitions; for the definitions' own files they are what --repo and --ref say, else
    the root of the definitions and nothing.

    \b
    Examples:
      lithify show-dependencies systems/demo.morph
      lithify show-dependencies --repo . --ref v1.0 demo
    """
    origin, systems = with_old_spelling(ctx.obj, origin_of(repo, ref), words)
    with reading_events(ctx.obj) as report:
        definitions = read_definitions(ctx.obj, report, origin)
        graphs = [shown_system(ctx.obj, definitions, system) for system in systems]
    if as_json:
        sys.stdout.write(json.dumps([_data(graph) for graph in graphs], indent=2, ensure_ascii=False) + "\n")
        return
    own = (str(definitions.root), "") if origin is None else (origin.repo, origin.ref)
    for graph in graphs:
        sys.stdout.writelines(f"{line}\n" for line in dependency_lines(graph, *own))


def _data(graph: SystemGraph) -> dict[str, Any]:
    artifacts = [
        {**_artifact(artifact), "depends": [_artifact(one) for one in below]}
        for artifact, below in artifact_dependencies(graph)
    ]
    return {"system": graph.system.name, "file": graph.system.file, "artifacts": artifacts}


def _artifact(artifact: Artifact) -> dict[str, str]:
    return {"kind": artifact.kind, "source": artifact.source, "artifact": artifact.name}
