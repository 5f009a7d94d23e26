"""What happens during a run, as plain frozen data.

Everything below ``cli/`` reports through a :data:`Report`; the terminal, the log file and the JSON stream are three
readers of the same events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened."""


class BuildPlanned(Event, frozen=True, kw_only=True):
    """What a build is going to do: counts of chunks and systems."""

    target: str
    total: int
    cached: int
    to_build: int
    workspaces: tuple[str, ...] = ()
    """Chunks that somebody works on: they are built from their workspaces."""
    because: tuple[str, ...] = ()
    """Why so many are to be built, in a few words each."""


class TimeLeft(Event, frozen=True, kw_only=True):
    """How long the build still takes, by how long its chunks took before; said anew whenever one starts or ends."""

    seconds: float


class FetchStarted(Event, frozen=True, kw_only=True):
    """A source begins to be fetched."""

    source: str
    size: int | None = None
    """Bytes, where known."""


class FetchProgress(Event, frozen=True, kw_only=True):
    """Bytes of a source that have arrived so far."""

    source: str
    done: int
    size: int | None = None


class FetchFinished(Event, frozen=True, kw_only=True):
    """A source is in the cache, checked."""

    source: str
    size: int = 0
    seconds: float = 0.0


class ComponentStarted(Event, frozen=True, kw_only=True):
    """A chunk or system begins to be built."""

    name: str
    kind: Literal["chunk", "system"]
    key: str
    """The definition key, 64 hex digits."""


class StepStarted(Event, frozen=True, kw_only=True):
    """A step of a chunk or system begins: ``unpack``, ``configure``, ``build``, ``capture``, ``integrate`` and so on."""

    name: str
    step: str
    command: str = ""


class ComponentFinished(Event, frozen=True, kw_only=True):
    """A chunk or system is in the store.

    ``built``: its commands ran. ``reused``: an earlier build with equal inputs was taken (early cut-off).
    ``cached``: it was there. ``waited``: another command built it meanwhile.
    """

    name: str
    kind: Literal["chunk", "system"]
    key: str
    outcome: Literal["built", "reused", "cached", "waited"]
    seconds: float = 0.0
    same_content: bool = False
    """Built, and equal to what the last build of this name gave."""


class WorkspaceTaken(Event, frozen=True, kw_only=True):
    """A chunk begins to be built from the folder in which somebody works on it."""

    name: str
    path: str
    changed: int
    """Files and folders that changed since the last build, of one that goes on."""
    from_nothing: str = ""
    """Why it begins from nothing; empty where it goes on where the last build ended."""


class CompilerCacheUsed(Event, frozen=True, kw_only=True):
    """A chunk was built with its compiler cache: so many compilations were found there, so many not."""

    name: str
    hits: int
    misses: int


class ComponentFailed(Event, frozen=True, kw_only=True):
    """A chunk or system failed."""

    name: str
    kind: Literal["chunk", "system"]
    key: str
    step: str
    reason: str
    log: str = ""


class DeploymentStarted(Event, frozen=True, kw_only=True):
    """A deployment begins."""

    name: str
    type: str
    location: str


class DeploymentFinished(Event, frozen=True, kw_only=True):
    """A deployment is at its location."""

    name: str
    type: str
    location: str
    outcome: Literal["made", "unchanged"]
    seconds: float = 0.0


class CheckProgress(Event, frozen=True, kw_only=True):
    """So many of the things of one kind in the cache have been checked; the last one says all."""

    what: str
    """``objects``, ``layers``, ``archives`` and so on."""
    done: int
    total: int


class Waiting(Event, frozen=True, kw_only=True):
    """Something waits for another process; ``holder`` says which, where known."""

    what: str
    holder: str = ""


class Note(Event, frozen=True, kw_only=True):
    """A fact that the user may want to know: the staging method, a mirror in use."""

    text: str


class Warned(Event, frozen=True, kw_only=True):
    """Something is not as it should be, and the run goes on."""

    text: str


class Timed(Event, frozen=True, kw_only=True):
    """Something that takes time has ended; one within another ends before it, in the same thread.

    ``phase``: ``load``, ``resolve``, ``plan``, ``prepare``, ``fetch``, ``wait``, ``unpack``, ``stage``, ``run``, ``capture``,
    ``commit``, ``merge``, ``integrate``, ``sync``.
    """

    phase: str
    name: str = ""
    """The chunk or system; empty where that is plain from what is around it, or it is the whole run's."""
    detail: str = ""
    """The step, where a phase has several."""
    seconds: float = 0.0


Report = Callable[[Event], None]
"""Takes an event; called from several threads at once, so a reader locks."""


@contextmanager
def timed(report: Report, phase: str, name: str = "", detail: str = "") -> Iterator[None]:
    """Report how long the block took, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        report(Timed(phase=phase, name=name, detail=detail, seconds=time.monotonic() - began))


def ignore(event: Event) -> None:
    """Report to nobody."""
