"""What ``--timings`` gives: a table on stderr, and a Chrome trace in a file."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lithify import events
from lithify.cli.invocation import Invocation
from lithify.errors import UsageError
from lithify.report.timings import Span, chrome_trace, timings_table

OPTION = "--timings"
FILE_OPTION = "--timings-file"
TimingsOption = Annotated[
    bool,
    typer.Option(
        OPTION,
        metavar="[FILE.json]",
        help="show where the time went; with a file, also write a trace for Perfetto or chrome://tracing",
    ),
]
TimingsFile = Annotated[str, typer.Option(FILE_OPTION, hidden=True)]


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which the optional file of ``--timings`` stands behind an option of its own.

    ``--timings=FILE`` is any file; the word behind ``--timings`` is one where it ends in ``.json``, as no system does.
    """
    spelled: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, value = argument.partition("=")
        if argument == "--":
            return [*spelled, argument, *waiting]
        if name != OPTION:
            spelled.append(argument)
        elif equals:
            spelled += [OPTION, FILE_OPTION, value]
        elif waiting and waiting[0].endswith(".json"):
            spelled += [OPTION, FILE_OPTION, waiting.pop(0)]
        else:
            spelled.append(OPTION)
    return spelled


def timings_of(invocation: Invocation, wanted: bool, file: str) -> Timings | None:
    """Return what notes the timings of a command that asks for them."""
    return Timings(invocation.cwd / file if file else None, running=_running()) if wanted else None


def _running() -> float:
    """Return the seconds since this process was started, to a hundredth (proc_pid_stat(5), field 22); 0 where not told."""
    try:
        behind_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(behind_name[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError):
        return 0.0


class Timings:
    """Notes when what happened, from any thread, and says so at the end."""

    def __init__(
        self, trace_to: Path | None, *, now: Callable[[], float] = time.monotonic, running: float = 0.0
    ) -> None:
        """Write the trace to ``trace_to``, if anywhere; raises :class:`UsageError` where that cannot be written.

        ``running``: seconds since the process was started.
        """
        self._trace_to = trace_to
        self._now = now
        self._began = now() - running
        self._spans: list[Span] = []
        self._add("start", running, "", "")
        if trace_to is not None:
            try:
                trace_to.touch()
            except OSError as error:
                raise UsageError(f"{OPTION} {trace_to}: {error.strerror}") from error

    def __call__(self, event: events.Event) -> None:
        """Take an event in."""
        match event:
            case events.Timed():
                self._add(event.phase, event.seconds, event.name, event.detail)
            case events.ComponentFinished():
                phase = "compose" if event.kind == "system" else "rest"
                self._add(phase, event.seconds, event.name, "")
            case events.DeploymentFinished():
                self._add("deploy", event.seconds, event.name, event.type)
            case _:
                pass

    def end(self) -> str:
        """Return the table; the trace is written."""
        seconds = self._now() - self._began
        trace = json.dumps(chrome_trace(self._spans, process="lithify")) if self._trace_to is not None else ""
        if self._trace_to is not None and (self._trace_to.is_symlink() or not self._trace_to.is_file()):
            self._trace_to.write_text(trace, encoding="utf-8")  # /dev/null and /dev/stdout are not replaced
        elif self._trace_to is not None:
            aside = self._trace_to.with_name(f".{self._trace_to.name}.{os.getpid()}")
            aside.write_text(trace, encoding="utf-8")
            os.replace(aside, self._trace_to)
        return timings_table(self._spans, seconds)

    def _add(self, phase: str, seconds: float, name: str, detail: str) -> None:
        ended = self._now() - self._began
        thread = threading.current_thread().name
        # appending is one step of the interpreter: no lock
        self._spans.append(
            Span(
                thread=thread,
                began=max(0.0, ended - seconds),
                ended=ended,
                phase=phase,
                name=name,
                detail=detail,
            )
        )
