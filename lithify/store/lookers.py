"""Processes that look at kept checkouts ahead of their use, while this one loads modules and merges.

A look is nothing but system calls, tens of thousands of them, each of which a thread here would have to wait for the
interpreter's lock after. What a looker does not answer, because it was not asked or has died, is looked at in the ordinary way.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lithify.process import start_script
from lithify.store import short_look
from lithify.store.short_look import INDEX_VERSION

FEWEST = 16
"""Layers that are worth a process, which takes as long to start as looking at a few of them."""


class Lookers:
    """Answers that are on their way; may be asked from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        """Name of a layer → the process that looks at it."""
        self._answers: dict[str, int | None] = {}

    def look(
        self, layers: Path, digests: Sequence[str], processes: int, *, version: int = INDEX_VERSION
    ) -> None:
        """Look at ``layers/<digest>`` of each digest that nobody looks at yet, in their order.

        By at most so many ``processes``, and none for a few layers. ``version``: of the layers' indexes. They run as we do
        now: with our namespaces and rights.
        """
        with self._lock:
            wanted = [digest for digest in digests if digest not in self._children]
            count = min(processes, len(wanted) // FEWEST)
            for number in range(count):
                part = wanted[number::count]
                self._children.update(dict.fromkeys(part, _started(layers, version, part)))

    def found_whole(self, digest: str) -> int | None:
        """Return when the top of a layer changed that a looker found as it was made; waits for one that was asked about it.

        Nanoseconds since 1970; None where it is not as it was, or nobody was asked.
        """
        with self._lock:
            child = self._children.get(digest)
            while child is not None and digest not in self._answers:
                line = child.stdout.readline().decode() if child.stdout else ""
                if not line.endswith("\n"):
                    self._end(child)
                    break
                name, _, answer = line.strip().partition(" ")
                self._answers[name] = None if answer == short_look.UNKNOWN else int(answer)
            return self._answers.pop(digest, None)

    def close(self) -> None:
        """End what still looks."""
        with self._lock:
            for child in set(self._children.values()):
                self._end(child)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        self._children = {name: other for name, other in self._children.items() if other is not child}
        with suppress(ProcessLookupError):
            child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def _started(layers: Path, version: int, digests: Sequence[str]) -> subprocess.Popen[bytes]:
    child = start_script(short_look.__file__, str(layers), str(version))
    assert child.stdin
    with suppress(BrokenPipeError), child.stdin:
        child.stdin.write("\n".join(digests).encode())
    return child


def usual_processes() -> int:
    """Return how many lookers are of use: one for each processor, and never many, since all wait for the same disk."""
    return min(4, len(os.sched_getaffinity(0)))
