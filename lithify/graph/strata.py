"""The strata of a system: those that it lists and those that these build-depend on, loaded, checked and put in order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from msgspec import Struct

from lithify.definitions.links import referenced_stratum, selected_stratum
from lithify.definitions.model import StratumFile, StratumReference, StratumSelection, SystemFile, place_of
from lithify.definitions.tree import Definitions
from lithify.errors import Fault, Place
from lithify.graph.order import cycles, in_order


class LoadedStrata(Struct, frozen=True, kw_only=True):
    """The strata files of a system, by the stratum's name."""

    files: Mapping[str, StratumFile]
    """Each after all that it build-depends on."""
    build_depends: Mapping[str, tuple[str, ...]]
    """Stratum → strata, as declared, each once."""
    listed: tuple[tuple[StratumSelection, str], ...]
    """What the system lists, with the stratum's name, in order."""


def load_strata(definitions: Definitions, system: SystemFile) -> tuple[LoadedStrata | None, list[Fault]]:
    """Return the strata of a system, or None and what is wrong with them."""
    found = _Found(definitions)
    listed: list[tuple[StratumSelection, str]] = []
    for selection in system.strata:
        name = found.take(selected_stratum(definitions, selection), selection)
        if name is not None:
            listed.append((selection, name))
    found.follow()
    if any(fault.severity == "error" for fault in found.faults):
        return None, found.faults
    order = in_order([name for _, name in listed], found.references.__getitem__)
    return LoadedStrata(
        files={name: found.files[name] for name in order},
        build_depends={name: tuple(found.references[name]) for name in order},
        listed=tuple(listed),
    ), found.faults


def faults_below(definitions: Definitions, stratum: StratumFile) -> list[Fault]:
    """Return what is wrong with the strata that a stratum build-depends on, cycles among them."""
    found = _Found(definitions)
    found.add(stratum)
    found.follow()
    return found.faults


class _Found:
    """The strata that were come to so far, by name, and what is wrong with them."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._todo: list[StratumFile] = []
        self.files: dict[str, StratumFile] = {}
        self.references: dict[str, dict[str, StratumReference]] = {}
        """Stratum → stratum that it build-depends on → where it says so first."""
        self.faults: list[Fault] = []

    def add(self, stratum: StratumFile) -> None:
        self.files[stratum.name] = stratum
        self.references[stratum.name] = {}
        self._todo.append(stratum)

    def take(
        self, found: tuple[StratumFile | None, tuple[Fault, ...]], by: StratumSelection | StratumReference
    ) -> str | None:
        """Note a stratum that something names, and return its name."""
        stratum, faults = found
        self.faults.extend(faults)
        if stratum is None:
            return None
        known = self.files.get(stratum.name)
        if known is None:
            self.add(stratum)
        elif known is not stratum:
            self.faults.append(_two_of_one_name(known, stratum, by))
        return stratum.name

    def follow(self) -> None:
        """Take all that is below what was taken, and look for cycles."""
        while self._todo:
            stratum = self._todo.pop()
            for reference in stratum.build_depends or ():
                name = self.take(referenced_stratum(self._definitions, reference, stratum), reference)
                if name is not None:
                    self.references[stratum.name].setdefault(name, reference)
        self.faults += _cycle_faults(self.references)


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
        steps = {
            before: (place_of(references[before][after], "morph"), f"{before} build-depends on {after}")
            for before, after in pairwise((*cycle.names, cycle.names[0]))
        }
        faults.append(ring_fault("strata", steps))
    return faults


def ring_fault(what: str, steps: Mapping[str, tuple[Place, str]]) -> Fault:
    """Return the fault that shows a cycle; ``steps``: each name of it in order, with the place of the next step.

    Wherever the cycle was come upon, it is shown from the first of its names.
    """
    names = list(steps)
    first = names.index(min(names))
    ring = [*names[first:], *names[:first]]
    shown = " → ".join((*ring, ring[0]))
    return Fault(
        place=steps[ring[0]][0],
        message=f"{what} depend on each other: {shown}" if len(ring) > 1 else f"{ring[0]} depends on itself",
        hint="one of these dependencies has to go",
        related=tuple(steps[name] for name in ring),
    )
