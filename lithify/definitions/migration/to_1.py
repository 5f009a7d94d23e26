"""0 → 1: a chunk entry without ``build-depends`` depended on all earlier chunks of its stratum; now it depends on none."""

from __future__ import annotations

from lithify.definitions.migration.document import scalar
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import StratumFile, place_of


def lift(draft: Draft) -> None:
    """Name the earlier chunks in each entry that left them out."""
    for stratum in draft.files(StratumFile):
        earlier: list[str] = []
        for entry in stratum.chunks:
            origin = entry.origin
            if entry.build_depends is None and earlier and origin is not None:
                names = tuple(scalar(name) for name in dict.fromkeys(earlier))
                message = f'chunk "{entry.name}" says that it build-depends on the chunks before it'
                with draft.edit(place_of(entry), message) as text:
                    text.add(origin, "build-depends", names)
            earlier.append(entry.name)
