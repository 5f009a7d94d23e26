"""A process's claim on a whole cache: shared by all that work with what is there, alone for one that throws things away.

Whoever builds, deploys or checks out holds the lease from before it looks things up to its end, so nothing that it has found
can be collected under it. Manual: ``docs/internals/locks-and-crashes.md``.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lithify.cache import CacheFolder, hold_lock


class Lease:
    """The claim of this process on a cache; may be used from several threads."""

    def __init__(self, cache: CacheFolder) -> None:
        self.path: Path = cache.locks / "in-use"
        """Never removed, so that everybody means the same file."""
        self._held = ExitStack()
        self._shared = False
        self._alone = False
        self._lock = threading.Lock()

    def share(self, on_wait: Callable[[str], None] | None = None) -> None:
        """Keep what is in the cache from being thrown away until :meth:`close`, or this process's end.

        Waits while somebody has the cache alone; ``on_wait`` is told who. Nothing where this process has it in any way.
        """
        with self._lock:
            if not self._shared and not self._alone:
                self._held.enter_context(hold_lock(self.path, shared=True, on_wait=on_wait))
                self._shared = True

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Have the cache alone during the block, if nobody else uses it; yields whether that is so. Never waits."""
        if self._alone:
            yield True
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
            self._alone = True
            try:
                yield True
            finally:
                self._alone = False
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Give the shared claim up."""
        with self._lock:
            self._held.close()
            self._held = ExitStack()
            self._shared = False
