"""``lithify graph``, and morph's ``graph-build-depends``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from lithify.cli.origin import RefOption, RepoOption, origin_of, read_definitions, with_old_spelling
from lithify.cli.reporting import reading_events
from lithify.cli.systems import shown_system
from lithify.errors import HostError, UsageError
from lithify.graph.model import SystemGraph
from lithify.graph.picture import dot_text, graph_data
from lithify.process import find_program, run

FORMATS = ("dot", "svg", "json")


def command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="SYSTEM", help="the system, as a path or a name")],
    form: Annotated[str, typer.Option("--format", help="dot, svg or json")] = "dot",
    strata: Annotated[bool, typer.Option("--strata", help="only strata, no chunks")] = False,
    all_edges: Annotated[
        bool, typer.Option("--all-edges", help="also from each chunk to those of the strata below")
    ] = False,
    output: Annotated[str, typer.Option("--output", help="write to this file")] = "",
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="the same as --format json")] = False,
) -> None:
    """Draw what a system is made of and what depends on what: for Graphviz, as SVG, or as JSON. Needs no source.

    Strata are boxes, chunks ellipses, the system an octagon; chunks in bootstrap mode stand apart.

    \b
    Examples:
      lithify graph demo --format svg --output demo.svg
      lithify graph systems/demo.morph --strata | xdot -
      lithify graph demo --json | jq '.nodes | length'
    """
    form = "json" if as_json else form
    if form not in FORMATS:
        raise UsageError(f"there is no format {form}", hints=[f"there are {', '.join(FORMATS)}"])
    origin, systems = with_old_spelling(ctx.obj, origin_of(repo, ref), words)
    if len(systems) > 1:
        raise UsageError(f"one system at a time, not {', '.join(systems)}")
    with reading_events(ctx.obj) as report:
        graph = shown_system(ctx.obj, read_definitions(ctx.obj, report, origin), systems[0])
    made = picture(graph, form, strata=strata, all_edges=all_edges)
    if output:
        (ctx.obj.cwd / output).write_bytes(made)
    else:
        sys.stdout.buffer.write(made)


def picture(graph: SystemGraph, form: str, *, strata: bool, all_edges: bool) -> bytes:
    """Return the graph in one of :data:`FORMATS`."""
    if form == "json":
        return _json(graph_data(graph)).encode()
    dot = dot_text(graph, all_edges=all_edges, strata_only=strata).encode(errors="replace")
    return dot if form == "dot" else _drawn(dot)


def _json(data: Mapping[str, Any]) -> str:
    """Return the graph with a line for each node and edge: a system has tens of thousands, and they can be searched so."""
    dump = json.JSONEncoder(ensure_ascii=False).encode
    fields = [f"  {dump(name)}: {_rows(data[name], dump)}" for name in data]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _rows(value: object, dump: Callable[[object], str]) -> str:
    if not isinstance(value, list):
        return dump(value)
    return "[\n" + ",\n".join([f"    {dump(row)}" for row in value]) + "\n  ]"


def _drawn(dot: bytes) -> bytes:
    if find_program("dot") is None:
        raise HostError("svg needs Graphviz, which is not installed", hints=["apt install graphviz"])
    return run(["dot", "-Tsvg"], stdin=dot).stdout
