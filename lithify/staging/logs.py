"""A build's log file: everything its commands print, up to a limit of which the head and the tail are kept."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from pathlib import Path

from lithify.cache import host_error_of

TAIL_BYTES = 256 << 10
"""Of a log that is over its limit, so much of the end is kept."""
DEFAULT_LIMIT = 256 << 20
"""Bytes."""
LONGEST_LINE_TOLD = 2000


def log_digest(path: Path) -> str:
    """Return the SHA-256 of a log that is complete."""
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class LogWriter:
    """Takes a command's output; used as a context manager, which completes the file.

    Up to ``limit`` bytes everything is written at once, so a log can be followed. What comes after is kept in memory, the
    last :data:`TAIL_BYTES` of it, and written at the end behind a line that says how much is missing. A full disk is
    :class:`lithify.errors.NoSpace`.
    """

    def __init__(self, path: Path, *, limit: int | None = None) -> None:
        self.path = path
        self._limit = DEFAULT_LIMIT if limit is None else limit
        self._written = 0
        self._late = _Tail()
        self._recent = _Tail()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._write_late()
        finally:
            os.close(self._descriptor)

    def _write_late(self) -> None:
        late, dropped = self._late.last()
        self._late = _Tail()
        if dropped:
            self._append(
                f"\n### {dropped} bytes of the log are left out: "
                f"it was over its limit of {self._limit} bytes ###\n".encode()
            )
        if late:
            self._append(late)

    def write(self, data: bytes) -> None:
        """Take more output."""
        self._recent.add(data)
        room = max(0, self._limit - self._written)
        if room:
            self._append(data[:room])
            self._written += len(data[:room])
        if data[room:]:
            self._late.add(data[room:])

    def digest(self) -> str:
        """Return the SHA-256 of the log's bytes; what was kept back is written first."""
        self._write_late()
        return log_digest(self.path)

    def tail(self, lines: int) -> list[str]:
        """Return the last lines that were written, for a report."""
        text = self._recent.last()[0].decode(errors="replace")
        return [line[:LONGEST_LINE_TOLD] for line in text.splitlines()[-lines:]]

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise host_error_of(error, self.path) from error


class _Tail:
    """The last :data:`TAIL_BYTES` of a stream."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take more, and let go whole parts that are too far back."""
        self._parts.append(data)
        self._bytes += len(data)
        while self._bytes - len(self._parts[0]) >= TAIL_BYTES:
            gone = len(self._parts.popleft())
            self._bytes -= gone
            self._dropped += gone

    def last(self) -> tuple[bytes, int]:
        """Return the end of the stream, and how many bytes came before it."""
        data = b"".join(self._parts)
        return data[-TAIL_BYTES:], self._dropped + max(0, len(data) - TAIL_BYTES)
