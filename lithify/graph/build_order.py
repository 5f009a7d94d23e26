"""The order in which chunks can be built, and the cycles where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from lithify.definitions.model import place_of
from lithify.errors import Fault
from lithify.graph.listing import Listings
from lithify.graph.model import Chunk
from lithify.graph.order import Cycle, cycles, in_order
from lithify.graph.strata import ring_fault

_STRATUM = "/"
"""Stands before a stratum's name among names of chunks, which hold no slash."""


def _below(listings: Listings, chunks: Mapping[str, Chunk]) -> Callable[[str], Iterable[str]]:
    """Return what gives the direct dependencies of a chunk or stratum: a stratum is built when all its chunks are.

    Strata that are not listed are taken for built.
    """
    relation: dict[str, tuple[str, ...]] = {
        f"{_STRATUM}{name}": tuple(listing) for name, listing in listings.items()
    }
    for name, chunk in chunks.items():
        strata = (f"{_STRATUM}{other}" for other in chunk.stratum_depends if other in listings)
        relation[name] = (*strata, *chunk.build_depends)
    return relation.__getitem__


def in_build_order(listings: Listings, chunks: Mapping[str, Chunk]) -> tuple[dict[str, Chunk], list[Fault]]:
    """Return the chunks, each after all that it depends on; where there is no order, the cycles."""
    roots = [f"{_STRATUM}{name}" for name in listings]
    below = _below(listings, chunks)
    try:
        order = in_order(roots, below)
    except Cycle:
        return dict(chunks), [_cycle_fault(cycle, listings, chunks) for cycle in cycles(roots, below)]
    return {name: chunks[name] for name in order if not name.startswith(_STRATUM)}, []


def _cycle_fault(cycle: Cycle, listings: Listings, chunks: Mapping[str, Chunk]) -> Fault:
    """Return the fault that shows a cycle among chunks, with the place of each of its steps."""
    steps = {}
    for before, after in pairwise((*cycle.names, cycle.names[0])):
        chunk = chunks[after if before.startswith(_STRATUM) else before]
        entry = listings[chunk.stratum][chunk.name].entry
        declared = entry.build_depends or ()
        path = ("build-depends", declared.index(after)) if after in declared else ("name",)
        text = f"{_shown(before)} needs {_shown(after)}"
        steps[_shown(before)] = (place_of(entry, *path), text)
    return ring_fault("chunks", steps)


def _shown(name: str) -> str:
    return name.replace(_STRATUM, "stratum ")
