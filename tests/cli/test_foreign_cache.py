"""A cache that belongs to somebody else: what an ordinary user is told."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program

pytestmark = pytest.mark.slow


@pytest.fixture
def program() -> Iterator[Program]:
    """The program for an ordinary user, with root's cache."""
    if os.geteuid() != 0:
        pytest.skip("only root can keep a folder from another user")
    user = make_ordinary_user()
    with folder_of(user) as folder:
        small_tree(folder / "definitions")
        (folder / "cache").mkdir(mode=0o700)
        os.chown(folder / "cache", 0, 0)
        yield Program(folder=folder, definitions=folder / "definitions", user=user)


def test_it_is_named_with_what_helps(program: Program) -> None:
    for words in (("build", "small"), ("show", "small"), ("du",), ("gc", "--dry-run")):
        said = program.run(*words)
        assert said.status == 1
        error, hint = said.stderr.splitlines()
        assert error.startswith("ERROR: ")
        assert str(program.cache) in error
        assert error.endswith("Permission denied")
        assert hint.startswith("hint: choose a ")
        assert "--cachedir, or LITHIFY_CACHEDIR" in hint


def test_the_doctor_finds_it(program: Program) -> None:
    said = program.run("doctor")
    assert (said.status, said.stderr) == (1, "")
    assert "MISSING  cachedir: cannot write " in said.stdout
    assert said.stdout.endswith("builds cannot run here: cachedir\n")
