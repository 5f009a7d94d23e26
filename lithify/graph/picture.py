"""A graph as data for programs (JSON) and as text for Graphviz (dot). Needs no source and no key.

The manual of the command has the JSON's form. In the picture the system is an octagon, a stratum a box in a cluster with its
chunks, a chunk an ellipse; those in bootstrap mode stand in a dashed cluster of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from lithify.graph.counts import chunks_in_system
from lithify.graph.model import Chunk, Stratum, SystemGraph

Kind = Literal["system", "stratum", "chunk"]


def graph_data(graph: SystemGraph) -> dict[str, Any]:
    """Return the whole closure of a system as ``{"system", "nodes", "edges"}``.

    A node's ``id`` is its kind and name (``chunk:zlib``). An edge's ``why`` is ``declared`` (an entry of a chunk's
    build-depends), ``stratum`` (from a chunk to each chunk of the strata that its own is built on), or ``selects`` (from the
    system to its strata, from a stratum to what can be chosen of it).
    """
    in_system = chunks_in_system(graph)
    return {
        "system": graph.system.name,
        "nodes": [
            {
                "id": node_id("system", graph.system.name),
                "kind": "system",
                "name": graph.system.name,
                "stratum": None,
                "file": graph.system.file,
                "build_mode": None,
                "in_system": True,
                "needed": True,
            },
            *(_stratum_node(graph, stratum) for stratum in graph.strata.values()),
            *(_chunk_node(graph, chunk, in_system) for chunk in graph.chunks.values()),
        ],
        "edges": [
            {"from": node_id(*start), "to": node_id(*end), "why": why}
            for why in ("declared", "stratum", "selects")
            for start, end in edges(graph, why)
        ],
    }


def node_id(kind: Kind, name: str) -> str:
    """Return the id of a node: a chunk and a stratum may have one name."""
    return f"{kind}:{name}"


def _stratum_node(graph: SystemGraph, stratum: Stratum) -> dict[str, Any]:
    return {
        "id": node_id("stratum", stratum.name),
        "kind": "stratum",
        "name": stratum.name,
        "stratum": None,
        "file": stratum.file,
        "build_mode": None,
        "in_system": stratum.name in graph.system.strata,
        "needed": any(name in graph.needed for name in stratum.chunks),
        "build_depends": list(stratum.build_depends),
    }


def _chunk_node(graph: SystemGraph, chunk: Chunk, in_system: frozenset[str]) -> dict[str, Any]:
    return {
        "id": node_id("chunk", chunk.name),
        "kind": "chunk",
        "name": chunk.name,
        "stratum": chunk.stratum,
        "file": chunk.file,
        "build_mode": chunk.build_mode,
        "in_system": chunk.name in in_system,
        "needed": chunk.name in graph.needed,
    }


_End = tuple[Kind, str]


def edges(graph: SystemGraph, why: Literal["declared", "stratum", "selects"]) -> Iterator[tuple[_End, _End]]:
    """Yield the edges of one sort, each once, as pairs of (kind, name)."""
    if why == "selects":
        for name in graph.system.strata:
            yield ("system", graph.system.name), ("stratum", name)
        for stratum in graph.strata.values():
            for name in stratum.chunks:
                if graph.chunks[name].build_mode != "bootstrap":
                    yield ("stratum", stratum.name), ("chunk", name)
        return
    for chunk in graph.chunks.values():
        below = (
            chunk.build_depends
            if why == "declared"
            else dict.fromkeys(
                name for stratum in chunk.stratum_depends for name in graph.strata[stratum].chunks
            )
        )
        for name in below:
            yield ("chunk", chunk.name), ("chunk", name)


def dot_text(graph: SystemGraph, *, all_edges: bool = False, strata_only: bool = False) -> str:
    """Return the graph in Graphviz's language.

    Edges between chunks are the declared ones, between strata those that each declares; ``all_edges`` draws each chunk's
    edges to all chunks of the strata below as well. ``strata_only`` leaves the chunks out.
    """
    lines = [
        f"digraph {_quoted(graph.system.name)} {{",
        '  graph [rankdir=LR, ranksep=1, nodesep=0.1, fontname="sans"];',
        '  node [fontname="sans", fontsize=11, height=0.25];',
        '  edge [color="#555555", arrowsize=0.6];',
        f"  {_dot_id('system', graph.system.name)} [label={_quoted(graph.system.name)}, shape=octagon];",
    ]
    for stratum in graph.strata.values():
        lines += _dot_stratum(graph, stratum, strata_only=strata_only)
    for name in graph.system.strata:
        lines.append(f"  {_dot_id('system', graph.system.name)} -> {_dot_id('stratum', name)};")
    for stratum in graph.strata.values():
        for name in stratum.build_depends:
            lines.append(
                f"  {_dot_id('stratum', stratum.name)} -> {_dot_id('stratum', name)} [style=bold, color=black];"
            )
    if not strata_only:
        lines += _dot_edges(graph, "declared", "")
        if all_edges:
            lines += _dot_edges(graph, "stratum", ' [color="#bbbbbb"]')
    return "\n".join([*lines, "}", ""])


def _dot_stratum(graph: SystemGraph, stratum: Stratum, *, strata_only: bool) -> Iterator[str]:
    """Yield a stratum's box, and around it a cluster with the chunks that are its own."""
    own = [name for name in stratum.chunks if graph.chunks[name].stratum == stratum.name]
    listed = stratum.name in graph.system.strata
    style = 'style=filled, fillcolor="#dde8f5"' if listed else 'style="filled,dashed", fillcolor="#f4f4f4"'
    count = f"{len(stratum.chunks)} chunk{'' if len(stratum.chunks) == 1 else 's'}"
    text = f"{stratum.name}\n{count}" if strata_only else stratum.name
    box = f"{_dot_id('stratum', stratum.name)} [label={_quoted(text)}, shape=box, {style}];"
    if strata_only:
        yield f"  {box}"
        return
    yield f"  subgraph {_quoted(f'cluster stratum:{stratum.name}')} {{"
    yield f'    label={_quoted(stratum.name)}; labeljust=l; fontsize=24; fontcolor="#335577"; color="#88a0c0";'
    yield f"    {box}"
    bootstrap = [name for name in own if graph.chunks[name].build_mode == "bootstrap"]
    for name in own:
        if graph.chunks[name].build_mode != "bootstrap":
            yield f"    {_dot_chunk(graph, name)}"
    if bootstrap:
        yield f"    subgraph {_quoted(f'cluster bootstrap:{stratum.name}')} {{"
        yield '      label="bootstrap"; fontsize=16; fontcolor="#777777"; style=dashed; color="#999999";'
        for name in bootstrap:
            yield f"      {_dot_chunk(graph, name)}"
        yield "    }"
    yield "  }"


def _dot_chunk(graph: SystemGraph, name: str) -> str:
    faint = "" if name in graph.needed else ', color="#aaaaaa", fontcolor="#888888"'
    return f"{_dot_id('chunk', name)} [label={_quoted(name)}, shape=ellipse{faint}];"


def _dot_edges(graph: SystemGraph, why: Literal["declared", "stratum"], style: str) -> Iterator[str]:
    for start, end in edges(graph, why):
        yield f"  {_dot_id(*start)} -> {_dot_id(*end)}{style};"


def _dot_id(kind: Kind, name: str) -> str:
    return _quoted(node_id(kind, name))


def _quoted(text: str) -> str:
    """Return a text as Graphviz takes it: a backslash in a name is no escape, a new line is one."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
