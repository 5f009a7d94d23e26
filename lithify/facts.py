"""Facts that can never change, asked once: commit → tree, archive → digest, package → tree.

One SQLite file in the cache. A fact is a text under a kind and a key; it may always be forgotten and asked again, so a
damaged file is thrown away and begun anew.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path


class Facts:
    """The facts file of a cache; safe to use from several threads and several processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, kind: str, key: str) -> str | None:
        """Return the fact, or None where nobody has asked yet."""
        with self._lock:
            try:
                row = (
                    self._open()
                    .execute("SELECT value FROM facts WHERE kind = ? AND key = ?", (kind, key))
                    .fetchone()
                )
            except sqlite3.OperationalError:
                return None  # no cache yet, or a writer that takes long: the fact is asked again
            except sqlite3.DatabaseError:
                self._begin_anew()
                return None
        return None if row is None else str(row[0])

    def put(self, kind: str, key: str, value: str) -> None:
        """Keep a fact; the first one kept stands, since it cannot change."""
        with self._lock:
            for attempt in (1, 2):
                try:
                    with self._open() as connection:
                        connection.execute(
                            "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (kind, key, value)
                        )
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
        for suffix in ("", "-journal", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
