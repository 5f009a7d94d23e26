"""One source's arrival, counted from several threads and reported now and then."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from lithify.events import FetchFinished, FetchProgress, FetchStarted, Report

_INTERVAL = 0.1
"""Seconds between two progress events of one source: as often as anybody looks."""


class Progress:
    """Reports the start, the progress and the end of a fetch; the end only if all went well."""

    def __init__(self, source: str, report: Report, size: int | None = None) -> None:
        self._source = source
        self._report = report
        self._size = size
        self._lock = threading.Lock()
        self._done = 0
        self._began = self._last = time.monotonic()

    def __enter__(self) -> Progress:
        self._report(FetchStarted(source=self._source, size=self._size))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            seconds = time.monotonic() - self._began
            self._report(FetchFinished(source=self._source, size=self._done, seconds=seconds))

    def add(self, count: int) -> None:
        """Count bytes that have arrived; a negative number takes back those of an attempt that failed."""
        with self._lock:
            self._set(self._done + count)

    def reach(self, done: int) -> None:
        """Say how many bytes have arrived in all."""
        with self._lock:
            self._set(done)

    def _set(self, done: int) -> None:
        self._done = done
        now = time.monotonic()
        if now - self._last >= _INTERVAL:
            self._last = now
            self._report(FetchProgress(source=self._source, done=done, size=self._size))
