"""What is going on, kept up to date by events: what runs, how much is done. The readers show it, each in its way."""

from __future__ import annotations

from dataclasses import dataclass, field

from lithify import events


@dataclass(slots=True)
class Running:
    """A chunk or system that is being made available."""

    kind: str
    key: str
    since: float
    step: str = ""
    step_since: float = 0.0


@dataclass(slots=True)
class Fetching:
    """A source that is on its way."""

    done: int = 0
    size: int | None = None


@dataclass(slots=True)
class Board:
    """The state of a run; times are those of the clock that the reader uses."""

    total: int = 0
    """Chunks of the build, those of the store included; 0 before it is planned."""
    cached: int = 0
    done: int = 0
    """Chunks that were made available since it began."""
    failed: int = 0
    running: dict[str, Running] = field(default_factory=dict)
    fetching: dict[str, Fetching] = field(default_factory=dict)
    checking: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What of the cache is being checked: how many, of how many."""

    def note(self, event: events.Event, now: float) -> None:
        """Take an event in."""
        match event:
            case events.BuildPlanned():
                self.total, self.cached, self.done, self.failed = event.total, event.cached, 0, 0
            case events.ComponentStarted():
                self.running[event.name] = Running(event.kind, event.key, now, "", now)
            case events.StepStarted() if event.name in self.running:
                running = self.running[event.name]
                running.step, running.step_since = event.step, now
            case events.ComponentFinished():
                self.running.pop(event.name, None)
                self.done += event.kind == "chunk"
            case events.ComponentFailed():
                self.running.pop(event.name, None)
                self.failed += 1
            case events.DeploymentStarted():
                self.running[event.name] = Running("deployment", "", now, event.type, now)
            case events.DeploymentFinished():
                self.running.pop(event.name, None)
            case events.FetchStarted():
                self.fetching[event.source] = Fetching(0, event.size)
            case events.FetchProgress():
                self.fetching[event.source] = Fetching(event.done, event.size)
            case events.FetchFinished():
                self.fetching.pop(event.source, None)
            case events.CheckProgress():
                self.checking[event.what] = (event.done, event.total)
                if event.done >= event.total:
                    del self.checking[event.what]
            case _:
                pass

    @property
    def counts(self) -> str:
        """Done, of how many, cached, failed."""
        parts = []
        if self.total:
            parts.append(f"{self.cached + self.done} of {self.total} chunks done")
            if self.cached:
                parts.append(f"{self.cached} cached")
        if self.running:
            parts.append(f"{len(self.running)} running")
        if self.fetching:
            parts.append(f"{len(self.fetching)} fetching")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)
