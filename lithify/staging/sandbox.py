"""Commands run in bubblewrap, in our own namespace: no network, nothing of the host, no way to outlive the build.

bubblewrap makes no user namespace of its own, since that would leave one id and break ``chown``; it drops all capabilities
but the eight that an installation needs. It is started and waited for in one thread: ``--die-with-parent`` follows the thread.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from lithify.graph.environment import BOOTSTRAP_ROOT
from lithify.graph.model import Command
from lithify.process import Completed, ProgramFailed, run, start, tool_environment
from lithify.staging.logs import LogWriter

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETFCAP",
    "CAP_SYS_CHROOT",
)
HOSTNAME = "lithify"
TICK = 0.2
"""Seconds between looks at the clock and at the interrupt."""
DRAIN_SECONDS = 1.0
"""How long output is still read after the command has ended: somebody may hold the pipe."""
UMASK = 0o022


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A folder of the host that is visible inside."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a command may take; None is no limit."""

    timeout: float | None = None
    """Seconds of wall time for one command."""
    log_bytes: int | None = None
    memory: int | None = None
    """Bytes of address space for one process."""

    def with_timeout(self, seconds: float) -> Limits:
        """Return the limits with another time."""
        return replace(self, timeout=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Where a command runs: a pure value, from which :func:`arguments` makes bubblewrap's command line."""

    root: Path
    binds: tuple[Bind, ...] = ()
    root_writable: bool = False
    bootstrap: bool = False
    """Run on the host, read-only, with ``root`` at one fixed path (classic bootstrap and test mode)."""
    cwd: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()

    def with_environment(self, environment: Mapping[str, str]) -> Sandbox:
        """Return the sandbox with another environment."""
        return replace(self, environment=environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    returncode: int
    """0 is success; negative for a signal, as ``subprocess`` has it."""
    reason: str
    """``exit_code=N``, ``timed out after N s``, ``interrupted``."""
    seconds: float = 0.0


def arguments(sandbox: Sandbox) -> list[str]:
    """Return bubblewrap's command line up to the command itself."""
    argv = [
        "bwrap",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    argv += ["--hostname", HOSTNAME, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        argv += ["--cap-add", capability]
    place = ""
    if sandbox.bootstrap:
        place = BOOTSTRAP_ROOT
        argv += [
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "--tmpfs",
            "/run",
        ]
    argv += ["--bind" if sandbox.root_writable else "--ro-bind", str(sandbox.root), place or "/"]
    if not sandbox.bootstrap:
        argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for bind in sandbox.binds:
        argv += ["--bind" if bind.writable else "--ro-bind", str(bind.source), place + bind.target]
    for name, value in sorted(sandbox.environment.items()):
        argv += ["--setenv", name, value]
    return [*argv, "--chdir", place + sandbox.cwd, "--"]


def run_command(
    sandbox: Sandbox, command: Command, *, log: LogWriter, interrupt: threading.Event | None = None
) -> Ended:
    """Run one command as ``sh -x -e -c COMMAND``, the command one unaltered argument, and return how it ended."""
    text = os.fsdecode(command) if isinstance(command, bytes) else command
    return _run(sandbox, ["sh", "-x", "-e", "-c", text], log, interrupt)


def run_script(
    sandbox: Sandbox, path: str, *, log: LogWriter, interrupt: threading.Event | None = None
) -> Ended:
    """Run an executable file of the sandbox directly, and return how it ended."""
    return _run(sandbox, [path], log, interrupt)


def run_interactive(sandbox: Sandbox, argv: Sequence[str]) -> int:
    """Run a program on the caller's own terminal and return its exit status; ``--new-session`` is left out for job control."""
    line = [argument for argument in arguments(sandbox) if argument != "--new-session"]
    with start([*line, *argv], env=tool_environment(), stdin=0, stdout=1, stderr=2) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # it is the shell's to answer


def _run(sandbox: Sandbox, argv: Sequence[str], log: LogWriter, interrupt: threading.Event | None) -> Ended:
    began = time.monotonic()
    child = start(
        [*arguments(sandbox), *argv],
        env=tool_environment(),
        stderr=subprocess.STDOUT,
        before_exec=_preparation(sandbox.limits),
    )
    assert child.stdout is not None
    with child:
        stopped = _watch(child, child.stdout.fileno(), log, sandbox.limits.timeout, interrupt, began)
        if stopped is not None:
            _kill(child)
        returncode = child.wait()
        _drain(child.stdout.fileno(), log)
        child.stdout.close()
    seconds = time.monotonic() - began
    if stopped is not None:
        log.write(f"\n### {stopped} ###\n".encode())
        return Ended(returncode=returncode or -signal.SIGKILL, reason=stopped, seconds=seconds)
    return Ended(returncode=returncode, reason=f"exit_code={returncode}", seconds=seconds)


class _preparation:
    """What the child does to itself before bubblewrap starts; made before the fork, so that it only makes system calls."""

    def __init__(self, limits: Limits) -> None:
        self._memory = limits.memory

    def __call__(self) -> None:
        os.umask(UMASK)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self._memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (self._memory, self._memory))


def _watch(
    child: subprocess.Popen[bytes],
    output: int,
    log: LogWriter,
    timeout: float | None,
    interrupt: threading.Event | None,
    began: float,
) -> str | None:
    """Log output until the command ends; return why it must be stopped, or None where it ended by itself."""
    poller = select.poll()
    poller.register(output, select.POLLIN | select.POLLHUP)
    open_still = True
    while child.poll() is None:
        if interrupt is not None and interrupt.is_set():
            return "interrupted"
        if timeout is not None and time.monotonic() - began > timeout:
            return f"timed out after {timeout:g} s"
        if not open_still:
            time.sleep(TICK / 10)
            continue
        if poller.poll(TICK * 1000):
            data = os.read(output, 1 << 16)
            if data:
                log.write(data)
            else:
                open_still = False
    return None


def _drain(output: int, log: LogWriter) -> None:
    """Take what is still in the pipe, for a while: whoever holds it is dead by now, since the pid namespace is."""
    end = time.monotonic() + DRAIN_SECONDS
    poller = select.poll()
    poller.register(output, select.POLLIN | select.POLLHUP)
    while time.monotonic() < end and poller.poll(0):
        data = os.read(output, 1 << 16)
        if not data:
            return
        log.write(data)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End bubblewrap, and with it the pid namespace and everything in it, whatever it does with signals."""
    child.kill()


def confined(
    argv: Sequence[str],
    *,
    writable: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    cwd: Path | None = None,
    stdin: bytes | IO[bytes] = b"",
    timeout: float | None = None,
    expected: Sequence[int] | None = (0,),
) -> Completed:
    """Run a host tool that reads the host's programs and the given paths, and writes the given folders alone.

    See :class:`lithify.process.Confined`. Raises :class:`ProgramFailed` for a status that is not ``expected``.
    """
    line = [
        "bwrap",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--hostname",
        HOSTNAME,
    ]
    line += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        line += ["--cap-add", capability]
    for name in ("usr", "bin", "sbin", "lib", "lib64", "lib32", "etc/alternatives"):
        line += ["--ro-bind-try", f"/{name}", f"/{name}"]
    line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in readable:
        line += ["--ro-bind", str(path), str(path)]
    for path in writable:
        line += ["--bind", str(path), str(path)]
    for name, value in tool_environment().items():
        line += ["--setenv", name, value]
    line += ["--chdir", str(cwd or "/"), "--", *argv]
    completed = run(line, stdin=stdin, timeout=timeout, expected=None)
    if expected is not None and completed.returncode not in expected:
        raise ProgramFailed(replace(completed, argv=tuple(argv)))
    return completed
