"""What happens during a run, as plain frozen data.

Everything below ``cli/`` reports through a :data:`Report`; the terminal, the log file and the JSON stream are three
readers of the same events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlanned(Event):
    """What a build is going to do: counts of chunks and systems."""

    target: str
    total: int
    cached: int
    to_build: int
    workspaces: tuple[str, ...] = ()
    """Chunks that somebody works on: they are built from their workspaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft(Event):
    """How long the build still takes, by how long its chunks took before; said anew whenever one starts or ends."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStarted(Event):
    """A source begins to be fetched."""

    source: str
    size: int | None = None
    """Bytes, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress(Event):
    """Bytes of a source that have arrived so far."""

    source: str
    done: int
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFinished(Event):
    """A source is in the cache, checked."""

    source: str
    size: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentStarted(Event):
    """A chunk or system begins to be built."""

    name: str
    kind: Literal["chunk", "system"]
    key: str
    """The definition key, 64 hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step of a chunk or system begins: ``unpack``, ``configure``, ``build``, ``capture``, ``integrate`` and so on."""

    name: str
    step: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFinished(Event):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceTaken(Event):
    """A chunk begins to be built from the folder in which somebody works on it."""

    name: str
    path: str
    changed: int
    """Files and folders that changed since the last build, of one that goes on."""
    from_nothing: str = ""
    """Why it begins from nothing; empty where it goes on where the last build ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerCacheUsed(Event):
    """A chunk was built with its compiler cache: so many compilations were found there, so many not."""

    name: str
    hits: int
    misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFailed(Event):
    """A chunk or system failed."""

    name: str
    kind: Literal["chunk", "system"]
    key: str
    step: str
    reason: str
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStarted(Event):
    """A deployment begins."""

    name: str
    type: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFinished(Event):
    """A deployment is at its location."""

    name: str
    type: str
    location: str
    outcome: Literal["made", "unchanged"]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckProgress(Event):
    """So many of the things of one kind in the cache have been checked; the last one says all."""

    what: str
    """``objects``, ``layers``, ``archives`` and so on."""
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Event):
    """Something waits for another process; ``holder`` says which, where known."""

    what: str
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """A fact that the user may want to know: the staging method, a mirror in use."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something is not as it should be, and the run goes on."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Event):
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
