"""bubblewrap's command line for a sandbox: what is visible inside, and what is shut.

bubblewrap makes no user namespace of its own, since that would leave one id and break ``chown``; it drops all capabilities
but the eight that an installation needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lithify.graph.environment import BOOTSTRAP_ROOT
from lithify.staging import lifeline
from lithify.staging.limits import DEFAULT_LIMITS, Limits
from lithify.staging.seccomp import open_filter

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
_NOT_THE_HOSTS = frozenset({"proc", "dev", "tmp", "run", BOOTSTRAP_ROOT.strip("/")})
"""Top folders that a bootstrap-mode chunk does not have from the host."""


class Bind(Struct, frozen=True, kw_only=True):
    """A folder of the host that is visible inside."""

    source: Path
    target: str
    """Absolute, below the sandbox's root. A bind at ``/tmp`` replaces the one in memory."""
    writable: bool = False


class Sandbox(Struct, frozen=True, kw_only=True):
    """Where a command runs: a plain value, from which :func:`arguments` makes bubblewrap's command line."""

    root: Path
    binds: tuple[Bind, ...] = ()
    root_writable: bool = False
    bootstrap: bool = False
    """Run on the host, read-only, with ``root`` at ``BOOTSTRAP_ROOT`` (classic bootstrap and test mode); the targets of
    ``binds`` and ``cwd`` are below it."""
    cwd: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS

    def with_environment(self, environment: Mapping[str, str]) -> Sandbox:
        """Return the sandbox with another environment."""
        return replace(self, environment=environment)


def arguments(sandbox: Sandbox) -> list[str]:
    """Return bubblewrap's command line up to the command itself."""
    place = BOOTSTRAP_ROOT if sandbox.bootstrap else ""
    argv = [*isolation(), "--unshare-cgroup-try"]
    if sandbox.bootstrap:
        argv += _host(os.listdir("/"))
    argv += ["--bind" if sandbox.root_writable else "--ro-bind", str(sandbox.root), place or "/"]
    argv += kernel_folders()
    argv += [] if any(place + bind.target == "/tmp" for bind in sandbox.binds) else scratch("/tmp")
    for bind in sandbox.binds:
        argv += ["--bind" if bind.writable else "--ro-bind", str(bind.source), place + bind.target]
    if sandbox.bootstrap:
        argv += ["--remount-ro", "/"]
    argv += variables(sandbox.environment)
    return [*argv, "--chdir", place + sandbox.cwd]


def isolation() -> list[str]:
    """Return what every sandbox is cut off from: processes, network, IPC, host name, environment, terminal, capabilities."""
    argv = [
        "bwrap",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--hostname",
        HOSTNAME,
    ]
    argv += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        argv += ["--cap-add", capability]
    return argv


@contextmanager
def held(line: Sequence[str]) -> Iterator[tuple[list[str], list[int]]]:
    """Yield a command line of bubblewrap with what each one ends in, and the descriptors to pass on to it.

    The mark by which the sandbox ends with lithify (:mod:`lithify.staging.lifeline`), and the filter of system calls where
    the machine has one. The descriptors are needed until bubblewrap is started.
    """
    mark, seccomp = lifeline.mark(), open_filter()
    if seccomp is None:
        yield [*line, "--sync-fd", str(mark)], [mark]
        return
    try:
        yield [*line, "--sync-fd", str(mark), "--seccomp", str(seccomp)], [mark, seccomp]
    finally:
        os.close(seccomp)


def kernel_folders() -> list[str]:
    """Return the mounts of ``/dev``, and of ``/proc``, read-only and without what only root may read.

    Root in our namespace is the host's root where all ids are mapped to themselves, and for ``/proc/sys`` and the modes of
    files there the kernel asks for nothing else: a build could name a program that the host runs at the next crash.
    bubblewrap covers ``/proc/sys`` only where the folder itself says that it can be written, which it never does.
    """
    argv = ["--dev", "/dev", *scratch("/dev/shm"), "--proc", "/proc"]
    for name in _roots_own_in_proc():
        argv += ["--ro-bind-try", "/dev/null", f"/proc/{name}"]
    return [*argv, "--remount-ro", "/proc"]


def scratch(target: str) -> list[str]:
    """Return an empty folder in memory that anybody inside may write."""
    return ["--perms", "1777", "--tmpfs", target]


def variables(environment: Mapping[str, str]) -> list[str]:
    """Return the environment, sorted."""
    argv = []
    for name, value in sorted(environment.items()):
        argv += ["--setenv", name, value]
    return argv


@cache
def _roots_own_in_proc() -> tuple[str, ...]:
    """Return the files of the kernel in ``/proc`` that we may read and others may not; they stay the same."""
    found = sorted(
        entry.name
        for entry in os.scandir("/proc")
        if not entry.name.isdigit()
        and entry.is_file(follow_symlinks=False)
        and not entry.stat(follow_symlinks=False).st_mode & 0o004
        and os.access(entry.path, os.R_OK)
    )
    return tuple(found)


def _host(names: Iterable[str]) -> list[str]:
    """Return the host's top folders, read-only, on a root of their own: a mount point can be made on no read-only one."""
    argv = []
    for name in sorted(set(names) - _NOT_THE_HOSTS):
        path = f"/{name}"
        if os.path.islink(path):
            argv += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            argv += ["--ro-bind-try", path, path]
    return [*argv, *scratch("/run")]
