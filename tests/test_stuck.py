"""What a test that takes too long tells of its programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests import stuck

WAITING = """
import os, signal, subprocess, sys

def the_place_where_it_waits():
    os.kill(int(sys.argv[1]), signal.SIGUSR1)
    signal.pause()

print("said before", flush=True)
shell = subprocess.Popen(["sh", "-c", "echo ready; read never"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
shell.stdout.readline()
the_place_where_it_waits()
"""


class TakesTooLong(Exception):
    """Raised as a time limit is: from a signal's handler."""


def test_a_program_is_ended_and_says_where_it_was() -> None:
    def handler(number: int, frame: object) -> None:
        raise TakesTooLong

    before = signal.signal(signal.SIGUSR1, handler)
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(os.getpid())],
        env=stuck.STACKS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with pytest.raises(TakesTooLong) as raised:
            stuck.communicate(child)
    finally:
        signal.signal(signal.SIGUSR1, before)
    processes, said = raised.value.__notes__
    assert "sh -c echo ready; read never: State: " in processes
    assert "said before" in said
    assert "in the_place_where_it_waits" in said
    assert child.returncode == -signal.SIGABRT
