"""5 → 6: a chunk entry says its build system or names its file; morph no longer looks into the source to find out."""

from __future__ import annotations

from lithify.definitions.checks import is_inline
from lithify.definitions.links import file_name
from lithify.definitions.migration.detection import DETECT
from lithify.definitions.migration.document import scalar
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import ChunkEntry, StratumFile, place_of


def lift(draft: Draft) -> None:
    """Name the file that was found by the chunk's name; else a build system that looks at the files when it builds."""
    for stratum in draft.files(StratumFile):
        for entry in stratum.chunks:
            if entry.morph is None and not is_inline(entry):
                _say_how_built(draft, entry)
            elif entry.build_system == DETECT:  # left by a run that was cut off
                _ask(draft, entry)


def _say_how_built(draft: Draft, entry: ChunkEntry) -> None:
    path = file_name(f"{entry.name}.morph")
    origin = entry.origin
    assert origin is not None, "it was read from a file"
    if draft.definitions.loaded(path) is not None:
        with draft.edit(place_of(entry), f'chunk "{entry.name}" names its file {path}') as text:
            text.add(origin, "morph", scalar(path))
        return
    with draft.edit(place_of(entry), f'chunk "{entry.name}" gets build-system: {DETECT}') as text:
        text.add(origin, "build-system", DETECT)
    _ask(draft, entry)


def _ask(draft: Draft, entry: ChunkEntry) -> None:
    draft.ask(
        place_of(entry),
        f'chunk "{entry.name}": its build system is found when it is built, by looking at the files of {entry.repo}',
        "say which it is, once the source is at hand; formats 0 and 1 also took a file "
        f"{entry.name}.morph from there, which belongs into the definitions",
    )
