"""The processes of a sandbox, seen from outside: counted, and asked to end.

A fork bomb where the kernel counts nothing for us: as the machine's root, without control groups.

There a sandbox's processes are counted from outside, a few times a second, and it is ended when they are too many. Between
two looks a bomb makes some thousands more: enough of a limit for a machine to survive it, and not exact.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

BETWEEN = 0.2
"""Seconds between two looks."""


class Crowd:
    """The processes and threads of one pid namespace."""

    def __init__(self, first: int, most: int) -> None:
        """Count those of the namespace that the process ``first`` is in; more than ``most`` are too many."""
        self._namespace = os.stat(f"/proc/{first}/ns/pid").st_ino
        self.most = most
        self._looked = 0.0

    def is_too_big(self) -> bool:
        """Return whether there are too many; looks only now and then, and only where the whole machine has so many."""
        now = time.monotonic()
        if now - self._looked < BETWEEN:
            return False
        self._looked = now
        return _of_the_machine() > self.most and self.count() > self.most

    def count(self) -> int:
        """Return the processes and threads that there are now."""
        total = 0
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                if os.stat(f"/proc/{name}/ns/pid").st_ino == self._namespace:
                    total += os.stat(f"/proc/{name}/task").st_nlink - 2
            except OSError:
                continue  # it has ended, or is of those on the host that are not ours to look at
        return total


def ask_to_end(first: int) -> None:
    """Send SIGTERM to all processes of the pid namespace of its ``first``, but for the one that waits for all the others.

    That is the shell, whose end would be that of the namespace, while ``make`` still removes what was half made. Where it is
    alone, it gets the signal itself. Raises :class:`OSError` where the namespace has gone.
    """
    namespace = os.stat(f"/proc/{first}/ns/pid").st_ino
    waiting: list[int] = []
    others: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == first:
            continue
        try:
            process = os.pidfd_open(int(name))
        except OSError:
            continue
        try:
            if os.stat(f"/proc/{name}/ns/pid").st_ino != namespace:
                os.close(process)
                continue
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # it has ended, or is not ours to look at
            os.close(process)
            continue
        (waiting if parent == first else others).append(process)
    for process in others or waiting:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGTERM)
    for process in (*others, *waiting):
        os.close(process)


def _of_the_machine() -> int:
    """Return how many processes and threads the machine has (proc_loadavg(5))."""
    with open("/proc/loadavg") as text:
        return int(text.read().split()[3].rpartition("/")[2])
