"""The figures of a graph: how many chunks, how many edges, how long the longest chain."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from lithify.graph.model import SystemGraph


class Counts(Struct, frozen=True, kw_only=True):
    """What a graph comes to; the whole closure counts, whichever artifacts of it the system picks."""

    strata_listed: int
    strata: int
    """With those that only build-depends name."""
    chunks: int
    chunks_in_image: int
    bootstrap_chunks: int
    declared_edges: int
    """Entries of the chunks' build-depends, a repeated one once."""
    stratum_edges: int
    """For each chunk, every chunk of the strata that its own stratum build-depends on directly."""
    longest_chain: int
    """Chunks in the longest chain over both kinds of edges."""


def counts(graph: SystemGraph) -> Counts:
    """Return the figures of a graph; strata are counted as groups, their edges are never listed."""
    in_system = chunks_in_system(graph)
    modes = [chunk.build_mode for chunk in graph.chunks.values()]
    below = Counter(chunk.stratum_depends for chunk in graph.chunks.values())
    return Counts(
        strata_listed=len(graph.system.strata),
        strata=len(graph.strata),
        chunks=len(graph.chunks),
        chunks_in_image=len(in_system),
        bootstrap_chunks=modes.count("bootstrap"),
        declared_edges=sum(len(chunk.build_depends) for chunk in graph.chunks.values()),
        stratum_edges=sum(
            times * len({chunk for stratum in strata for chunk in graph.strata[stratum].chunks})
            for strata, times in below.items()
        ),
        longest_chain=max(_chains(graph).values(), default=0),
    )


def chunks_in_system(graph: SystemGraph) -> frozenset[str]:
    """Return the chunks that the system lists by their strata: those in bootstrap mode are not in it."""
    return frozenset(
        name
        for stratum in graph.system.strata
        for name in graph.strata[stratum].chunks
        if graph.chunks[name].build_mode != "bootstrap"
    )


def _chains(graph: SystemGraph) -> dict[str, int]:
    """Return for each chunk the length of the longest chain that ends in it."""
    lengths: dict[str, int] = {}
    of_stratum: dict[str, int] = {}
    for name, chunk in graph.chunks.items():
        for stratum in chunk.stratum_depends:
            if stratum not in of_stratum:
                of_stratum[stratum] = max(
                    (lengths[member] for member in graph.strata[stratum].chunks), default=0
                )
        below = [lengths[other] for other in chunk.build_depends]
        lengths[name] = 1 + max((*below, *(of_stratum[s] for s in chunk.stratum_depends)), default=0)
    return lengths
