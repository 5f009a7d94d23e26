"""A build's log file: everything its commands print, up to a limit of which the head and the tail are kept."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

TAIL_BYTES = 256 << 10
"""Of a log that is over its limit, so much of the end is kept."""
DEFAULT_LIMIT = 256 << 20
"""Bytes."""


class LogWriter:
    """Takes a command's output; used as a context manager, which completes the file.

    Up to ``limit`` bytes everything is written at once, so a log can be followed. What comes after is kept in memory, the
    last :data:`TAIL_BYTES` of it, and written at the end behind a line that says how much is missing.
    """

    def __init__(self, path: Path, *, limit: int | None = None) -> None:
        self.path = path
        self._limit = DEFAULT_LIMIT if limit is None else limit
        self._written = 0
        self._dropped = 0
        self._late: deque[bytes] = deque()
        self._late_bytes = 0
        self._recent = b""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._late_bytes or self._dropped:
            notice = f"\n### {self._dropped} bytes of the log are left out: it was over its limit of {self._limit} bytes ###\n"
            os.write(self._descriptor, notice.encode())
            for part in self._late:
                os.write(self._descriptor, part)
        os.close(self._descriptor)

    def write(self, data: bytes) -> None:
        """Take more output."""
        self._recent = (self._recent + data)[-TAIL_BYTES:]
        room = max(0, self._limit - self._written)
        if room:
            os.write(self._descriptor, data[:room])
            self._written += len(data[:room])
        rest = data[room:]
        if rest:
            self._late.append(rest)
            self._late_bytes += len(rest)
            while self._late_bytes - len(self._late[0]) >= TAIL_BYTES:
                gone = self._late.popleft()
                self._late_bytes -= len(gone)
                self._dropped += len(gone)

    def tail(self, lines: int) -> list[str]:
        """Return the last lines that were written, for a report."""
        text = self._recent.decode(errors="replace")
        return [line[:2000] for line in text.splitlines()[-lines:]]
