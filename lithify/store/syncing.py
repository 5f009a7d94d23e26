"""Has what was written on the disk: one ``syncfs`` for all who wait at the same time.

libostree, left to itself, syncs each of the 256 folders of objects after every transaction; on a disk with a write cache that
is a flush each, some 0.2 s for a commit of one file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from lithify.cache import sync_file_system


class Syncing:
    """Syncs the file system of a folder, for several threads."""

    def __init__(self, folder: Path, sync: Callable[[Path], None] = sync_file_system) -> None:
        self._folder = folder
        self._sync = sync
        self._changed = threading.Condition()
        self.waiting = 0
        """Threads that wait while another one syncs."""
        self._running = False
        self._begun = 0
        self._ended = 0
        """The number of the last sync that went well."""
        self._failure: OSError | None = None

    def __call__(self) -> None:
        """Return when all that this thread has written is on the disk: a sync that began after the call has ended.

        Raises :class:`OSError` where the disk fails, and from then on for all: what it lost may be anybody's, and it says so
        once.
        """
        with self._changed:
            needed = self._begun + 1
            while self._ended < needed:
                if self._failure is not None:
                    raise OSError(*self._failure.args)
                if self._running:
                    self.waiting += 1
                    self._changed.wait()
                    self.waiting -= 1
                else:
                    self._run()

    def _run(self) -> None:
        """Sync, with the lock given up meanwhile."""
        self._running = True
        self._begun += 1
        number = self._begun
        self._changed.release()
        failure: OSError | None = None
        try:
            self._sync(self._folder)
        except OSError as error:
            failure = error
        finally:
            self._changed.acquire()
            self._running = False
            self._changed.notify_all()
        if failure is None:
            self._ended = number
        else:
            self._failure = failure
