"""A lithify that is killed leaves nothing of a sandbox behind, wherever bubblewrap was in setting it up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lithify import crash
from lithify.staging import lifeline
from lithify.staging.bubblewrap import arguments
from lithify.staging.confined import confined
from lithify.staging.supervision import supervise
from tests.inside import run_inside, start_inside
from tests.staging.areas import area
from tests.staging.stacks import need_static_shell

END_SECONDS = 5.0
"""How long it may outlive who started it, on a machine that does other things too."""
FOR_EVER = "while :; do :; done"


def _running(mark: str) -> list[tuple[int, str]]:
    """Return the processes of the whole machine that have ``mark`` in their command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            line = Path("/proc", name, "cmdline").read_text(errors="replace")
            if mark in line and int(name) != os.getpid():
                found.append((int(name), line))
    return found


def _left_at_last(mark: str) -> list[str]:
    """Wait for the end of all processes that have ``mark`` in their command line; return (and end) what stays."""
    until = time.monotonic() + END_SECONDS
    while (left := _running(mark)) and time.monotonic() < until:
        time.sleep(0.005)
    for number, _ in left:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return [line for _, line in left]


def _is_killed_before_the_command(folder: str) -> None:
    crash.arm(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == "sandbox.begin" else None)
    with area(folder) as opened:
        supervise(
            arguments(opened.sandbox), ["sh", "-c", FOR_EVER], limits=opened.sandbox.limits, log=opened.log
        )


def test_killed_when_the_command_was_to_begin(folder: Path, who: str | None) -> None:
    """bubblewrap takes the end of what it waits for as leave to begin; one that says nothing goes on."""
    need_static_shell()
    with start_inside(_is_killed_before_the_command, str(folder), user=who) as child:
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert _left_at_last(folder.name) == []


def _is_killed_often(folder: str, times: int, step: float) -> dict[str, list[str]]:
    """Start a sandbox in a child, kill that some microseconds later, more each time; return what stayed of each."""
    stayed = {}
    for number in range(times):
        place = Path(folder, f"at-{number}-")
        place.mkdir()
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            lifeline.mark()
            os.write(writes, b"1")
            confined(["sleep", "1000"], writable=[place])
            os._exit(0)
        os.read(reads, 1)
        until = time.monotonic() + number * step
        while time.monotonic() < until:
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reads)
        os.close(writes)
        left = _left_at_last(str(place))
        if left:
            stayed[place.name] = left
    return stayed


@pytest.mark.slow
def test_killed_at_any_moment_of_the_first_milliseconds(folder: Path, who: str | None) -> None:
    assert run_inside(_is_killed_often, str(folder), 25, 0.001, user=who) == {}


def test_a_lifeline_ends_with_its_process_and_costs_one_shell(folder: Path) -> None:
    """Nothing runs any more when the process has ended well; a second sandbox has the same mark."""
    code = (
        "import os; from lithify.staging import lifeline; one = lifeline.mark(); assert one == lifeline.mark();"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (shell,) = done.stdout.split()
    assert not Path("/proc", shell).exists()
