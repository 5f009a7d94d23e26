"""What is going on, kept up to date by events: what runs, how much is done. The readers show it, each in its way."""

from __future__ import annotations

from msgspec import Struct, field

from lithify import events


class Running(Struct):
    """A chunk or system that is being made available."""

    kind: str
    key: str
    since: float
    step: str = ""
    step_since: float = 0.0


class Fetching(Struct):
    """A source that is on its way."""

    done: int = 0
    size: int | None = None


class Board(Struct):
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
    ends_at: float | None = None
    """When the build is expected to be done; None where nothing is known."""

    def note(self, event: events.Event, now: float) -> None:
        """Take an event in."""
        match event:
            case events.BuildPlanned():
                self.total, self.cached, self.done, self.failed = event.total, event.cached, 0, 0
                self.ends_at = None
            case events.TimeLeft():
                self.ends_at = now + event.seconds
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

    def counted(self, now: float) -> str:
        """The counts, and how much time is left; nothing of that where it took longer than expected."""
        left = 0.0 if self.ends_at is None or not self.running else self.ends_at - now
        return f"{self.counts}, about {_rough(left)} left" if left >= 1 else self.counts

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


def _rough(seconds: float) -> str:
    """Return a time as exactly as one that is guessed may be told: ``40 s``, ``5 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds / 5) * 5) if seconds >= 10 else round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
