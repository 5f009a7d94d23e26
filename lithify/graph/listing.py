"""What each stratum of a system says of its chunks."""

from __future__ import annotations

from collections.abc import Mapping

from lithify.definitions.model import StratumFile, SystemFile
from lithify.definitions.tree import Definitions
from lithify.graph.expansion import Detect, Expanded, expand

Listing = Mapping[str, Expanded]
"""Chunk → what the stratum's entry says, in the order of the file."""
Listings = Mapping[str, Listing]
"""Stratum → its listing; each stratum after all that it build-depends on."""


def list_chunks(
    definitions: Definitions,
    stratum: StratumFile,
    *,
    arch: str,
    stratum_depends: tuple[str, ...],
    detect: Detect | None = None,
) -> Listing:
    """Return the chunks of a stratum for an architecture, as its entries mean them."""
    listing: dict[str, Expanded] = {}
    earlier_count = definitions.format.omitted_build_depends == "all earlier chunks"
    for entry in stratum.chunks:
        build_depends = tuple(dict.fromkeys(entry.build_depends or ()))
        if entry.build_depends is None and earlier_count:
            build_depends = tuple(listing)
        listing[entry.name] = expand(
            definitions,
            stratum,
            entry,
            arch=arch,
            build_depends=build_depends,
            stratum_depends=stratum_depends,
            detect=detect,
        )
    return listing


def arch_of(definitions: Definitions, system: SystemFile) -> str:
    """Return the architecture that a system's ``arch`` means in the tree's format."""
    return definitions.format.old_architectures.get(system.arch, system.arch)
