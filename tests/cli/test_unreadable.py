"""Folders and files of the definitions that the user may not read: what may be in them is not taken as absent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program

pytestmark = pytest.mark.slow
CLOSED = "cannot be read: Permission denied"


@pytest.fixture
def program() -> Iterator[Program]:
    """The program for an ordinary user, on root's definitions."""
    if os.geteuid() != 0:
        pytest.skip("only root can keep a folder from another user")
    user = make_ordinary_user()
    with folder_of(user) as folder:
        small_tree(folder / "definitions")
        yield Program(folder=folder, definitions=folder / "definitions", user=user)


def test_a_folder_is_named_with_the_reason(program: Program) -> None:
    (program.definitions / "systems").chmod(0)
    (program.cache / "locks").mkdir(parents=True)
    (program.cache).chmod(0o755)
    for words, missed in (
        (("show", "small"), 'no system "small"'),
        (("build", "small"), 'no system "small"'),
        (("why", "lib"), "no system and no chunk is named lib"),
        (("gc", "--dry-run"), "what systems need is not known"),
    ):
        said = program.run(*words)
        assert (said.status, said.stdout) == (1, "")
        assert said.stderr.splitlines() == [
            f"ERROR: {missed}; systems {CLOSED}",
            "hint: what is in there is not known",
        ]
    assert program.run("validate").stdout.startswith(f"systems:1:1: warning: {CLOSED}\n")
    (program.definitions / "systems").chmod(0o755)
    (program.definitions / "strata").chmod(0)
    said = program.run("get-chunk-details", "lib")
    assert said.stderr.startswith(f"ERROR: chunk lib not found; strata {CLOSED}\n")


def test_a_file_is_named_with_the_reason(program: Program) -> None:
    (program.definitions / "systems" / "small.morph").chmod(0)
    said = program.run("show", "small")
    assert said.stderr.startswith(f"systems/small.morph:1:1: error: {CLOSED}\n")
    said = program.run("why", "lib")
    assert said.stderr.startswith(
        f"ERROR: no system and no chunk is named lib; systems/small.morph {CLOSED}\n"
    )


def test_other_folders_and_lost_and_found_are_no_hindrance(program: Program) -> None:
    for name in ("lost+found", ".hidden"):
        (program.definitions / name).mkdir(mode=0)
    assert (
        program.run("why", "lbi").stderr
        == "ERROR: no system and no chunk is named lbi\nhint: did you mean lib?\n"
    )
    (program.definitions / "output").mkdir(mode=0)
    assert program.done("show", "small").stderr == ""
    assert program.done("validate").stdout == f"output:1:1: warning: {CLOSED}\n"
