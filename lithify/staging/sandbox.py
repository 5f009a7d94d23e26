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

__all__ = [
    "CAPABILITIES",
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
    sandbox: Sandbox, command: Command, *, log: LogWriter, interrupt: threading.Event | None = None
) -> Ended:
    """Run one command as ``sh -x -e -c COMMAND``, the command one unaltered argument, and return how it ended."""
    text = os.fsdecode(command) if isinstance(command, bytes) else command
    return supervise(
        arguments(sandbox),
        ["sh", "-x", "-e", "-c", text],
        limits=sandbox.limits,
        log=log,
        interrupt=interrupt,
    )


def run_script(
    sandbox: Sandbox, path: str, *, log: LogWriter, interrupt: threading.Event | None = None
) -> Ended:
    """Run an executable file of the sandbox directly, and return how it ended."""
    return supervise(arguments(sandbox), [path], limits=sandbox.limits, log=log, interrupt=interrupt)
