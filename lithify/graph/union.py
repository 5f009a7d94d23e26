"""Chunks that several strata list: one chunk where they agree, a fault where they do not."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lithify.errors import Fault
from lithify.graph.difference import chunk_changes
from lithify.graph.listing import Listings
from lithify.graph.model import Chunk
from lithify.graph.order import in_order
from lithify.graph.strata import LoadedStrata


def unite(strata: LoadedStrata, listings: Listings) -> tuple[dict[str, Chunk], list[Fault]]:
    """Return one chunk for each name.

    Strata that list a chunk with equal definitions share it: it is built once, on all that these strata give it. Where a
    stratum is itself built on another that lists the chunk, its entry adds nothing: the chunk is there already.
    """
    chunks: dict[str, Chunk] = {}
    listed_by: dict[str, list[str]] = {}
    faults: list[Fault] = []
    for stratum, listing in listings.items():
        for name, one in listing.items():
            first = chunks.setdefault(name, one.chunk)
            earlier = listed_by.setdefault(name, [])
            if first is not one.chunk:
                differing = _differing(first, one.chunk)
                if differing:
                    faults.append(_two_definitions(first, one.chunk, differing))
                elif not set(earlier) & _with_all_below(strata, stratum):
                    chunks[name] = _on_both(first, one.chunk)
            earlier.append(stratum)
    return chunks, faults


def _with_all_below(strata: LoadedStrata, stratum: str) -> set[str]:
    return set(in_order([stratum], strata.build_depends.__getitem__))


def _differing(first: Chunk, second: Chunk) -> list[str]:
    """Return the fields in which two definitions of a chunk differ; where it stands and what it is built on is none."""
    found = [change.what for change in chunk_changes(first, second)]
    if first.unresolved != second.unresolved:
        found.append("morph")
    return [what for what in found if what not in ("stratum", "build-depends")]


def _two_definitions(one: Chunk, other: Chunk, differing: Sequence[str]) -> Fault:
    """Return the fault; the same whichever of the two a system comes to first."""
    first, second = sorted((one, other), key=lambda chunk: chunk.place)
    return Fault(
        place=second.place,
        message=f'chunk "{second.name}" is defined differently in the strata {first.stratum} and {second.stratum}',
        hint=f"they differ in {', '.join(differing)}; give one of them another name, or make them equal",
        related=((first.place, "the other definition"),),
    )


def _on_both(first: Chunk, second: Chunk) -> Chunk:
    return replace(
        first,
        build_depends=tuple(dict.fromkeys((*first.build_depends, *second.build_depends))),
        stratum_depends=tuple(dict.fromkeys((*first.stratum_depends, *second.stratum_depends))),
    )
