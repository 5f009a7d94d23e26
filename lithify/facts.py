"""Facts that can never change, asked once: commit → tree, archive → digest, package → tree.

One SQLite file in the cache. A fact is a text under a kind and a key; it may always be forgotten and asked again, so a
damaged file is thrown away and begun anew. SQLite does not notice each flipped bit, and facts take part in keys: so each has
a checksum before it, and one that does not fit counts as never asked.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SEAL = 16
"""Hex digits."""
_LATE = 1.0
"""Seconds."""
_AT_ONCE = 500
"""Keys that are asked for in one query; SQLite takes 999 or more."""


class Facts:
    """The facts file of a cache; safe to use from several threads and several processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._gathering = 0
        self._gathered: dict[tuple[str, str], str] = {}
        self._since = 0.0

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Write facts that are put during the block together, at most a second late: a killed process loses so many.

        To write one takes as long as forty system calls and a new file do; of a build's chunks there are two each.
        """
        with self._lock:
            self._gathering += 1
        try:
            yield
        finally:
            with self._lock:
                self._gathering -= 1
                self._write_gathered()

    def get(self, kind: str, key: str) -> str | None:
        """Return the fact, or None where nobody has asked yet."""
        return self.get_several(kind, [key]).get(key)

    def get_several(self, kind: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the facts of ``keys`` that somebody has asked; a tenth of the time of asking for one after the other."""
        rows: list[tuple[Any, Any]] = []
        with self._lock:
            ready = {key: self._gathered[kind, key] for key in keys if (kind, key) in self._gathered}
            if ready:
                keys = [key for key in keys if key not in ready]
            if self._connection is None and not os.path.exists(self._path):
                return ready
            try:
                for start in range(0, len(keys), _AT_ONCE):
                    some = keys[start : start + _AT_ONCE]
                    places = ",".join("?" * len(some))
                    asked = f"SELECT key, value FROM facts WHERE kind = ? AND key IN ({places})"
                    rows += self._open().execute(asked, (kind, *some)).fetchall()
            except sqlite3.OperationalError:
                return ready  # no cache yet, or a writer that takes long: the facts are asked again
            except sqlite3.DatabaseError:
                self._begin_anew()
                return ready
        found = {str(key): _unsealed(kind, str(key), str(value)) for key, value in rows}
        return ready | {key: value for key, value in found.items() if value is not None}

    def put(self, kind: str, key: str, value: str) -> None:
        """Keep a fact; the first one kept stands, since it cannot change."""
        with self._lock:
            if not self._gathered:
                self._since = time.monotonic()
            self._gathered[kind, key] = value
            if not self._gathering or time.monotonic() > self._since + _LATE:
                self._write_gathered()

    def _write_gathered(self) -> None:
        rows = [(kind, key, _sealed(kind, key, value)) for (kind, key), value in self._gathered.items()]
        self._gathered = {}
        if not rows:
            return
        for attempt in (1, 2):
            try:
                with self._open() as connection:
                    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)
                return
            except sqlite3.OperationalError:
                return  # full disk or a read-only cache: a fact may be forgotten
            except sqlite3.DatabaseError:
                if attempt == 2:
                    raise
                self._begin_anew()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._write_gathered()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
            try:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS facts (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID"
                )
            except sqlite3.DatabaseError:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _begin_anew(self) -> None:
        if self._connection is not None:
            with closing(self._connection):
                self._connection = None
        forget_facts(self._path)


def _sealed(kind: str, key: str, value: str) -> str:
    """Return a fact as it is kept: a checksum over all of it, and the value."""
    whole = "\0".join((kind, key, value)).encode(errors="surrogatepass")
    return hashlib.sha256(whole).hexdigest()[:_SEAL] + value


def _unsealed(kind: str, key: str, kept: str) -> str | None:
    """Return the value of a fact as it is kept, or None where it is not what was put there."""
    value = kept[_SEAL:]
    return value if kept == _sealed(kind, key, value) else None


def facts_fault(path: Path) -> str:
    """Return what is broken in a file of facts; empty where nothing is, or where there is no file."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=30, uri=True)) as connection:
            found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            kept = connection.execute("SELECT kind, key, value FROM facts")
            wrong = sum(_unsealed(*map(str, row)) is None for row in kept)
    except sqlite3.Error as error:
        return f"cannot be read: {error}" if path.exists() else ""
    if found != "ok":
        return f"SQLite finds: {' '.join(found.split())}"
    return f"holds facts that are not what was put there ({wrong})" if wrong else ""


def forget_facts(path: Path) -> None:
    """Remove a file of facts, with what SQLite keeps beside it; each fact is asked again."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
