"""Something done again and again while a command runs: a clock on the screen, a sign of life in a log."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lithify import events


class Ticker:
    """Calls a function every so often, from a thread of its own.

    The thread begins with the first event that says that a build or a check is under way: before, the process may still have
    to enter its user namespace, and the kernel refuses that to a process with threads.
    """

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, event: events.Event) -> None:
        """Begin, where the event says that the process has threads anyhow."""
        begins = isinstance(event, events.BuildPlanned | events.ComponentStarted | events.CheckProgress)
        if self._thread is None and begins:
            self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """End, once the action that runs has returned."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self._action()
