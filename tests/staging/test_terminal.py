"""A shell in a sandbox has a terminal of its own: job control works, the user's terminal is out of its reach."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from lithify.staging.sandbox import run_interactive
from tests.inside import run_inside
from tests.staging.areas import area
from tests.staging.stacks import need_static_shell


def on_a_terminal(act: Callable[[int], bytes], inner: Callable[[], int]) -> tuple[int, str]:
    """Run ``inner`` in a child on a new terminal while ``act`` is the user there; return its status and what was shown."""
    child, ours = pty.fork()
    if child == 0:
        status = 99
        try:
            status = inner()
        finally:
            os._exit(status)
    shown = act(ours)
    while select.select([ours], [], [], 20)[0]:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:
            break
        if not data:
            break
        shown += data
    _, status = os.waitpid(child, 0)
    os.close(ours)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


def await_text(ours: int, text: bytes, shown: bytes = b"") -> bytes:
    """Read until ``text`` was shown."""
    while text not in shown:
        if not select.select([ours], [], [], 20)[0]:
            raise AssertionError(f"{text!r} was not shown, but {shown!r}")
        shown += os.read(ours, 1 << 16)
    return shown


def shell_session(folder: str) -> list[object]:
    """Type into a shell: a command, an interrupt of a running one, and the end."""
    with area(folder) as opened:

        def act(ours: int) -> bytes:
            termios.tcsetwinsize(ours, (33, 77))
            shown = await_text(ours, b"> ")
            os.write(ours, b"echo $((6 * 7)) $(tty) $(stty size)\n")
            shown = await_text(ours, b"\n> ", shown)
            os.write(ours, b"sh -c \"echo be''gun; exec sleep 600\"\n")
            shown = await_text(ours, b"begun", shown)
            os.write(ours, b"\x03")
            shown += await_text(ours, b"\n> ", shown[-1:])
            os.write(ours, b"exit 5\n")
            return shown

        def inner() -> int:
            sandbox = opened.sandbox.with_environment({"PATH": "/bin", "PS1": "> ", "TERM": "dumb"})
            before = termios.tcgetattr(0)
            status = run_interactive(sandbox, ["sh", "-i"])
            return status if termios.tcgetattr(0) == before else 98

        status, shown = on_a_terminal(act, inner)
    return [status, shown]


def test_a_shell_has_job_control_and_leaves_the_terminal_as_it_was(folder: Path, who: str | None) -> None:
    need_static_shell()
    status, shown = run_inside(shell_session, str(folder), user=who)
    assert status == 5, shown
    assert "42 /dev/pts/0 33 77" in shown or "42 /dev/console 33 77" in shown
    assert "job control" not in shown


def without_terminal(folder: str) -> list[object]:
    with area(folder) as opened:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            with open("/dev/null") as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(writing, 1)
            os._exit(run_interactive(opened.sandbox, ["sh", "-c", "echo out; tty; kill -9 $$"]))
        os.close(writing)
        with os.fdopen(reading) as text:
            said = text.read()
        _, status = os.waitpid(child, 0)
    return [os.waitstatus_to_exitcode(status), said]


def test_a_program_runs_without_a_terminal_too(folder: Path) -> None:
    need_static_shell()
    assert run_inside(without_terminal, str(folder)) == [128 + signal.SIGKILL, "out\nnot a tty\n"]


PUSH = """
import fcntl, termios
try:
    for character in b"pushed":
        fcntl.ioctl(0, termios.TIOCSTI, bytes([character]))
except OSError as error:
    print(error)
"""


def push(folder: str) -> list[object]:
    """Try to push characters into the user's terminal from within: they end in the shell's own one."""
    with area(folder, bootstrap=True) as opened:

        def act(ours: int) -> bytes:
            return b""

        def inner() -> int:
            sandbox = opened.sandbox.with_environment({"PATH": "/usr/bin:/bin"})
            status = run_interactive(sandbox, [os.path.realpath(sys.executable), "-c", PUSH])
            waiting = bytearray(4)
            fcntl.ioctl(0, termios.FIONREAD, waiting)
            return status if waiting == bytearray(4) else 97

        status, shown = on_a_terminal(act, inner)
    return [status, shown]


def test_nothing_is_pushed_into_the_users_terminal(folder: Path, who: str | None) -> None:
    need_static_shell()
    status, _ = run_inside(push, str(folder), user=who)
    assert status == 0
