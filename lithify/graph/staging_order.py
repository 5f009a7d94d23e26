"""Which layers a chunk is built on, and in which order: the one rule, used by staging and by keys alike.

Below are the strata that the chunk's own stratum build-depends on, whole, each on top of those that it needs itself; above
them what the chunk build-depends on in its own stratum, each on top of what *it* build-depends on. Equals stand in the order
in which the definitions list them. Chunks in bootstrap mode stay in their own stratum: nobody else is built on them.

So the order follows from the order of each one's direct dependencies alone, which is why a key needs no more than these.
Everything here is linear in chunks and declared edges, and no step recurses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lithify.graph.model import Chunk, StagedGroup, SystemGraph
from lithify.graph.order import in_order


class StagingOrder(Struct, frozen=True, kw_only=True):
    """Direct dependencies of every chunk and stratum of a graph, in layer order (lowest first)."""

    depends: Mapping[str, tuple[str, ...]]
    """Chunk → chunks that it build-depends on."""
    needs: Mapping[str, tuple[str, ...]]
    """Stratum → strata that have to be staged where it is staged."""
    members: Mapping[str, tuple[str, ...]]
    """Stratum → chunks that are staged where it is staged whole; never one in bootstrap mode."""


def staging_order(graph: SystemGraph) -> StagingOrder:
    """Return the direct dependencies of all chunks and strata, in layer order."""
    position: dict[str, int] = {}
    for stratum in graph.strata.values():
        for name in stratum.chunks:
            position.setdefault(name, len(position))
    depends = {
        name: tuple(sorted(chunk.build_depends, key=position.__getitem__))
        for name, chunk in graph.chunks.items()
    }
    needs: dict[str, tuple[str, ...]] = {}
    members: dict[str, tuple[str, ...]] = {}
    for stratum in graph.strata.values():
        reached = list(_with_borrowed(graph.chunks, depends, stratum.chunks))
        members[stratum.name] = tuple(
            name for name in reached if graph.chunks[name].build_mode != "bootstrap"
        )
        of_chunks = (other for name in reached for other in graph.chunks[name].stratum_depends)
        needs[stratum.name] = tuple(dict.fromkeys((*stratum.build_depends, *of_chunks)))
    return StagingOrder(depends=depends, needs=needs, members=members)


def _with_borrowed(
    chunks: Mapping[str, Chunk], depends: Mapping[str, tuple[str, ...]], listed: Sequence[str]
) -> Iterator[str]:
    """Yield a stratum's chunks, each preceded by what it needs of other strata that list it too.

    Only a chunk that several strata list can need a chunk of another stratum.
    """
    own = set(listed)
    seen: set[str] = set()
    for name in listed:
        if own.issuperset(depends[name]):
            yield name
            continue
        for other in in_order((name,), depends.__getitem__):
            if other == name or (other not in own and other not in seen):
                seen.add(other)
                yield other


def staged(graph: SystemGraph, name: str, order: StagingOrder | None = None) -> tuple[StagedGroup, ...]:
    """Return everything that the chunk ``name`` is built on, lowest layer first; each chunk once, no group empty.

    ``order`` spares the making of it where many chunks are asked about.
    """
    order = order or staging_order(graph)
    own = in_order(order.depends[name], order.depends.__getitem__)
    direct = (stratum for chunk in (*own, name) for stratum in graph.chunks[chunk].stratum_depends)
    strata = in_order(dict.fromkeys(direct), order.needs.__getitem__)
    groups: list[StagedGroup] = []
    seen: set[str] = set()
    for stratum, chunks in (
        *((other, order.members[other]) for other in strata),
        (graph.chunks[name].stratum, own),
    ):
        fresh = tuple(chunk for chunk in chunks if chunk not in seen)
        seen.update(fresh)
        if fresh:
            groups.append(StagedGroup(stratum=stratum, chunks=fresh))
    return tuple(groups)


def prefixes_below(graph: SystemGraph, name: str, order: StagingOrder) -> tuple[str, ...]:
    """Return the prefixes of the chunks that a chunk build-depends on, in layer order, each once: for its PATH.

    As morph had it: those of its own stratum that the entry lists, not what these or other strata bring along.
    """
    return tuple(dict.fromkeys(graph.chunks[other].prefix for other in order.depends[name]))
