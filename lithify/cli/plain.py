"""Events as plain lines, for whatever is no terminal: a line at the start and the end of each chunk, and a sign of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

from lithify import events
from lithify.cli.board import Board
from lithify.cli.lines import is_vital, line_of, stamped
from lithify.cli.text import clock
from lithify.cli.ticking import Ticker

HEARTBEAT_SECONDS = 60.0


class PlainReader:
    """Writes a line for each event that stays, and one each minute while something runs; may be called from any thread."""

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        verbose: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._now = now
        self._began = now()
        self._board = Board()
        self._lock = threading.Lock()
        self._ticker = Ticker(HEARTBEAT_SECONDS, self.beat)

    def __call__(self, event: events.Event) -> None:
        """Write what the event has to say, if anything."""
        text = line_of(event, verbose=self._verbose)
        with self._lock:
            self._board.note(event, self._now())
            if text is not None and (not self._quiet or is_vital(event)):
                self._write(text)
            if not self._quiet:
                self._ticker.note(event)

    def beat(self) -> None:
        """Write what is running, as a sign of life."""
        with self._lock:
            now = self._now()
            running = [
                f"{name}: {running.step or 'preparing'} ({clock(now - running.since)})"
                for name, running in self._board.running.items()
            ]
            running += [
                f"{what}: {100 * done // max(total, 1)} % of {total} checked"
                for what, (done, total) in self._board.checking.items()
            ]
            if running:
                parts = ["still running: " + ", ".join(running), self._board.counted(now)]
                self._write("; ".join(part for part in parts if part))

    def print_above(self, text: str) -> None:
        """Write a message as it is."""
        with self._lock:
            self._stream.write(text)
            self._stream.flush()

    def close(self) -> None:
        """Nothing is written any more."""
        self._ticker.end()

    def _write(self, text: str) -> None:
        self._stream.write(f"{stamped(text, self._now() - self._began)}\n")
        self._stream.flush()
