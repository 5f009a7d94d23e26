"""A program in a sandbox on the user's own terminal, by way of a pseudo-terminal of its own.

What runs inside never holds the user's terminal: it could push characters into its input (``TIOCSTI``), which the user's
shell would then run outside. Its own one also gives it job control.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import subprocess
import termios
import tty
from collections.abc import Iterator, Sequence

from lithify.process import start, tool_environment
from lithify.staging.bubblewrap import Sandbox, arguments, held
from lithify.staging.limits import Limits, Preparation

_TICK = 0.2
"""Seconds between looks at the size of the user's terminal."""
_READ = 1 << 16


def run_interactive(sandbox: Sandbox, argv: Sequence[str]) -> int:
    """Run a program on standard input and output and return its exit status; 128 + N where signal N ended it.

    Where standard input is a terminal, it is relayed in raw mode and set back afterwards. The sandbox's time and log limits
    do not hold.
    """
    line = arguments(sandbox)
    if not os.isatty(0):
        return _run(line, argv, sandbox.limits, 0, 1, 2)
    line.remove("--new-session")  # the session of the pseudo-terminal is new already
    ours, theirs = pty.openpty()
    try:
        _copy_size(0, theirs)
        with _raw(0):
            return _run(line, argv, sandbox.limits, theirs, theirs, theirs, relay=ours)
    finally:
        os.close(ours)
        os.close(theirs)


def _run(
    line: Sequence[str],
    argv: Sequence[str],
    limits: Limits,
    stdin: int,
    stdout: int,
    stderr: int,
    *,
    relay: int | None = None,
) -> int:
    preparation = Preparation(limits)

    def prepare() -> None:
        preparation()
        if relay is not None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with contextlib.ExitStack() as stack:
        if preparation.group is not None:
            stack.callback(preparation.group.close)
        whole, passed = stack.enter_context(held(line))
        child = start(
            [*whole, "--", *argv],
            env=tool_environment(),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=passed,
            new_session=relay is not None,
            before_exec=prepare,
        )
        stack.callback(_end, child)
        status = _wait(child) if relay is None else _relay(child, relay)
    return status if status >= 0 else 128 - status


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def _wait(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # it is the program's to answer


def _relay(child: subprocess.Popen[bytes], ours: int) -> int:
    """Copy both ways until the program has ended and all its output is shown."""
    inputs = [0, ours]
    while True:
        ended = child.poll() is not None
        ready, _, _ = select.select([ours] if ended else inputs, [], [], 0 if ended else _TICK)
        if not ready and ended:
            return child.returncode
        _copy_size(0, ours)
        if ours in ready:
            try:
                _write_all(1, os.read(ours, _READ))
            except OSError:
                return child.wait()  # EIO: nobody holds the other side any more
        if 0 in ready:
            data = os.read(0, _READ)
            if data:
                _write_all(ours, data)
            else:
                inputs.remove(0)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _copy_size(source: int, target: int) -> None:
    """Give a terminal the size of another; the kernel tells its foreground processes."""
    size = termios.tcgetwinsize(source)
    if termios.tcgetwinsize(target) != size:
        termios.tcsetwinsize(target, size)


@contextlib.contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Hand every key through, control characters included, for the block."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
