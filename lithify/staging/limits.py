"""What a command may take: time, log, memory and processes; by control groups where we may make them, else by rlimits.

An rlimit holds for a single process (memory) or for all processes of the user in our namespace (their number), and root's
own processes are not counted by it: :mod:`lithify.staging.crowd` does that. :func:`describe_limits` says which kind holds
here. Whatever the limits, the kernel takes a build's processes first where the machine has no memory left.
"""

from __future__ import annotations

import os
import resource

from msgspec import Struct
from msgspec.structs import replace

from lithify.staging.cgroup import CommandGroup, command_group, parent_group

MOST_PROCESSES = 16384
"""Processes and threads of one command, unless a limit says otherwise: a fork bomb ends there, no build comes near."""
UMASK = 0o022
_FIRST_TO_GO = b"500"
"""Added to what the kernel weighs by when memory is short (proc_pid_oom_score_adj(5)): half of all memory."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a command may take; None is no limit."""

    timeout: float | None = None
    """Seconds of wall time for one command."""
    log_bytes: int | None = None
    memory: int | None = None
    """Bytes: of all commands together where there are control groups, else of address space for one process."""
    processes: int | None = MOST_PROCESSES
    """Processes and threads of one command."""

    def with_timeout(self, seconds: float) -> Limits:
        """Return the limits with another time."""
        return replace(self, timeout=seconds)


DEFAULT_LIMITS = Limits()


class Preparation:
    """The limits of one command, and how its first process gets them.

    Called, it makes system calls alone: it may stand between a fork and an exec.
    """

    def __init__(self, limits: Limits) -> None:
        self.group: CommandGroup | None = command_group(memory=limits.memory, processes=limits.processes)
        self._rlimits = [(resource.RLIMIT_CORE, (0, 0))]
        self.counted: int | None = None
        """So many processes are to be counted from outside, where the kernel does not do it."""
        if self.group is None:
            if is_hosts_root():
                self.counted = limits.processes
            for kind, value in (
                (resource.RLIMIT_AS, limits.memory),
                (resource.RLIMIT_NPROC, limits.processes),
            ):
                if value is not None:
                    self._rlimits.append((kind, _at_most(kind, value)))

    def __call__(self) -> None:
        """Set the umask and the limits of this process, or move it into its group."""
        os.umask(UMASK)
        self.impose(0)

    def impose(self, process: int) -> None:
        """Set the limits of a process that waits for it (0: this one), or move it into its group; its children inherit them.

        Raises :class:`OSError` where the kernel refuses.
        """
        _offer_to_the_kernel(process)
        for kind, values in self._rlimits:
            resource.prlimit(process, kind, values)
        if self.group is not None:
            self.group.take(process)


def _offer_to_the_kernel(process: int) -> None:
    """Let a build be what goes when the machine has no memory left, rather than whoever works on it."""
    try:
        descriptor = os.open(f"/proc/{process or 'self'}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, _FIRST_TO_GO)
    except OSError:
        pass  # it is higher already, and only the machine's root may lower it
    finally:
        os.close(descriptor)


def _at_most(kind: int, value: int) -> tuple[int, int]:
    """Return both rlimits for a value; nobody may raise the hard one."""
    _, hard = resource.getrlimit(kind)
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return lowest, lowest


def describe_limits() -> str:
    """Return by what memory and processes are limited here, for reports."""
    if parent_group() is not None:
        return "memory and processes by control group (version 2), for all processes of a command"
    if is_hosts_root():
        return "memory by rlimit, for each process; processes by counting them five times a second"
    return "memory by rlimit, for each process; processes by rlimit, for all of the user's"


def is_hosts_root() -> bool:
    """Return whether we are uid 0 here and outside: the kernel counts every other user's processes."""
    if os.geteuid() != 0:
        return False
    try:
        with open("/proc/self/uid_map") as lines:
            return any(line.split()[:2] == ["0", "0"] for line in lines)
    except OSError:
        return True
