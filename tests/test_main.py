"""The way out of the program: quick, with everything that was registered done and everything that was written shown."""

from __future__ import annotations

import subprocess
import sys

from tests.program import PROJECT

RUN = """
import atexit, sys, threading
from lithify import __main__ as program

class Heavy:
    def __del__(self):
        print("taken apart")

kept = Heavy()

def run(arguments, environment):
    atexit.register(print, "tidied up")
    threading.Thread(target=lambda: print("thread ended")).start()
    sys.stdout.write("a result")
    sys.stderr.write("a message")
    {end}

program.run = run
program.main()
"""


def ended(end: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(end=end)], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_status_is_the_commands_and_nothing_written_is_lost() -> None:
    status, out, error = ended("return 3")
    assert (status, error) == (3, "a message")
    assert "a result" in out
    assert out.endswith("tidied up\n")
    assert "thread ended" in out
    assert "taken apart" not in out


def test_what_runs_no_command_to_its_end_leaves_in_the_ordinary_way() -> None:
    status, out, error = ended("raise ValueError('a fault')")
    assert status == 1
    assert "tidied up" in out
    assert "taken apart" in out
    assert error.endswith("ValueError: a fault\n")
