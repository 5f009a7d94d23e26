"""Sandboxes end with lithify whenever it is killed, the milliseconds in which bubblewrap sets one up included.

``bwrap --die-with-parent`` ties its first process inside to its life only when the sandbox is set up; before, that process
would go on alone, and run the command. So a shell is started before the first sandbox. It reads a pipe that lithify alone
writes, which the kernel closes however lithify ends, and becomes :mod:`lithify.staging.left_behind` then. That ends all that
hold the mark, the writing end of another pipe: ``bwrap --sync-fd`` keeps it in the first process inside, and shuts it for the
command. Manual: ``docs/internals/staging.md``.
"""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress

from lithify.process import start, tool_environment
from lithify.staging import left_behind

_WAITS = ("sh", "-c", 'read -r _ || exec "$@"', "sh")
"""A line read says that all has ended well."""
_lock = threading.Lock()
_lifelines: dict[int, _Lifeline] = {}
"""By process: one that was forked from another has its own."""


def mark() -> int:
    """Return the descriptor for ``bwrap --sync-fd``, to be passed on to it; it stays this module's.

    The first call starts the shell. May be called by any thread.
    """
    with _lock:
        process = os.getpid()
        if process not in _lifelines:
            _lifelines[process] = _Lifeline()
            atexit.register(_lifelines[process].let_go)
        return _lifelines[process].mark


class _Lifeline:
    """Both pipes, and the shell."""

    def __init__(self) -> None:
        waits, self._life = os.pipe()
        self._held, self.mark = os.pipe()
        try:
            self._child: subprocess.Popen[bytes] = start(
                [*_WAITS, sys.executable, "-I", "-S", left_behind.__file__, str(self._held)],
                env=tool_environment(),
                stdin=waits,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._held,),
                new_session=True,  # Ctrl-C is not for it
            )
        except BaseException:
            for descriptor in (self._life, self._held, self.mark):
                os.close(descriptor)
            raise
        finally:
            os.close(waits)

    def let_go(self) -> None:
        """End the shell where no sandbox is left; else it ends those when this process has ended."""
        os.close(self.mark)
        poller = select.poll()
        poller.register(self._held, 0)
        if poller.poll(0):
            with suppress(BrokenPipeError):  # somebody has killed it
                os.write(self._life, b"\n")
            self._child.wait()
