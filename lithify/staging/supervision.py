"""A command in bubblewrap is started, watched, and ended for certain: nothing of it is alive when its end is told.

bubblewrap returns as soon as the command itself has ended, while daemons may still write into DESTDIR; ``--die-with-parent``
then kills its pid namespace, which takes some milliseconds. So the namespace's first process is known by a pidfd from before
the command starts (``--info-fd``, ``--block-fd``), and waited for: the kernel reports its end after that of all others in it.
Manual: ``docs/internals/staging.md``.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from io import FileIO

from msgspec import Struct

from lithify.crash import crash_point
from lithify.errors import LithifyError
from lithify.process import start, tool_environment
from lithify.staging.bubblewrap import held
from lithify.staging.crowd import Crowd, ask_to_end
from lithify.staging.limits import UMASK, Limits, Preparation
from lithify.staging.logs import LogWriter

TICK = 0.2
"""Seconds between looks at the clock and at the interrupt."""
END_SECONDS = 5.0
"""How long processes that were killed may take to end, before it is an error."""
DRAIN_SECONDS = 1.0
"""How long output is still read after the end."""
INTERRUPTED = "interrupted"
LONGEST_ARGUMENT = 128 << 10
"""Bytes of one argument: the kernel's ``MAX_ARG_STRLEN``."""
_READ = 1 << 16


class Ended(Struct, frozen=True, kw_only=True):
    """How a command ended, and what it took."""

    returncode: int
    """0 is success; negative for a signal, as ``subprocess`` has it."""
    reason: str
    """``exit_code=N``, ``timed out after N s``, ``interrupted``, ``killed by signal N`` (bubblewrap itself)."""
    seconds: float = 0.0
    cpu_seconds: float | None = None
    """Processor time of all processes; None where the kernel did not tell us."""
    peak_memory: int | None = None
    """Bytes: of all processes together where there is a control group, else of the biggest one."""
    by_itself: bool = True
    """No process of it was killed: it ended, well or not, or did so in time when it was asked to."""


def supervise(
    arguments: Sequence[str],
    command: Sequence[str],
    *,
    limits: Limits,
    log: LogWriter,
    interrupt: threading.Event | None = None,
    grace: float = 0.0,
) -> Ended:
    """Run ``command`` by bubblewrap's command line ``arguments`` and return how it ended; all it printed is in the log.

    An interrupted one is asked to end, so that it can take away what it has half made, and killed after ``grace`` seconds.

    bubblewrap is started and waited for in the calling thread, which ``--die-with-parent`` follows.
    """
    if any(len(os.fsencode(argument)) >= LONGEST_ARGUMENT or "\0" in argument for argument in command):
        raise LithifyError(
            f"a command is longer than the {LONGEST_ARGUMENT >> 10} KiB that the kernel takes, or has a NUL byte in it",
            hints=["put it into a script among the chunk's sources, and call that"],
        )
    preparation = Preparation(limits)
    began = time.monotonic()
    try:
        with _started(arguments, command, preparation) as running:
            running.count(preparation.counted)
            stopped = running.watch(log, limits.timeout, interrupt, began)
            by_itself = stopped is None or (stopped == INTERRUPTED and running.ends_when_asked(log, grace))
            running.end(log)
        peak, was_killed = _memory_of(preparation)
    finally:
        if preparation.group is not None:
            preparation.group.close()
    returncode = running.returncode
    if stopped is not None:
        log.write(f"\n### {stopped} ###\n".encode())
    elif was_killed:
        log.write(f"\n### out of memory: the limit is {limits.memory} bytes ###\n".encode())
    return Ended(
        returncode=returncode if stopped is None else returncode or -signal.SIGKILL,
        reason=stopped or _reason(returncode),
        seconds=time.monotonic() - began,
        cpu_seconds=running.cpu_seconds,
        peak_memory=peak if peak is not None else running.peak_memory,
        by_itself=by_itself and not was_killed and returncode >= 0,
    )


def _reason(returncode: int) -> str:
    return f"exit_code={returncode}" if returncode >= 0 else f"killed by signal {-returncode}"


def _memory_of(preparation: Preparation) -> tuple[int | None, bool]:
    if preparation.group is None:
        return None, False
    return preparation.group.peak_memory(), preparation.group.ran_out_of_memory()


@contextlib.contextmanager
def _started(
    arguments: Sequence[str], command: Sequence[str], preparation: Preparation
) -> Iterator[_Running]:
    """Yield the command running; whatever happens in the block, nothing of it is alive after it."""
    with contextlib.ExitStack() as stack:
        told, tells = _pipe(stack)
        waits, lets = _pipe(stack)
        ours = ["--info-fd", str(tells.fileno()), "--block-fd", str(waits.fileno())]
        line, passed = stack.enter_context(held([*arguments, *ours]))
        child = start(
            [*line, "--", *command],
            env=tool_environment(),
            stderr=subprocess.STDOUT,
            pass_fds=[tells.fileno(), waits.fileno(), *passed],
            new_session=True,
            umask=UMASK,
        )
        running = _Running(child, stack)
        try:
            tells.close()
            waits.close()
            running.find_first_process(told.read(), preparation)
            crash_point("sandbox.begin")
            with contextlib.suppress(BrokenPipeError):
                lets.write(b"1")
            yield running
        finally:
            running.kill()  # before the stack closes the descriptors that it needs


def _pipe(stack: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """Return both ends of a new pipe, closed at the latest with ``stack``."""
    read, write = os.pipe()
    return stack.enter_context(FileIO(read, "rb")), stack.enter_context(FileIO(write, "wb"))


class _Running:
    """A bubblewrap that runs, and the first process of its pid namespace."""

    def __init__(self, child: subprocess.Popen[bytes], stack: contextlib.ExitStack) -> None:
        assert child.stdout is not None
        self._child = child
        self._stack = stack
        self._output = stack.enter_context(child.stdout).fileno()
        self._outer = os.pidfd_open(child.pid)
        stack.callback(os.close, self._outer)
        self._first: int | None = None
        self._first_pid = 0
        self._crowd: Crowd | None = None
        self.cpu_seconds: float | None = None
        self.peak_memory: int | None = None

    @property
    def returncode(self) -> int:
        """The status of bubblewrap, which is the command's; after :meth:`end`."""
        assert self._child.returncode is not None
        return self._child.returncode

    def find_first_process(self, info: bytes, preparation: Preparation) -> None:
        """Take what ``--info-fd`` said: the process that all others of the pid namespace end with; it gets the limits."""
        if not info.strip():
            return  # bubblewrap could not begin; its message is in the log
        self._first_pid = int(json.loads(info)["child-pid"])
        try:
            self._first = os.pidfd_open(self._first_pid)
        except ProcessLookupError:
            return
        self._stack.callback(os.close, self._first)
        with contextlib.suppress(ProcessLookupError):
            preparation.impose(self._first_pid)

    def count(self, most: int | None) -> None:
        """Have :meth:`watch` count the processes and threads, where the kernel does not; None: it does."""
        if most is not None and self._first is not None:
            with contextlib.suppress(OSError):  # it has ended already
                self._crowd = Crowd(self._first_pid, most)

    def watch(
        self, log: LogWriter, timeout: float | None, interrupt: threading.Event | None, began: float
    ) -> str | None:
        """Log output until the command ends; return why it must be stopped, or None where it ended by itself."""
        poller = select.poll()
        poller.register(self._output, select.POLLIN)
        poller.register(self._outer, select.POLLIN)
        while True:
            if interrupt is not None and interrupt.is_set():
                return INTERRUPTED
            if timeout is not None and time.monotonic() - began > timeout:
                return f"timed out after {timeout:g} s"
            if self._crowd is not None and self._crowd.is_too_big():
                return f"more than {self._crowd.most} processes and threads"
            ready = {descriptor for descriptor, _ in poller.poll(TICK * 1000)}
            if self._output in ready:
                data = os.read(self._output, _READ)
                if data:
                    log.write(data)
                else:
                    poller.unregister(self._output)  # the command goes on without it
            elif self._outer in ready:
                return None

    def ends_when_asked(self, log: LogWriter, grace: float) -> bool:
        """Return whether the command ends within ``grace`` seconds of a SIGTERM; what it says meanwhile is logged."""
        if self._first is None or grace <= 0:
            return False
        with contextlib.suppress(OSError):  # it ends already
            ask_to_end(self._first_pid)
        end = time.monotonic() + grace
        while not _has_ended(self._outer) and time.monotonic() < end:
            if select.select([self._output, self._outer], [], [], TICK)[0] == [self._output]:
                data = os.read(self._output, _READ)
                if not data:  # the command goes on without it
                    select.select([self._outer], [], [], max(0.0, end - time.monotonic()))
                log.write(data)
        return _has_ended(self._outer)

    def end(self, log: LogWriter) -> None:
        """Kill what is left, wait until it is gone, and log what it had printed.

        Raises :class:`LithifyError` where the kernel cannot end it in time.
        """
        self.kill()
        end = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < end and select.select([self._output], [], [], 0)[0]:
            data = os.read(self._output, _READ)
            if not data:
                return
            log.write(data)

    def kill(self) -> None:
        """End bubblewrap and every process of its pid namespace, whatever they do with signals; nothing where they are gone."""
        if self._child.returncode is None:
            if not _has_ended(self._outer):
                signal.pidfd_send_signal(self._outer, signal.SIGKILL)
            self._child.wait()
        if self._first is None or self.cpu_seconds is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)
        if not select.select([self._first], [], [], END_SECONDS)[0]:
            raise LithifyError(
                f"a process of the build (below process {self._first_pid}) cannot be ended: it hangs in the kernel",
                hints=["see its state in /proc, and the kernel's log"],
            )
        self._take_usage(self._first)

    def _take_usage(self, first: int) -> None:
        """Note what all processes together took, known where the namespace's first one was left to us."""
        try:
            if os.waitid(os.P_PIDFD, first, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                return
            _, _, usage = os.wait4(self._first_pid, 0)
        except OSError as error:
            if error.errno != errno.ECHILD:
                raise
            return
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_memory = usage.ru_maxrss * 1024


def _has_ended(process: int) -> bool:
    return bool(select.select([process], [], [], 0)[0])
