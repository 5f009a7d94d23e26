"""Every fault of a whole tree: of its files, of what they name, and of what its strata and systems come to together.

No system is resolved for it: each stratum's chunks are expanded once, and a system is looked at only where its strata meet,
in chunks that two of them list and in the artifacts that it selects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lithify.definitions import validation
from lithify.definitions.links import referenced_stratum
from lithify.definitions.model import StratumFile, SystemFile, place_of
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors, Fault
from lithify.graph.build_order import in_build_order
from lithify.graph.listing import Listing, Listings, list_chunks
from lithify.graph.model import Chunk, Stratum
from lithify.graph.resolve import make_stratum
from lithify.graph.selection import unknown_artifacts
from lithify.graph.strata import faults_below, load_strata
from lithify.graph.union import unite

_ANY_ARCHITECTURE = "x86_64"
"""No fault that is looked for here depends on it."""


def faults_of(definitions: Definitions) -> tuple[Fault, ...]:
    """Return all faults of a tree, errors and warnings, each once, sorted by place."""
    faults = dict.fromkeys(validation.faults_of(definitions))
    try:
        faults.update(dict.fromkeys(_Validation(definitions).faults()))
    except DefinitionErrors as error:  # DEFAULTS is broken: nothing can be expanded
        faults.update(dict.fromkeys(error.faults))
    return tuple(sorted(faults, key=lambda fault: (fault.place, fault.message)))


class _Validation:
    """One pass over a tree; what was expanded of a stratum is kept."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._listings: dict[str, Listing] = {}

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong with strata and systems; some of it more than once."""
        loaded = [self._definitions.loaded(name) for name in self._definitions.all_files()]
        files = [one.file for one in loaded if one is not None]
        for file in files:
            if isinstance(file, StratumFile):
                yield from self._of_stratum(file)
        for file in files:
            if isinstance(file, SystemFile):
                yield from self._of_system(file)

    def _listing(self, stratum: StratumFile) -> Listing:
        path = place_of(stratum).file
        if path not in self._listings:
            below = (
                referenced_stratum(self._definitions, reference, stratum)[0]
                for reference in stratum.build_depends or ()
            )
            self._listings[path] = list_chunks(
                self._definitions,
                stratum,
                arch=_ANY_ARCHITECTURE,
                stratum_depends=tuple(one.name for one in below if one is not None),
            )
        return self._listings[path]

    def _of_stratum(self, stratum: StratumFile) -> Iterator[Fault]:
        yield from faults_below(self._definitions, stratum)
        listing = self._listing(stratum)
        for one in listing.values():
            yield from one.chunk.faults
        known = all(name in listing for one in listing.values() for name in one.chunk.build_depends)
        if known:
            chunks = {name: one.chunk for name, one in listing.items()}
            yield from in_build_order({stratum.name: listing}, chunks)[1]

    def _of_system(self, system: SystemFile) -> Iterator[Fault]:
        strata, faults = load_strata(self._definitions, system)
        yield from faults
        if strata is None:
            return
        entries = Counter(entry.name for stratum in strata.files.values() for entry in stratum.chunks)
        twice = {name for name, times in entries.items() if times > 1}
        if twice:
            listings = {
                name: {chunk: one for chunk, one in self._listing(stratum).items() if chunk in twice}
                for name, stratum in strata.files.items()
            }
            united, conflicts = unite(strata, listings)
            yield from conflicts
            if not conflicts and any(_is_joint(chunk, listings) for chunk in united.values()):
                whole = {name: self._listing(stratum) for name, stratum in strata.files.items()}
                yield from in_build_order(whole, unite(strata, whole)[0])[1]
        if self._definitions.format.needs_staged_chunk and all(
            entry.build_mode == "bootstrap" for stratum in strata.files.values() for entry in stratum.chunks
        ):
            yield Fault(place=place_of(system), message="No non-bootstrap chunks found")
        for selection, name in strata.listed:
            if selection.artifacts is not None:
                yield from unknown_artifacts(selection, self._stratum(strata.files[name]))

    def _stratum(self, file: StratumFile) -> Stratum:
        listing = self._listing(file)
        return make_stratum(
            self._definitions, file, (), listing, {name: one.chunk for name, one in listing.items()}
        )


def _is_joint(chunk: Chunk, listings: Listings) -> bool:
    """Whether a chunk is built on what several strata give it: only so can strata that are sound alone make a cycle."""
    return all(
        chunk.name not in listing or listing[chunk.name].chunk is not chunk for listing in listings.values()
    )
