"""The whole program with its crash points armed: ``python -m tests.faults.armed WHAT HOW LITHIFY-ARGUMENTS``.

``kill N`` sends SIGKILL to the program at the N-th point that it comes to, whichever thread that is in; ``stop N`` sends
SIGSTOP; ``record FILE`` writes the name of each point to a file.
"""

from __future__ import annotations

import os
import signal
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


def void(_: object) -> None:
    """Return nothing."""


if __name__ == "__main__":
    what, how = sys.argv[1:3]
    signals = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
    arm(killer(int(how), signals[what]) if what in signals else recorder(how))
    sys.argv[1:] = sys.argv[3:]
    main()
