"""The program ``lithify``."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress

import lithify.starting  # noqa: F401 before all that imports msgspec
from lithify.cli.app import run

GARBAGE = (400_000, 50, 100)
"""How seldom garbage is looked for: by default a third of a short run goes into that."""


def main() -> None:
    """Run the command line and end with its exit status."""
    _open_missing_streams()
    gc.set_threshold(*GARBAGE)
    statuses: list[int] = []
    # the first registered is the last called: by then whoever tidies up at the end has done so
    atexit.register(_leave, statuses)
    statuses.append(run(sys.argv[1:], dict(os.environ)))
    sys.exit(statuses[0])


def _leave(statuses: list[int]) -> None:
    """End the process at once: to take all modules apart, which Python does next, takes a tenth of a short command.

    By now threads are joined, and what others registered was called. Nothing is left to others' buffers but the standard
    streams. A command that ended in no status leaves in the ordinary way.
    """
    for status in statuses:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _open_missing_streams() -> None:
    """Put /dev/null where a standard stream was closed: the next file that is opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8"))


if __name__ == "__main__":
    main()
