"""The lines that events leave: ``[elapsed] [key8] chunk: step``, so that one grep finds a chunk. Pure."""

from __future__ import annotations

from lithify import events
from lithify.cli.text import clock, printable, size
from lithify.report.states import NEVER_BUILT


def stamped(text: str, seconds: float) -> str:
    """Return a line with the time since the command began."""
    return f"[{clock(seconds)}] {printable(text)}"


def line_of(event: events.Event, *, started: bool = True, verbose: bool = False) -> str | None:
    """Return the line that an event leaves, or None. ``started``: whether there is one at the start of each chunk too."""
    match event:
        case events.BuildPlanned():
            cached = f", {event.cached} cached" if event.cached else ""
            opened = f"; from workspaces: {', '.join(event.workspaces)}" if event.workspaces else ""
            why = "".join(f"; {reason}" for reason in event.because if event.cached or not _is_new(reason))
            return f"{event.target}: {event.to_build} of {event.total} chunks to build{cached}{why}{opened}"
        case events.ComponentStarted() if started or verbose:
            return f"[{event.key[:8]}] {event.name}: started"
        case events.WorkspaceTaken():
            return f"{event.name}: {workspace_line(event)}"
        case events.StepStarted() if verbose:
            return f"{event.name}: {event.step}"
        case events.ComponentFinished():
            return f"[{event.key[:8]}] {event.name}: {_outcome(event)}"
        case events.CompilerCacheUsed() if verbose:
            return f"{event.name}: {compiler_cache_line(event.hits, event.misses)}"
        case events.ComponentFailed():
            step = f"{event.step} failed ({event.reason})" if event.step else f"failed: {event.reason}"
            return f"[{event.key[:8]}] {event.name}: {step}"
        case events.FetchStarted() if verbose:
            return f"fetching {event.source}"
        case events.FetchFinished() if event.size:
            return f"fetched {event.source} ({size(event.size)})"
        case events.DeploymentStarted() if started or verbose:
            return f"{event.name}: {event.type} {event.location}: started"
        case events.DeploymentFinished():
            took = f" in {event.seconds:.1f} s" if event.outcome == "made" else ""
            return f"{event.name}: {event.type} {event.location}: {event.outcome}{took}"
        case events.Waiting():
            return f"{event.what}: waiting for {event.holder or 'another command'}"
        case events.Warned():
            return f"warning: {event.text}"
        case events.Note() if verbose:
            return event.text
        case _:
            return None


def _is_new(reason: str) -> bool:
    """Whether a reason goes without saying where nothing is cached."""
    return reason.startswith(NEVER_BUILT)


def workspace_line(event: events.WorkspaceTaken) -> str:
    """Return how a build from a workspace begins."""
    if event.from_nothing:
        return f"from its workspace, from nothing: {event.from_nothing}"
    files = "1 file" if event.changed == 1 else f"{event.changed} files"
    return f"from its workspace, {files} changed since the last build"


def compiler_cache_line(hits: int, misses: int) -> str:
    """Return how much of what was compiled was in a compiler cache."""
    every = hits + misses
    rate = f" ({100 * hits // every} %)" if every else ""
    return f"compiler cache: {hits} of {every} compilations found{rate}"


def is_vital(event: events.Event) -> bool:
    """Whether an event is told in spite of ``--quiet``."""
    return isinstance(event, events.ComponentFailed)


def _outcome(event: events.ComponentFinished) -> str:
    took = f" in {event.seconds:.1f} s" if event.seconds >= 0.05 else ""
    match event.outcome:
        case "built":
            verb = "composed" if event.kind == "system" else "built"
            return f"{verb}{took}{', content unchanged' if event.same_content else ''}"
        case "reused":
            return f"inputs unchanged, an earlier build is taken{took}"
        case "waited":
            return f"built by another command{took}"
        case _:
            return "cached"
