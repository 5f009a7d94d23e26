"""A program of its own that ends what a killed lithify has left behind: all that hold the mark. It imports nothing of lithify.

The mark is the writing end of a pipe, which lithify hands to its sandboxes and nobody else. Who holds it is found in
``/proc``, and sent SIGKILL by a pidfd that was opened before: a process that came to the same number since is not meant. The
kernel says by POLLHUP when nobody holds it any more.
"""

from __future__ import annotations

import os
import select
import signal
import sys

SHORT, LONG = 5, 1000
"""Milliseconds between two looks; at last, while a process hangs in the kernel."""


def end_all(reads: int) -> None:
    """Return when no process but this one has the pipe whose reading end is ``reads``."""
    mark = os.readlink(f"/proc/self/fd/{reads}")
    poller = select.poll()
    poller.register(reads, 0)
    wait = 0
    while not poller.poll(wait):
        for name in filter(str.isdigit, os.listdir("/proc")):
            if int(name) != os.getpid():
                _end_if_holding(int(name), mark)
        wait = min(max(SHORT, 2 * wait), LONG)


def _end_if_holding(number: int, mark: str) -> None:
    try:
        process = os.pidfd_open(number)
    except OSError:
        return  # it has ended
    try:
        if _holds(number, mark):
            signal.pidfd_send_signal(process, signal.SIGKILL)
    except OSError:
        pass  # it has ended, or is another user's and none of ours
    finally:
        os.close(process)


def _holds(number: int, mark: str) -> bool:
    folder = f"/proc/{number}/fd"
    for name in os.listdir(folder):
        try:
            if os.readlink(f"{folder}/{name}") == mark:
                return True
        except OSError:
            continue  # closed meanwhile
    return False


if __name__ == "__main__":
    end_all(int(sys.argv[1]))
