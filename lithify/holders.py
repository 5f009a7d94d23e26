"""Who holds a lock: asked of the kernel, since what is written in a lock file may be of somebody who has long ended."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def holders_in(locks: str, device: tuple[int, int], inode: int) -> list[int]:
    """Return the processes that hold a ``flock`` on a file, by the text of ``/proc/locks``. Pure.

    ``device``: major and minor number. On file systems that show another device there than in ``stat`` (btrfs), the inode
    alone decides. A process that the reader cannot see is left out.
    """
    exact: list[int] = []
    by_inode: list[int] = []
    for line in locks.splitlines():
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK":  # one that waits has `->` there
            continue
        major, minor, number = words[5].split(":")
        if int(number) != inode or int(words[4]) <= 0:
            continue
        by_inode.append(int(words[4]))
        if (int(major, 16), int(minor, 16)) == device:
            exact.append(int(words[4]))
    return sorted(set(exact or by_inode))


def describe_process(process: int) -> str:
    """Return a process as a person is told of it: ``process 123``, and whether somebody has stopped it, and how it goes on."""
    text = f"process {process}"
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return text
    return f"{text}, which is stopped (`kill -CONT {process}` lets it go on)" if state in "Tt" else text


def describe_holders(descriptor: int, *, written: str) -> str:
    """Return who holds a ``flock`` on the file that is open: all of them, or ``written`` where the kernel names none."""
    status = os.fstat(descriptor)
    try:
        locks = Path("/proc/locks").read_text()
    except OSError:
        return written
    found = holders_in(locks, (os.major(status.st_dev), os.minor(status.st_dev)), status.st_ino)
    return _listed(describe_process(process) for process in found) or written


def _listed(items: Iterable[str]) -> str:
    return " and ".join(items)
