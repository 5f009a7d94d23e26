"""The one place where lithify starts programs.

argv, working directory and the complete environment go in; exit status and output come out. Our own environment,
working directory and umask are never changed, since builds run in threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from msgspec import Struct

from lithify.errors import HostError, LithifyError

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where host tools are looked for: an ordinary user's PATH often lacks the sbin folders that hold mkfs."""


class Completed(Struct, frozen=True, kw_only=True):
    """A program that has ended."""

    argv: tuple[str, ...]
    returncode: int
    """As ``subprocess`` has it: negative for a signal."""
    stdout: bytes = b""
    stderr: bytes = b""


class ProgramFailed(LithifyError):
    """A program ended with a status that its caller did not expect."""

    def __init__(self, completed: Completed) -> None:
        lines = completed.stderr.decode(errors="replace").strip().splitlines()
        tail = lines[-1] if lines else "it said nothing"
        super().__init__(
            f"{completed.argv[0]} failed (exit_code={completed.returncode}): {tail}", hints=lines[-6:-1]
        )
        self.completed = completed


def tool_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a small fixed environment for a host tool whose output must not depend on who runs it."""
    return {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "TZ": "UTC", **(extra or {})}


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
    umask: int = -1,
    before_exec: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program and return it running; every process that lithify makes comes from here.

    ``umask`` is the child's, -1 our own. ``before_exec`` runs in the child, between fork and exec: only async-signal-safe work
    may stand there. Without one, Python need not copy its page tables for the child, which takes milliseconds.
    Raises :class:`HostError` where the program does not exist.
    """
    try:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            start_new_session=new_session,
            umask=umask,
            preexec_fn=before_exec,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.exists():
            raise
        raise HostError(
            f"the program {argv[0]} is not installed",
            hints=["`lithify doctor` names the package that holds it"],
        ) from error


def start_script(script: str, *arguments: str, new_session: bool = False) -> subprocess.Popen[bytes]:
    """Start a module of ours that imports nothing of lithify as a program, and return it running, with pipes to talk to it.

    It sees no site-packages, and what it says on stderr is dropped: whoever asks it does the work itself where it fails.
    """
    return start(
        [sys.executable, "-I", "-S", script, *arguments],
        env=tool_environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        new_session=new_session,
    )


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | IO[bytes] = b"",
    stdout: int | IO[bytes] = subprocess.PIPE,
    timeout: float | None = None,
    expected: Sequence[int] | None = (0,),
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a program to its end and return its status and output.

    ``env`` defaults to :func:`tool_environment`. ``expected`` lists the exit statuses that are no error (``None``: any).
    Raises :class:`ProgramFailed` for any other, :class:`HostError` where the program does not exist, and
    ``subprocess.TimeoutExpired`` after ``timeout`` seconds, the program killed.
    """
    feed = stdin if isinstance(stdin, bytes) else None
    source: int | IO[bytes] = (
        stdin if not isinstance(stdin, bytes) else subprocess.PIPE if stdin else subprocess.DEVNULL
    )
    with start(
        argv,
        env=tool_environment() if env is None else env,
        cwd=cwd,
        stdin=source,
        stdout=stdout,
        pass_fds=pass_fds,
    ) as child:
        try:
            out, err = child.communicate(feed or None, timeout=timeout)
        except BaseException:
            child.kill()
            raise
    completed = Completed(argv=tuple(argv), returncode=child.returncode, stdout=out or b"", stderr=err or b"")
    if expected is not None and completed.returncode not in expected:
        raise ProgramFailed(completed)
    return completed


class Confined(Protocol):
    """Runs a host tool where it can read the host's programs and the given paths, write the given folders, and nothing else.

    ``staging/`` has the real one; ``sources/``, which stands above it in the flow, is handed one to unpack with.
    """

    def __call__(
        self,
        argv: Sequence[str],
        *,
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        cwd: Path | None = None,
        stdin: bytes | IO[bytes] = b"",
        timeout: float | None = None,
        expected: Sequence[int] | None = (0,),
    ) -> Completed:
        """Run ``argv`` without network, as the namespace's root; paths inside are the same as outside."""
        ...


def find_program(name: str) -> str | None:
    """Return the full path of a host tool, or None."""
    for folder in TOOL_PATH.split(":"):
        candidate = os.path.join(folder, name)
        if os.access(candidate, os.X_OK):
            return candidate
    return None
