"""Commands run in a sandbox: no network, nothing of the host, no way to outlive the build.

What others need of it stands here: the description of a sandbox (:mod:`lithify.staging.bubblewrap`), running a command of a
build, a program on the terminal (:mod:`lithify.staging.terminal`), a host tool (:mod:`lithify.staging.confined`).
"""

from __future__ import annotations

import os
import threading

from lithify.graph.model import Command
from lithify.staging.bubblewrap import CAPABILITIES, HOSTNAME, Bind, Sandbox, arguments
from lithify.staging.confined import confined
from lithify.staging.limits import UMASK, Limits, describe_limits
from lithify.staging.logs import LogWriter
from lithify.staging.supervision import Ended, supervise
from lithify.staging.terminal import run_interactive

GRACE_SECONDS = 3.0
"""How long an interrupted command may take to remove what it has half made, where its build folder is kept."""
__all__ = [
    "CAPABILITIES",
    "GRACE_SECONDS",
    "HOSTNAME",
    "UMASK",
    "Bind",
    "Ended",
    "Limits",
    "Sandbox",
    "arguments",
    "confined",
    "describe_limits",
    "run_command",
    "run_interactive",
    "run_script",
]


def run_command(
    sandbox: Sandbox,
    command: Command,
    *,
    log: LogWriter,
    interrupt: threading.Event | None = None,
    grace: float = 0.0,
) -> Ended:
    """Run one command as ``sh -x -e -c COMMAND``, the command one unaltered argument, and return how it ended.

    ``grace``: see :func:`~lithify.staging.supervision.supervise`.
    """
    text = os.fsdecode(command) if isinstance(command, bytes) else command
    return supervise(
        arguments(sandbox),
        ["sh", "-x", "-e", "-c", text],
        limits=sandbox.limits,
        log=log,
        interrupt=interrupt,
        grace=grace,
    )


def run_script(
    sandbox: Sandbox, path: str, *, log: LogWriter, interrupt: threading.Event | None = None
) -> Ended:
    """Run an executable file of the sandbox directly, and return how it ended."""
    return supervise(arguments(sandbox), [path], limits=sandbox.limits, log=log, interrupt=interrupt)
