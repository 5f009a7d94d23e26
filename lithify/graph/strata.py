"""The strata of a system: those that it lists and those that these build-depend on, loaded, checked and put in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lithify.definitions.links import referenced_stratum, selected_stratum
from lithify.definitions.model import StratumFile, StratumReference, StratumSelection, SystemFile, place_of
from lithify.definitions.tree import Definitions
from lithify.errors import Fault, Place
from lithify.graph.order import cycles, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStrata:
    """The strata files of a system, by the stratum's name."""

    files: Mapping[str, StratumFile]
    """Each after all that it build-depends on."""
    build_depends: Mapping[str, tuple[str, ...]]
    """Stratum → strata, as declared, each once."""
    listed: tuple[tuple[StratumSelection, str], ...]
    """What the system lists, with the stratum's name, in order."""


def load_strata(definitions: Definitions, system: SystemFile) -> tuple[LoadedStrata | None, list[Fault]]:
    """Return the strata of a system, or None and what is wrong with them."""
    faults: list[Fault] = []
    files: dict[str, StratumFile] = {}
    references: dict[str, dict[str, StratumReference]] = {}
    listed: list[tuple[StratumSelection, str]] = []
    todo: list[StratumFile] = []

    def take(
        found: tuple[StratumFile | None, tuple[Fault, ...]], by: StratumSelection | StratumReference
    ) -> str | None:
        """Note a stratum that something names, and return its name."""
        stratum, own_faults = found
        faults.extend(own_faults)
        if stratum is None:
            return None
        known = files.setdefault(stratum.name, stratum)
        if known is stratum:
            if stratum.name not in references:
                references[stratum.name] = {}
                todo.append(stratum)
        else:
            faults.append(_two_of_one_name(known, stratum, by))
        return stratum.name

    for selection in system.strata:
        name = take(selected_stratum(definitions, selection), selection)
        if name is not None:
            listed.append((selection, name))
    while todo:
        stratum = todo.pop()
        for reference in stratum.build_depends or ():
            name = take(referenced_stratum(definitions, reference, stratum), reference)
            if name is not None:
                references[stratum.name].setdefault(name, reference)
    faults += _cycle_faults(references)
    if any(fault.severity == "error" for fault in faults):
        return None, faults
    order = in_order([name for _, name in listed], references.__getitem__)
    return LoadedStrata(
        files={name: files[name] for name in order},
        build_depends={name: tuple(references[name]) for name in order},
        listed=tuple(listed),
    ), faults


def _two_of_one_name(
    first: StratumFile, second: StratumFile, by: StratumSelection | StratumReference
) -> Fault:
    return Fault(
        place=place_of(by, "morph"),
        message=f'two strata of one system have the name "{second.name}"',
        hint="give one of them another name",
        related=((place_of(first, "name"), "the first one"), (place_of(second, "name"), "the second one")),
    )


def _cycle_faults(references: Mapping[str, Mapping[str, StratumReference]]) -> list[Fault]:
    faults = []
    for cycle in cycles(list(references), references.__getitem__):
        ring = (*cycle.names, cycle.names[0])
        steps = [
            (place_of(references[before][after], "morph"), f"{before} build-depends on {after}")
            for before, after in pairwise(ring)
        ]
        faults.append(ring_fault("strata", cycle.names, steps))
    return faults


def ring_fault(what: str, names: Sequence[str], steps: Sequence[tuple[Place, str]]) -> Fault:
    """Return the fault that shows a cycle, with the place of each of its steps."""
    shown = " → ".join((*names, names[0]))
    return Fault(
        place=steps[0][0],
        message=f"{what} depend on each other: {shown}"
        if len(names) > 1
        else f"{names[0]} depends on itself",
        hint="one of these dependencies has to go",
        related=tuple(steps),
    )
