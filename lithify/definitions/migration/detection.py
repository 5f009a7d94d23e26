"""Build systems that were found by looking into the source, once no program looks any more: the build itself looks.

The commands branch on the same files in the same order as formats 0 to 5 did, so each chunk is built as it was.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from lithify.definitions.builtin import SIGNS, Commands

DETECT = "detect"
"""The name of the build system that looks."""


def detecting(build_systems: Mapping[str, Commands], *, strips: bool) -> Commands:
    """Return a build system that does in each step what the one does that the source's files tell of."""
    commands: dict[str, tuple[str | bytes, ...]] = {
        step: (_branches(build_systems, step),) for step in ("configure", "build", "install")
    }
    commands["strip"] = build_systems[SIGNS[0][0]]["strip"] if strips else ()
    return commands


def _branches(build_systems: Mapping[str, Commands], step: str) -> str:
    """Return a command that runs a step's commands of one of the build systems, each apart as if it were alone."""
    lines = ['has() { for file; do if [ -e "$file" ]; then return 0; fi; done; return 1; }']
    for word, (name, signs) in zip(("if", *["elif"] * len(SIGNS)), SIGNS, strict=False):
        own = [str(command) for command in build_systems[name].get(step, ())]
        body = "\n".join(f"( {command} )" for command in own) or ":"
        lines += [f"{word} has {' '.join(signs)}; then # {name}", textwrap.indent(body, "    ")]
    return "\n".join([*lines, "fi", ""])
