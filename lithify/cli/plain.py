"""Events as plain lines, for whatever is no terminal: a line at the start and the end of each chunk."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from lithify import events

HEARTBEAT_SECONDS = 60.0


class PlainReader:
    """Writes a line for each event that stays; may be called from several threads."""

    def __init__(self, stream: TextIO, *, quiet: bool = False, verbose: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def __call__(self, event: events.Event) -> None:
        """Write what the event has to say, if anything."""
        text = line_of(event, verbose=self._verbose)
        if text is None or (self._quiet and not isinstance(event, events.ComponentFailed)):
            return
        with self._lock:
            self._stream.write(f"[{elapsed(time.monotonic() - self._began)}] {text}\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is left to be written."""


def elapsed(seconds: float) -> str:
    """Return a time as ``MM:SS``, or ``H:MM:SS``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def line_of(event: events.Event, *, verbose: bool = False) -> str | None:
    """Return the line that an event leaves, or None."""
    match event:
        case events.BuildPlanned():
            return f"{event.target}: {event.to_build} of {event.total} chunks to build, {event.cached} cached"
        case events.ComponentStarted():
            return f"[{event.key[:8]}] {event.name}: started" if event.kind == "chunk" else None
        case events.ComponentFinished():
            return f"[{event.key[:8]}] {event.name}: {_outcome(event)}"
        case events.ComponentFailed():
            step = f"{event.step} failed ({event.reason})" if event.step else event.reason
            return f"[{event.key[:8]}] {event.name}: {step}"
        case events.FetchFinished() if event.size:
            return f"fetched {event.source} ({event.size / 1e6:.1f} MB)"
        case events.DeploymentFinished():
            return f"{event.name}: {event.type} {event.location}: {event.outcome} in {event.seconds:.1f} s"
        case events.Waiting():
            return f"{event.what}: waiting for {event.holder or 'another command'}"
        case events.Warned():
            return f"warning: {event.text}"
        case events.Note() if verbose:
            return event.text
        case events.StepStarted() if verbose:
            return f"{event.name}: {event.step}"
        case _:
            return None


def _outcome(event: events.ComponentFinished) -> str:
    took = f" in {event.seconds:.1f} s" if event.seconds >= 0.05 else ""
    match event.outcome:
        case "built":
            return f"built{took}{', unchanged' if event.same_content else ''}"
        case "reused":
            return f"unchanged inputs, taken from an earlier build{took}"
        case "waited":
            return f"built by another command{took}"
        case _:
            return "cached"
