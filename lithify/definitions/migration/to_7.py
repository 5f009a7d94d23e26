"""6 → 7: build systems and split rules stand in ``DEFAULTS``, and old names of architectures are gone."""

from __future__ import annotations

from lithify.definitions.builtin import classic
from lithify.definitions.formats import FORMATS
from lithify.definitions.migration.defaults_text import MADE, defaults_text, with_build_system
from lithify.definitions.migration.detection import DETECT, detecting
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import ChunkFile, StratumFile, SystemFile, place_of
from lithify.definitions.tree import DEFAULTS
from lithify.errors import Place

_COMMENT = (
    "For chunks whose source morph looked into; once you know what a chunk has, say that in place of this."
)


def lift(draft: Draft) -> None:
    """Write ``DEFAULTS``, and today's names of architectures."""
    _defaults(draft)
    _dummy(draft)
    old_names = FORMATS[6].old_architectures
    for system in draft.files(SystemFile):
        name = "" if system.origin is None else str(system.origin["arch"])
        if system.origin is not None and name in old_names:
            with draft.edit(place_of(system, "arch"), f"arch {name} is called {old_names[name]}") as text:
                text.replace(system.origin.marks["arch"][1], old_names[name])


def _defaults(draft: Draft) -> None:
    before = draft.texts.files.get(DEFAULTS)
    if before is not None and not before.startswith(MADE):
        draft.ask(
            Place(DEFAULTS),
            "this file was not read before, and is from now on",
            "compare it with what `lithify migrate` writes where there is no such file",
        )
        return
    strips = before is None  # else the step to format 5 made it, without strip-commands
    built_in = classic(strips=strips)
    text = defaults_text(built_in) if before is None else before
    if _uses_detection(draft):
        commands = detecting(built_in.build_systems, strips=strips)
        text = with_build_system(text, DETECT, commands, _COMMENT)
    if text != before:
        draft.write(DEFAULTS, text, "the build systems and split rules that were part of morph")


def _uses_detection(draft: Draft) -> bool:
    return any(
        entry.build_system == DETECT for stratum in draft.files(StratumFile) for entry in stratum.chunks
    )


def _dummy(draft: Draft) -> None:
    """Give chunks the test step that the build system "dummy" had: ``DEFAULTS`` has no test steps."""
    for chunk in draft.files(ChunkFile):
        origin = chunk.origin
        if chunk.build_system == "dummy" and "test" not in chunk.commands and origin is not None:
            message = 'the test step of build system "dummy" stands in the chunk'
            with draft.edit(place_of(chunk, "build-system"), message) as text:
                text.add(origin, "test-commands", ("echo dummy test",))
