"""Whether a build of a workspace goes on where the last one ended, or begins from nothing. Pure.

It goes on only where what is there already is what it would make again: same commands, environment and dependencies, the last
build not cut off, and no file changed that was read when it was configured. Everything else begins from nothing, so that a
build that goes on is no other than one from nothing, as far as the project's own build rules are right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from lithify.graph.canonical import digest
from lithify.graph.model import STEPS, Chunk

CONFIGURE_STEPS = frozenset(
    step for step in STEPS if step.removeprefix("pre-").removeprefix("post-") == "configure"
)
"""Steps that are left out where a build goes on."""
_SET_UP = tuple(STEPS[: STEPS.index("post-build") + 1])
"""Steps whose commands decide what the build folder holds; later ones only take out of it."""
_OF_THE_RESULT = frozenset(
    {"format", "kind", "tree", "commits", "split-rules", "integration", "devices", "workspaces"}
)
"""Inputs of a build key that say nothing of how the build folder is made, or that are compared file by file."""
_CONFIGURED_BY = (
    "configure",
    "configure.ac",
    "configure.in",
    "acinclude.m4",
    "aclocal.m4",
    "autogen.sh",
    "bootstrap",
)
_RERUN_THEMSELVES = frozenset({"cmake", "meson"})
"""Build systems whose own build rules configure again when a file changes that they have read."""


class SourceFile(Struct, frozen=True, kw_only=True):
    """A file, folder or link of the workspace, as it was when it was looked at."""

    kind: str
    """``f``, ``d`` or ``l``."""
    mode: int
    """Permissions as a plain source tree has them."""
    content: str
    """SHA-256 of a file, target of a link, empty for a folder."""
    status: tuple[int, ...] = ()
    """Size, times and inode: where they are the same, the content is."""

    def is_same(self, other: SourceFile | None) -> bool:
        """Return whether two are the same for a build."""
        return other is not None and (self.kind, self.mode, self.content) == (
            other.kind,
            other.mode,
            other.content,
        )


class Kept(Struct, frozen=True, kw_only=True):
    """What is known of a kept build folder."""

    set_up: str
    """See :func:`set_up_digest`."""
    configured: bool
    """The configure steps have ended well."""
    running: bool
    """A command was begun, and its end was not seen."""
    looked_at: int
    """When the workspace was looked at, nanoseconds since 1970."""
    files: Mapping[str, SourceFile]
    """What was copied, by path."""
    altered: Collection[str] = ()
    """Source files that the configure steps have changed in the build folder."""


def set_up_digest(inputs: Mapping[str, Any]) -> str:
    """Return the digest of all of a build key's inputs that decide how the build folder is made."""
    commands = {step: given for step, given in inputs["commands"].items() if step in _SET_UP}
    rest = {name: value for name, value in inputs.items() if name not in _OF_THE_RESULT}
    return digest({**rest, "commands": commands})


def changed_paths(before: Mapping[str, SourceFile], now: Mapping[str, SourceFile]) -> list[str]:
    """Return the paths that came, went or are another file now, sorted; a folder always before what is in it."""
    return sorted(
        path
        for path in before.keys() | now.keys()
        if path not in now or not now[path].is_same(before.get(path))
    )


def from_nothing_because(
    kept: Kept | None, chunk: Chunk, set_up: str, changed: Collection[str], files: Mapping[str, SourceFile]
) -> str:
    """Return why a build has to begin from nothing, in a few words; empty where it goes on.

    ``changed``: :func:`changed_paths` since the last build; ``files``: the workspace as it is now.
    """
    if kept is None:
        return "nothing is built yet"
    if kept.running:
        return "the last build was cut off"
    if not kept.configured:
        return "the last build did not come as far as to be configured"
    if kept.set_up != set_up:
        return "commands, environment or dependencies are others"
    for path in changed:
        if path in kept.altered:
            return f"{path} is changed, which the configure-commands change too"
        if _is_read_when_configured(chunk, path):
            return f"{path} is changed, which is read when it is configured"
        was = kept.files.get(path)
        if was is not None and path in files and was.kind != files[path].kind:
            return f"{path} is no longer the kind of file that it was"
    return ""


def _is_read_when_configured(chunk: Chunk, path: str) -> bool:
    if chunk.build_system in _RERUN_THEMSELVES or not any(
        step in CONFIGURE_STEPS for step, _ in chunk.commands
    ):
        return False
    name = path.rpartition("/")[2]
    return name in _CONFIGURED_BY or name.endswith(".in")
