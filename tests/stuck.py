"""A test that takes too long says what its programs were doing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.faults.killing import descendants

STACKS = {"PYTHONFAULTHANDLER": "1"}
"""For a program's environment: it prints the stack of each of its threads when it is aborted."""


def communicate(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a program started with :data:`STACKS` said by its end.

    Where the wait is ended from outside, by the time limit of a test or by Ctrl-C, the program and those it started are
    aborted, and the exception carries what they said, and where they were.
    """
    try:
        return child.communicate()
    except BaseException as error:
        error.add_note("processes that were running:\n" + "\n".join(map(describe, family(child.pid))))
        stdout, stderr = abort(child)
        error.add_note(f"standard output:\n{stdout}\nstandard error:\n{stderr}")
        raise


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end, as :func:`communicate` waits for it, and return its status and output."""
    with subprocess.Popen(
        argv, cwd=cwd, env={**env, **STACKS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        stdout, stderr = communicate(child)
    return subprocess.CompletedProcess(argv, child.returncode, stdout, stderr)


def abort(child: subprocess.Popen[str]) -> tuple[str, str]:
    """End a program and those that it started, and return what it said; a program started with :data:`STACKS` tells them."""
    for process in reversed(family(child.pid)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGABRT)
    try:
        return child.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.communicate()


def family(process: int) -> list[int]:
    """Return a process and all that it started, parents first."""
    return [process, *descendants(process)]


def describe(process: int) -> str:
    """Return a process's number, its command line and what it waits for, as far as the kernel tells."""

    def told(name: str) -> str:
        try:
            text = Path(f"/proc/{process}/{name}").read_bytes().decode(errors="replace")
        except OSError:
            return "?"
        return " ".join(text.replace("\0", " ").split())

    state = re.search(r"State: \S+ \S+", told("status"))
    return f"{process}: {told('cmdline')[:500]}: {state[0] if state else 'gone'}, in {told('wchan')}"
