"""``lithify why-depends``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from lithify.cli.invocation import Invocation
from lithify.cli.origin import RefOption, RepoOption, origin_of, read_definitions
from lithify.cli.reporting import reading_events
from lithify.cli.systems import shown_system, system_named, system_names
from lithify.definitions.nearest import meant
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors, LithifyError, UsageError
from lithify.graph.model import SystemGraph
from lithify.graph.paths import Node, Paths, find_nodes, find_paths
from lithify.graph.resolve import resolve

_BETWEEN = " -> "


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="[SYSTEM] A B", help="chunks, strata, or the system as A")
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, help="show at most so many paths")] = 20,
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Show the paths by which A needs B, the shortest first; a stratum that is needed whole is one step.

    Without SYSTEM, the paths must be the same in all systems that have both. 1 where A does not need B.

    \b
    Examples:
      lithify why-depends demo zlib
      lithify why-depends dropbear toolchain --limit 5
      lithify why-depends systems/demo.morph busybox toolchain
    """
    if not 2 <= len(words) <= 3:
        raise UsageError(f"two names are needed, not {len(words)}", hints=["[SYSTEM] A B"])
    with reading_events(ctx.obj) as report:
        definitions = read_definitions(ctx.obj, report, origin_of(repo, ref))
        start, end = words[-2:]
        system, paths = _found(ctx.obj, definitions, words, limit)
    if not paths.paths:
        raise LithifyError(f"{start} does not need {end} in {system}")
    if as_json:
        sys.stdout.write(json.dumps(_data(system, paths), indent=2, ensure_ascii=False) + "\n")
        return
    sys.stdout.writelines(f"{_BETWEEN.join(map(str, path))}\n" for path in paths.paths)
    if paths.more:
        ctx.obj.messages.warn(f"there are more than {limit} paths; --limit shows more")


def _found(
    invocation: Invocation, definitions: Definitions, words: Sequence[str], limit: int
) -> tuple[str, Paths]:
    """Return the system and the paths that are meant."""
    start, end = words[-2:]
    system = words[0] if len(words) == 3 else system_named(invocation, definitions, start)
    if system is not None:
        graph = shown_system(invocation, definitions, system)
        start = graph.system.name if len(words) == 2 else start
        return graph.system.name, _paths(graph, _nodes(graph, start), _nodes(graph, end), limit)
    found: dict[tuple[object, ...], tuple[list[str], Paths]] = {}
    known: set[str] = set()
    for graph in _graphs(definitions):
        known.update((*graph.chunks, *graph.strata))
        starts, ends = _meanings(graph, start), _meanings(graph, end)
        if starts and ends:
            paths = _paths(graph, starts, ends, limit)
            found.setdefault((paths.paths,), ([], paths))[0].append(graph.system.file)
    if not found:
        unknown = next((name for name in (start, end) if name not in known), None)
        if unknown is None:
            raise LithifyError(f"no system has both {start} and {end}")
        raise LithifyError(f"no system has a chunk or stratum {unknown}", hints=meant(unknown, known))
    if len(found) > 1:
        files = [systems[0] for systems, _ in found.values()]
        raise LithifyError(
            f"{start} needs {end} in other ways in each of: {', '.join(files)}",
            hints=["name the system before them"],
        )
    ((systems, paths),) = found.values()
    return systems[0], paths


def _graphs(definitions: Definitions) -> Iterable[SystemGraph]:
    for file in system_names(definitions):
        try:
            yield resolve(definitions, file)
        except DefinitionErrors:
            continue  # `validate` tells of it; what it was asked for may be elsewhere


def _meanings(graph: SystemGraph, name: str) -> tuple[Node, ...]:
    """Return what a name may mean in a system: a name, or the file of a stratum."""
    files = (Node("stratum", stratum.name) for stratum in graph.strata.values() if stratum.file == name)
    return (*find_nodes(graph, name), *files)


def _nodes(graph: SystemGraph, name: str) -> tuple[Node, ...]:
    found = _meanings(graph, name)
    if not found:
        near = meant(name, (*graph.chunks, *graph.strata))
        raise LithifyError(f"{graph.system.name} has no chunk or stratum {name}", hints=near)
    return found


def _paths(graph: SystemGraph, starts: Sequence[Node], ends: Sequence[Node], limit: int) -> Paths:
    """Return the paths between all that two names may mean: a chunk and a stratum may have one name."""
    found = [find_paths(graph, start, end, limit=limit) for start in starts for end in ends]
    paths = sorted((path for one in found for path in one.paths), key=lambda path: (len(path), path))
    return Paths(paths=tuple(paths[:limit]), more=any(one.more for one in found) or len(paths) > limit)


def _data(system: str, paths: Paths) -> dict[str, Any]:
    return {
        "system": system,
        "paths": [[{"kind": node.kind, "name": node.name} for node in path] for path in paths.paths],
        "more": paths.more,
    }
