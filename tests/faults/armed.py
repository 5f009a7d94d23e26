"""The whole program with its crash points armed: ``python -m tests.faults.armed WHAT HOW LITHIFY-ARGUMENTS``.

``kill N`` sends SIGKILL to the program at the N-th point that it comes to, whichever thread that is in; ``stop N`` sends
SIGSTOP; ``record FILE`` writes the name of each point to a file; ``collect POINT`` has another process collect garbage at it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from lithify.__main__ import main
from lithify.crash import arm


def killer(number: int, sent: signal.Signals) -> Callable[[str], None]:
    """Return what sends this process a signal at its ``number``-th call; the point's name is said before, on stderr."""
    left = [number]
    lock = threading.Lock()

    def count(point: str) -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.write(2, f"\nkilled at {point}\n".encode())
                os.kill(os.getpid(), sent)

    return count


def recorder(path: str) -> Callable[[str], None]:
    """Return what appends each point's name to a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return lambda point: void(os.write(descriptor, f"{point}\n".encode()))


def collector(name: str) -> Callable[[str], None]:
    """Return what runs ``lithify gc`` to its end when we come to a point of this name, and says so on stderr."""

    def collect(point: str) -> None:
        if point == name:
            settings = ["--no-default-configs", "--cachedir-min-space", "0", "--gc-keep", "0"]
            said = subprocess.run(
                [sys.executable, "-m", "lithify", *settings, "gc"], check=True, capture_output=True, text=True
            )
            os.write(2, f"\ncollected at {point}: {said.stderr}\n".encode())

    return collect


def void(_: object) -> None:
    """Return nothing."""


if __name__ == "__main__":
    what, how = sys.argv[1:3]
    signals = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
    if what in signals:
        arm(killer(int(how), signals[what]))
    else:
        arm({"record": recorder, "collect": collector}[what](how))
    sys.argv[1:] = sys.argv[3:]
    main()
