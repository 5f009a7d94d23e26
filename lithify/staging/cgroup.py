"""Control groups (version 2), where this machine lets us make some: memory and number of processes, over whole process trees.

That is so for root, and for a user whose session manager delegates a group, as ``systemd-run --user --scope -p Delegate=yes``
does. Elsewhere :mod:`lithify.staging.limits` sets limits of single processes.

::

    <ours, or the hierarchy's root>/lithify-PID     all commands of this process; memory.max
                                    ├── main        this process itself, where the kernel wants it out of the way
                                    └── N           one command: memory.max, pids.max

A kernel lets no group have both processes and controlled groups below it, except the hierarchy's root.
"""

from __future__ import annotations

import atexit
import errno
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_CONTROLLERS = ("memory", "pids")
_PREFIX = "lithify-"

_lock = threading.Lock()
_numbers = itertools.count(1)
_found: list[Path | None] = []
"""Empty until somebody has looked; then the one answer."""


class CommandGroup:
    """The control group of one command; :meth:`close` ends all that is left in it and removes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._procs = os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def take(self, process: int) -> None:
        """Move a process in, or the calling one (0)."""
        os.write(self._procs, str(process).encode())

    def peak_memory(self) -> int | None:
        """Return the most memory that the command had at once, in bytes; None before Linux 5.19."""
        try:
            return int((self._path / "memory.peak").read_text())
        except OSError:
            return None

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed something of it at the limit."""
        try:
            events = (self._path / "memory.events").read_text().split()
        except OSError:
            return False
        return dict(zip(events[::2], events[1::2], strict=True)).get("oom_kill", "0") != "0"

    def close(self) -> None:
        """Kill what is left and remove the group."""
        os.close(self._procs)
        try:
            (self._path / "cgroup.kill").write_text("1")
        except OSError:
            pass  # before Linux 5.14; the pid namespace has ended everything in any case
        try:
            self._path.rmdir()
        except OSError:
            pass  # the kernel still takes a process apart: the next run removes the group


def command_group(*, memory: int | None, processes: int | None) -> CommandGroup | None:
    """Return a group for one command with its limits set, or None where there can be none."""
    parent = parent_group()
    if parent is None:
        return None
    path = parent / str(next(_numbers))
    try:
        _limit(parent, memory, None)
        path.mkdir()
        _limit(path, memory, processes)
        return CommandGroup(path)
    except OSError:
        return None


def parent_group() -> Path | None:
    """Return the group below which this process may make groups, made on the first call; None where there is none."""
    with _lock:
        if not _found:
            _found.append(_make_parent())
        return _found[0]


def _make_parent() -> Path | None:
    for folder, is_own in _candidates():
        try:
            controllers = (folder / "cgroup.controllers").read_text().split()
            if not set(_CONTROLLERS) <= set(controllers):
                continue
            _remove_stale(folder)
            return _below(folder, is_own=is_own)
        except OSError:
            continue
    return None


def _candidates() -> Iterator[tuple[Path, bool]]:
    """Yield groups to try, each with whether this process is in it: its own one, then the hierarchy's root."""
    mounted = _mount_point()
    if mounted is None:
        return
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::/"):
            own = mounted / line[len("0::/") :]
            if own != mounted:
                yield own, True
    yield mounted, False


def _mount_point() -> Path | None:
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return None


def _below(folder: Path, *, is_own: bool) -> Path:
    group = folder / f"{_PREFIX}{os.getpid()}"
    group.mkdir(exist_ok=True)
    try:
        _enable(folder)
    except OSError as error:
        if not is_own or error.errno != errno.EBUSY:
            group.rmdir()
            raise
        _move_aside(folder, group)
    _enable(group)
    atexit.register(_remove, group)
    return group


def _remove(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        pass  # we are in its group "main" ourselves: the next run removes both


def _move_aside(folder: Path, group: Path) -> None:
    """Leave ``folder`` for a group below it, so that it may have controlled groups; come back where others are in it too."""
    main = group / "main"
    main.mkdir(exist_ok=True)
    (main / "cgroup.procs").write_text("0")
    try:
        _enable(folder)
    except OSError:
        (folder / "cgroup.procs").write_text("0")
        main.rmdir()
        group.rmdir()
        raise


def _enable(folder: Path) -> None:
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))


def _limit(group: Path, memory: int | None, processes: int | None) -> None:
    if memory is not None:
        (group / "memory.max").write_text(str(memory))
        if (group / "memory.swap.max").exists():
            (group / "memory.swap.max").write_text("0")
    if processes is not None:
        (group / "pids.max").write_text(str(processes))


def _remove_stale(folder: Path) -> None:
    """Remove the groups of processes that are gone."""
    for group in folder.glob(f"{_PREFIX}*"):
        owner = group.name.removeprefix(_PREFIX)
        if not owner.isdigit() or Path("/proc", owner).exists():
            continue
        for path in (*(child for child in group.iterdir() if child.is_dir()), group):
            try:
                path.rmdir()
            except OSError:
                pass  # somebody is in it after all
