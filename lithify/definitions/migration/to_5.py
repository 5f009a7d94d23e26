"""4 → 5: build systems strip what they installed, and extensions live in the definitions.

Formats 5 and 6 cannot say that a build system does not strip; format 7 can, in ``DEFAULTS``, which the formats before it do
not read. So the file is written here, where it is known that nothing was stripped.
"""

from __future__ import annotations

from lithify.definitions.builtin import classic
from lithify.definitions.migration.defaults_text import defaults_text
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import SystemFile, place_of
from lithify.definitions.tree import DEFAULTS


def lift(draft: Draft) -> None:
    """Keep build systems from stripping, and list the extensions that the definitions do not have."""
    if DEFAULTS not in {*draft.texts.files, *draft.texts.others}:
        draft.write(
            DEFAULTS,
            defaults_text(classic(strips=False)),
            "build systems without strip-commands, as they were; formats 5 and 6 strip and do not read this file",
        )
    _list_extensions(draft)


def _list_extensions(draft: Draft) -> None:
    told: set[str] = set()
    for system in draft.files(SystemFile):
        for index, name in enumerate(system.configuration_extensions):
            if name in told or draft.definitions.exists(f"{name}.configure"):
                continue
            told.add(name)
            draft.ask(
                place_of(system, "configuration-extensions", index),
                f'the configuration extension "{name}" came with morph, and the definitions do not have it',
                f"add a file {name}.configure",
            )
