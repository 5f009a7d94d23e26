"""8 → 9: strict reading, a lock file, systems without morph's own files, and built-in build systems and split rules."""

from __future__ import annotations

import re

from lithify.definitions.migration.draft import Draft
from lithify.definitions.migration.integration import set_integration_aside
from lithify.definitions.migration.numbers import write_numbers
from lithify.definitions.migration.own_defaults import keep_defaults
from lithify.definitions.model import StratumFile, SystemFile, place_of

_COMMIT = re.compile("[0-9a-f]{40}")


def lift(draft: Draft) -> None:
    """Say in words what the format before did without being told, and take away what it read over."""
    keep_defaults(draft)
    set_integration_aside(draft)
    write_numbers(draft)
    for system in draft.files(SystemFile):
        if system.origin is not None:
            message = "the system says that it has morph's os-release"
            with draft.edit(place_of(system, "name"), message) as text:
                text.add(system.origin, "classic-os-release", "yes")
    for stratum in draft.files(StratumFile):
        for entry in stratum.chunks:
            if entry.ref is not None and not _COMMIT.fullmatch(entry.ref):
                draft.ask(
                    place_of(entry, "ref"),
                    f'chunk "{entry.name}": its ref "{entry.ref}" is no commit, and not pinned yet',
                    "`lithify lock` asks what it means now, and pins that in lithify.lock",
                )
