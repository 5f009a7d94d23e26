"""Damage in the cache is noticed before it gets into what is built: the next build gives what a clean cache gives."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.definitions import small_tree
from tests.cli.test_fsck import HARMS
from tests.inside import folder_of
from tests.program import Program, Said
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow

NOTICED = (
    "a flipped bit in a folder",
    "a flipped bit in a commit",
    "a ref that is no text",
    "a ref to nowhere",
    "a layer with a file more",
    "the facts' first page",
)
"""Damage that a build comes upon, and mends."""


@pytest.fixture(scope="module")
def pristine() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        program.done("build", "small")
        yield program


@pytest.fixture(scope="module")
def expected(pristine: Program) -> str:
    """The digest of the system with another program, from a cache that nobody damaged."""
    with folder_of(None) as folder:
        return changed(copied(pristine, folder))[1]


def copied(pristine: Program, folder: Path) -> Program:
    for name in ("cache", "definitions"):
        subprocess.run(["cp", "-a", pristine.folder / name, folder / name], check=True)
    return Program(folder=folder, definitions=folder / "definitions")


def changed(program: Program) -> tuple[Said, str]:
    """Change what the system's program is made from, build and deploy; return what was said, and the tar file's digest."""
    (program.definitions / "app" / "main").write_text("#!/bin/sh\n# another\n")
    said = program.done("build", "small")
    program.done("deploy", "small", "tar")
    return said, hashlib.sha256((program.definitions / "small.tar").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", NOTICED)
def test_damage_does_not_get_into_what_is_built(pristine: Program, expected: str, name: str) -> None:
    with folder_of(None) as folder:
        program = copied(pristine, folder)
        HARMS[name].do(program)
        said, digest = changed(program)
        assert "Traceback" not in said.stderr
        assert digest == expected


def test_a_file_that_is_gone_is_missing_in_no_image(pristine: Program, expected: str) -> None:
    """The deployment that would hold it is refused with the command that helps, and after that all is as it should be."""
    with folder_of(None) as folder:
        program = copied(pristine, folder)
        HARMS["a file that is gone"].do(program)
        refused = program.run("deploy", "small", "tar")
        assert refused.status == 1, refused
        assert "the store is damaged: file " in refused.stderr
        assert "`lithify fsck --repair`" in refused.stderr
        assert not (program.definitions / "small.tar").exists()
        program.done("fsck", "--repair")
        assert changed(program)[1] == expected
