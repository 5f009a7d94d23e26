"""Who reads the events of a command: the terminal or plain lines, the file of ``--log``, and a stream of JSON lines."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Protocol, TextIO

from lithify.cli.invocation import Invocation
from lithify.cli.jsonlines import JsonLinesReader
from lithify.cli.lines import compiler_cache_line
from lithify.cli.messages import Messages
from lithify.cli.plain import PlainReader
from lithify.cli.terminal import TerminalReader
from lithify.cli.timing import Timings
from lithify.config import Settings, value_text
from lithify.errors import UsageError
from lithify.events import BuildPlanned, CompilerCacheUsed, Event, Report

INTERRUPTED = 130
LAST_WORDS = b"ERROR: interrupted\n"
_SMALLEST = (20, 4)
_UNREMARKABLE = frozenset({"cachedir", "tempdir", "log", "verbose", "quiet", "debug"})
"""Settings that change nothing of what a build does."""


class Reader(Protocol):
    """Takes events, from any thread, until it is closed."""

    def __call__(self, event: Event) -> None:
        """Take an event."""

    def close(self) -> None:
        """Show nothing any more."""


class _All:
    """Hands each event to every reader; where a build begins, the settings in force are said once."""

    def __init__(self, readers: Sequence[Report], settings: Settings, messages: Messages) -> None:
        self._readers = readers
        self._messages = messages
        self._in_force = settings_in_force(settings)
        self._compiled: list[CompilerCacheUsed] = []

    def summary(self) -> str:
        """Return what is said at the end: how good the compiler caches of all chunks were; empty where there were none."""
        if not self._compiled:
            return ""
        return compiler_cache_line(
            sum(event.hits for event in self._compiled), sum(event.misses for event in self._compiled)
        )

    def __call__(self, event: Event) -> None:
        if isinstance(event, CompilerCacheUsed):
            self._compiled.append(event)
        if isinstance(event, BuildPlanned) and self._in_force:
            text, self._in_force = self._in_force, ""
            self._messages.warn(text)
        for reader in self._readers:
            reader(event)


@contextmanager
def reading_events(
    invocation: Invocation, *, events_to: str = "", timings: Timings | None = None
) -> Iterator[Report]:
    """Yield a report whose events are shown on stderr as the settings say; completed at the end of the block.

    ``events_to`` is a file, or the number of an open descriptor, that gets them as JSON lines. ``timings`` are shown then.
    """
    messages = invocation.messages
    settings = invocation.settings
    visible = _visible(messages.stream, settings, invocation.environment, color=messages.color)
    readers: list[Reader] = [visible]
    if messages.log is not None:
        readers.append(PlainReader(messages.log, verbose=True))
    if events_to:
        readers.append(JsonLinesReader(_opened(events_to, invocation.cwd)))
    messages.above = visible.print_above
    messages.paused = visible.paused if isinstance(visible, TerminalReader) else None
    everybody = _All([*readers, *([timings] if timings else ())], settings, messages)
    try:
        with _stopping(visible):
            yield everybody
    finally:
        messages.above = messages.paused = None
        for reader in readers:
            reader.close()
        if summary := everybody.summary():
            messages.warn(summary)
        if timings is not None:
            messages.warn(timings.end())


def settings_in_force(settings: Settings) -> str:
    """Return the settings that somebody has set, with where; empty where there are none of interest."""
    given = [
        f"{name} = {value_text(getattr(settings, name.replace('-', '_')))} ({origin})"
        for name, origin in sorted(settings.origins.items())
        if name not in _UNREMARKABLE
    ]
    return f"settings: {', '.join(given)}" if given else ""


def _visible(
    stream: TextIO, settings: Settings, environment: Mapping[str, str], *, color: bool
) -> PlainReader | TerminalReader:
    verbose = settings.verbose or settings.debug
    if settings.quiet or not stream.isatty() or environment.get("TERM", "dumb") == "dumb":
        return PlainReader(stream, quiet=settings.quiet, verbose=verbose)

    def screen_size() -> tuple[int, int]:
        try:
            size = os.get_terminal_size(stream.fileno())
        except OSError:
            size = shutil.get_terminal_size()
        return max(size.columns, _SMALLEST[0]), max(size.lines, _SMALLEST[1])

    return TerminalReader(stream, screen_size=screen_size, color=color, verbose=verbose)


def _opened(target: str, cwd: Path) -> TextIO:
    try:
        return open(int(target) if target.isdigit() else cwd / target, "w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--events {target}: {error.strerror}") from error


@contextmanager
def _stopping(reader: PlainReader | TerminalReader) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) end what runs in good order, and the second one end all at once.

    Nothing needs to be cleared away then: sandboxes die with us, mounts are in our own namespace, and what lies in the
    cache is known to be nobody's by its free locks.
    """
    asked = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            with suppress(OSError):  # what holds the stream's locks may never let go of them
                os.write(2, b"\n" * isinstance(reader, TerminalReader) + LAST_WORDS)
            os._exit(INTERRUPTED)
        raise KeyboardInterrupt

    def suspend(number: int, frame: FrameType | None) -> None:
        """Leave the terminal to others for a while; no handler of SIGCONT, since `timeout` sends it right behind SIGTERM."""
        if isinstance(reader, TerminalReader):
            reader.hide()
        os.kill(os.getpid(), signal.SIGSTOP)

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGTSTP: suspend}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
