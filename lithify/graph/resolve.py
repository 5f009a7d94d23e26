"""From definitions to the graph of one system: every name resolved, every fault of the whole closure reported at once.

What is wrong with one chunk alone (a missing chunk file) leaves that chunk ``unresolved`` and stands in the graph's
``faults``, and so does an artifact that a stratum does not make: all else can be shown, and has its keys. What makes the
graph itself doubtful (a missing stratum, a cycle, two definitions of one name) raises
:class:`~lithify.errors.DefinitionErrors`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from lithify.definitions.model import StratumFile, SystemFile, place_of
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors, Fault
from lithify.graph.difference import chunk_changes
from lithify.graph.expansion import Detect, Expanded, expand
from lithify.graph.model import Chunk, Stratum, System, SystemGraph
from lithify.graph.order import Cycle, cycles, in_order
from lithify.graph.selection import Selection, needed_chunks, select
from lithify.graph.splitting import split_rules, stratum_artifacts
from lithify.graph.strata import LoadedStrata, load_strata, ring_fault


def resolve(definitions: Definitions, system: str, *, detect: Detect | None = None) -> SystemGraph:
    """Return the graph of a system, given by name or path.

    ``detect`` asks sources how chunks are built that the definitions do not tell (formats below 6); without it these are
    ``unresolved``. Raises :class:`DefinitionErrors` with all faults.
    """
    file = definitions.system(system)
    strata, faults = load_strata(definitions, file)
    if strata is None:
        raise DefinitionErrors(faults)
    listings = _expand_all(definitions, file, strata, detect)
    chunks, conflicts = _united(strata, listings)
    of_chunks = [
        fault for listing in listings.values() for one in listing.values() for fault in one.chunk.faults
    ]
    chunks, cycle_faults = _in_build_order(strata, listings, chunks)
    faults += [*conflicts, *cycle_faults]
    if definitions.format.needs_staged_chunk and all(c.build_mode == "bootstrap" for c in chunks.values()):
        faults.append(Fault(place=place_of(file), message="No non-bootstrap chunks found"))
    if any(fault.severity == "error" for fault in faults):
        raise DefinitionErrors(_each_once([*faults, *of_chunks]))
    resolved = _strata(definitions, strata, listings, chunks)
    selection, unknown = select(strata.listed, resolved, chunks)
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


_Listings = Mapping[str, Mapping[str, Expanded]]
"""Stratum → chunk → what the stratum's entry says, in the order of the files."""


def _expand_all(
    definitions: Definitions, system: SystemFile, strata: LoadedStrata, detect: Detect | None
) -> _Listings:
    arch = _arch(definitions, system)
    listings: dict[str, dict[str, Expanded]] = {}
    for name, stratum in strata.files.items():
        earlier: list[str] = []
        listings[name] = {}
        for entry in stratum.chunks:
            build_depends = tuple(dict.fromkeys(entry.build_depends or ()))
            if (
                entry.build_depends is None
                and definitions.format.omitted_build_depends == "all earlier chunks"
            ):
                build_depends = tuple(earlier)
            listings[name][entry.name] = expand(
                definitions,
                stratum,
                entry,
                arch=arch,
                build_depends=build_depends,
                stratum_depends=strata.build_depends[name],
                detect=detect,
            )
            earlier.append(entry.name)
    return listings


def _arch(definitions: Definitions, system: SystemFile) -> str:
    return definitions.format.old_architectures.get(system.arch, system.arch)


def _united(strata: LoadedStrata, listings: _Listings) -> tuple[dict[str, Chunk], list[Fault]]:
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


def _two_definitions(first: Chunk, second: Chunk, differing: Sequence[str]) -> Fault:
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


_STRATUM = "/"
"""Stands before a stratum's name among names of chunks, which hold no slash."""


def _below(strata: LoadedStrata, chunks: Mapping[str, Chunk]) -> Callable[[str], Iterable[str]]:
    """Return what gives the direct dependencies of a chunk or stratum: a stratum is built when all its chunks are."""
    relation: dict[str, tuple[str, ...]] = {
        f"{_STRATUM}{name}": tuple(entry.name for entry in stratum.chunks)
        for name, stratum in strata.files.items()
    }
    for name, chunk in chunks.items():
        relation[name] = (*(f"{_STRATUM}{other}" for other in chunk.stratum_depends), *chunk.build_depends)
    return relation.__getitem__


def _in_build_order(
    strata: LoadedStrata, listings: _Listings, chunks: Mapping[str, Chunk]
) -> tuple[dict[str, Chunk], list[Fault]]:
    """Return the chunks, each after all that it depends on; where there is no order, the cycles."""
    roots = [f"{_STRATUM}{name}" for name in strata.files]
    below = _below(strata, chunks)
    try:
        order = in_order(roots, below)
    except Cycle:
        return dict(chunks), [_cycle_fault(cycle, listings, chunks) for cycle in cycles(roots, below)]
    return {name: chunks[name] for name in order if not name.startswith(_STRATUM)}, []


def _cycle_fault(cycle: Cycle, listings: _Listings, chunks: Mapping[str, Chunk]) -> Fault:
    """Return the fault that shows a cycle among chunks, with the place of each of its steps."""
    names = [name.replace(_STRATUM, "stratum ") for name in cycle.names]
    steps = []
    for before, after in zip(cycle.names, (*cycle.names[1:], cycle.names[0]), strict=True):
        chunk = chunks[after if before.startswith(_STRATUM) else before]
        entry = listings[chunk.stratum][chunk.name].entry
        declared = entry.build_depends or ()
        path = ("build-depends", declared.index(after)) if after in declared else ("name",)
        steps.append(place_of(entry, *path))
    needs = [f"{name} needs {other}" for name, other in zip(names, (*names[1:], names[0]), strict=True)]
    return ring_fault("chunks", names, list(zip(steps, needs, strict=True)))


def _strata(
    definitions: Definitions, strata: LoadedStrata, listings: _Listings, chunks: Mapping[str, Chunk]
) -> dict[str, Stratum]:
    defaults = [(rule.artifact, rule.include) for rule in definitions.defaults.stratum_rules]
    return {
        name: _stratum(stratum, strata.build_depends[name], listings[name], chunks, defaults)
        for name, stratum in strata.files.items()
    }


def _stratum(
    stratum: StratumFile,
    build_depends: tuple[str, ...],
    listing: Mapping[str, Expanded],
    chunks: Mapping[str, Chunk],
    defaults: Sequence[tuple[str, Sequence[str]]],
) -> Stratum:
    products = [(product.artifact, product.include) for product in stratum.products]
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
        arch=_arch(definitions, file),
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
