"""Ctrl-C in a command that does nothing about it itself."""

from __future__ import annotations

import fcntl
import signal
from pathlib import Path

import pytest

from lithify.cache import open_cache
from tests import stuck
from tests.cli.transcript import TREE
from tests.program import Program, write_files


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_said_and_ends_with_130(number: signal.Signals, tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=write_files(tmp_path / "definitions", TREE))
    lock = open_cache(program.cache).locks / "in-use"
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        child = program.start("keep", "small")
        assert child.stderr is not None
        assert "the cache, which is being cleaned up: waiting" in child.stderr.readline()
        child.send_signal(number)
        assert stuck.communicate(child) == ("", "ERROR: interrupted\n")
    assert child.returncode == 130
