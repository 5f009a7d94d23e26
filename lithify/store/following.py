"""Follows symlinks of a tree in memory, against the tree's own root; never by the kernel on the host."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

LIMIT = 40
"""Links that one path may lead over, as in the kernel."""


class LeadsNowhere(Exception):
    """A symlink that no folder can lie behind: it loops, or leads over a file. The text says which."""


class Link(Struct, frozen=True):
    """What stands at a path that is a symlink."""

    target: str


class Other(Struct, frozen=True):
    """What stands at a path that is neither folder nor symlink."""


Found = Link | Other | None
"""What a look-up finds: a symlink, something that is no folder, or a folder or nothing (``None``)."""


def follow(look_up: Callable[[Sequence[str]], Found], folder: Sequence[str], target: str) -> tuple[str, ...]:
    """Return where a symlink in ``folder`` with ``target`` leads: a path without symlinks, whose end need not exist.

    ``look_up`` says what stands at a path whose parents are known to be no symlinks. ``..`` ends at the root.
    Raises :class:`LeadsNowhere`.
    """
    followed = 1
    real = [] if target.startswith("/") else list(folder)
    pending = deque(target.split("/"))
    while pending:
        part = pending.popleft()
        if part in ("", "."):
            continue
        if part == "..":
            if real:
                real.pop()
            continue
        found = look_up([*real, part])
        if isinstance(found, Other):
            raise LeadsNowhere(f"/{'/'.join([*real, part])} is no folder")
        if isinstance(found, Link):
            followed += 1
            if followed > LIMIT:
                raise LeadsNowhere(f"more than {LIMIT} symlinks lead on from one another")
            if found.target.startswith("/"):
                real = []
            pending.extendleft(reversed(found.target.split("/")))
        else:
            real.append(part)
    return tuple(real)
