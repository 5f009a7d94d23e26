"""Processes that copy the files of folders, kept for the next folder: to start one takes as long as to copy a hundred files."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress

from lithify.process import start_script
from lithify.sources import plain_tree


class Spoolers:
    """As many processes as threads have asked at once; they run as we do at their start, with our namespaces and rights."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def ask(self, fields: Sequence[bytes]) -> list[bytes]:
        """Return what :func:`plain_tree.answer` says to a request; nothing where the process has died of it."""
        with self._lock:
            child = self._idle.pop() if self._idle else None
        # a session of its own: Ctrl-C is for us, who let what is being copied end
        child = child or start_script(plain_tree.__file__, str(os.getpid()), new_session=True)
        try:
            assert child.stdin and child.stdout
            plain_tree.send(child.stdin, fields)
            answer = plain_tree.receive(child.stdout)
        except OSError:
            answer = None
        except BaseException:
            _end(child)
            raise
        if answer is None:
            _end(child)
            return []
        with self._lock:
            self._idle.append(child)
        return answer

    def close(self) -> None:
        """End the processes that nobody waits for; more are started where somebody asks again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    for pipe in (child.stdin, child.stdout):
        if pipe:
            with suppress(OSError):
                pipe.close()
    child.wait()
