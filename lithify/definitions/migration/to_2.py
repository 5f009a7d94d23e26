"""1 → 2: a chunk file that ``morph:`` names is in the definitions, not in the chunk's own repository."""

from __future__ import annotations

from lithify.definitions.links import file_name
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import StratumFile, place_of


def lift(draft: Draft) -> None:
    """List the chunk files that only the chunks' repositories have; nothing can be changed without these."""
    for stratum in draft.files(StratumFile):
        for entry in stratum.chunks:
            if entry.morph is not None and draft.definitions.loaded(file_name(entry.morph)) is None:
                draft.ask(
                    place_of(entry, "morph"),
                    f'chunk "{entry.name}": its file "{entry.morph}" is in its own repository, {entry.repo}',
                    "copy it from there into the definitions",
                )
