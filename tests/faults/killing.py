"""Kills a running program, or something that it started, and looks for what stays of it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
END_SECONDS = 5.0
"""How long something may outlive the program that started it."""


def adopt_orphans() -> None:
    """Have what killed programs leave running come to this process, where it is seen."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def descendants(process: int) -> Iterator[int]:
    """Yield all that a process has started and that still runs, itself left out."""
    for task in _listed(f"/proc/{process}/task"):
        for child in _text(f"/proc/{process}/task/{task}/children").split():
            yield int(child)
            yield from descendants(int(child))


def name_of(process: int) -> str:
    """Return a process's name, or "" where it has ended."""
    return _text(f"/proc/{process}/comm").strip()


def kill_after(child: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a program after a while; return False where it had ended before."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return True
    return False


def kill_descendant(child: subprocess.Popen[str], seconds: float, choice: float) -> str:
    """Kill one of the processes that a program has started, after a while; return its name, or "" where there was none.

    ``choice`` in [0, 1) says which. Where nothing runs at that moment, the next thing that is started is taken.
    """
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    while child.poll() is None:
        running = sorted(descendants(child.pid))
        if running:
            chosen = running[int(choice * len(running))]
            name = name_of(chosen)
            with suppress(ProcessLookupError):
                os.kill(chosen, signal.SIGKILL)
                return name or "?"
        os.sched_yield()
    return ""


def orphans() -> list[str]:
    """Wait until nothing of a killed program runs any more; return (and end) what is alive after :data:`END_SECONDS`.

    Every child of this process that it waits for itself must have ended.
    """
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return []
    left = []
    for process in descendants(os.getpid()):
        left.append(f"{process} {name_of(process)}")
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return left


def mounted(folder: Path) -> list[str]:
    """Return the processes that see a mount of, or in, a folder of this name."""
    mark = f"/{folder.name}/"
    return [
        f"{process} {name_of(int(process))}"
        for process in _listed("/proc")
        if process.isdigit() and mark in _text(f"/proc/{process}/mountinfo")
    ]


def held_locks(folder: Path) -> list[str]:
    """Return the files of a folder of locks that somebody holds."""
    found = []
    for name in _listed(str(folder)):
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found.append(name)
        finally:
            os.close(descriptor)
    return found


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
