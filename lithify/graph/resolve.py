"""From definitions to the graph of one system: every name resolved, every fault of the whole closure reported at once.

What is wrong with one chunk alone (a missing chunk file) leaves that chunk ``unresolved`` and stands in the graph's
``faults``, and so does an artifact that a stratum does not make: all else can be shown, and has its keys. What makes the
graph itself doubtful (a missing stratum, a cycle, two definitions of one name) raises
:class:`~lithify.errors.DefinitionErrors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec.structs import replace

from lithify.definitions.model import StratumFile, SystemFile, place_of
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors, Fault
from lithify.graph.build_order import in_build_order
from lithify.graph.expansion import Detect
from lithify.graph.listing import Listing, arch_of, list_chunks
from lithify.graph.model import Chunk, Stratum, System, SystemGraph
from lithify.graph.selection import Selection, needed_chunks, select, unknown_artifacts
from lithify.graph.splitting import split_rules, stratum_artifacts
from lithify.graph.strata import LoadedStrata, load_strata
from lithify.graph.union import unite


def resolve(definitions: Definitions, system: str, *, detect: Detect | None = None) -> SystemGraph:
    """Return the graph of a system, given by name or path.

    ``detect`` asks sources how chunks are built that the definitions do not tell (formats below 6); without it these are
    ``unresolved``. Raises :class:`DefinitionErrors` with all faults.
    """
    file = definitions.system(system)
    strata, faults = load_strata(definitions, file)
    if strata is None:
        raise DefinitionErrors(faults)
    listings = {
        name: list_chunks(
            definitions,
            stratum,
            arch=arch_of(definitions, file),
            stratum_depends=strata.build_depends[name],
            detect=detect,
        )
        for name, stratum in strata.files.items()
    }
    chunks, conflicts = unite(strata, listings)
    of_chunks = [
        fault for listing in listings.values() for one in listing.values() for fault in one.chunk.faults
    ]
    chunks, cycle_faults = in_build_order(listings, chunks)
    faults += [*conflicts, *cycle_faults]
    if definitions.format.needs_staged_chunk and all(c.build_mode == "bootstrap" for c in chunks.values()):
        faults.append(Fault(place=place_of(file), message="No non-bootstrap chunks found"))
    if any(fault.severity == "error" for fault in faults):
        raise DefinitionErrors(_each_once([*faults, *of_chunks]))
    resolved = {
        name: make_stratum(definitions, stratum, strata.build_depends[name], listings[name], chunks)
        for name, stratum in strata.files.items()
    }
    selection = select(strata.listed, resolved, chunks)
    unknown = [fault for one, name in strata.listed for fault in unknown_artifacts(one, resolved[name])]
    graph = SystemGraph(
        format=definitions.format.number,
        system=_system(definitions, file, strata, selection),
        strata=resolved,
        chunks=chunks,
        needed=frozenset(),
        faults=_each_once([*faults, *of_chunks, *unknown]),
    )
    return replace(graph, needed=needed_chunks(graph))


def require_sound(graph: SystemGraph) -> None:
    """Raise :class:`DefinitionErrors` where something is wrong with the system or a chunk that it needs.

    Queries show a graph with its ``faults``; a build begins with this.
    """
    of_others = {
        fault for name, chunk in graph.chunks.items() if name not in graph.needed for fault in chunk.faults
    }
    faults = [fault for fault in graph.faults if fault not in of_others]
    if any(fault.severity == "error" for fault in faults):
        raise DefinitionErrors(faults)


def _each_once(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.place))


def make_stratum(
    definitions: Definitions,
    stratum: StratumFile,
    build_depends: tuple[str, ...],
    listing: Listing,
    chunks: Mapping[str, Chunk],
) -> Stratum:
    """Return a stratum with its artifacts; ``chunks`` holds at least those of ``listing``."""
    products = [(product.artifact, product.include) for product in stratum.products]
    defaults = [(rule.artifact, rule.include) for rule in definitions.defaults.stratum_rules]
    return Stratum(
        name=stratum.name,
        file=place_of(stratum).file,
        place=place_of(stratum, "name"),
        build_depends=build_depends,
        chunks=tuple(listing),
        artifacts=stratum_artifacts(
            [(name, chunks[name].artifacts) for name in listing if chunks[name].build_mode != "bootstrap"],
            {(name, part): target for name, one in listing.items() for part, target in one.assigned},
            split_rules(stratum.name, products, defaults),
        ),
        description=stratum.description,
    )


def _system(definitions: Definitions, file: SystemFile, strata: LoadedStrata, selection: Selection) -> System:
    return System(
        name=file.name,
        file=place_of(file).file,
        place=place_of(file, "name"),
        arch=arch_of(definitions, file),
        selected=selection.selected,
        strata=tuple(dict.fromkeys(name for _, name in strata.listed)),
        stratum_artifacts=selection.stratum_artifacts,
        overlaps=_overlaps(file),
        os_release=tuple(sorted(file.os_release.items())),
        classic_os_release=file.classic_os_release,
        configuration_extensions=file.configuration_extensions,
        description=file.description,
    )


def _overlaps(file: SystemFile) -> tuple[tuple[str, Literal["warn", "refuse", "allow"]], ...]:
    """Return what overlaps mean, the most exact pattern first, since the order of a mapping means nothing."""

    def wildness(item: tuple[str, object]) -> tuple[int, str]:
        return -len(re.sub(r"[*?]", "", item[0])), item[0]

    given = dict(file.overlaps)
    return tuple(sorted({"**": "warn", **given}.items(), key=wildness))
