"""`log -f` beside a build that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program

pytestmark = pytest.mark.slow

WAITS = """\
name: lib
kind: chunk
sources:
- {kind: local, path: lib}
build-commands:
- echo begun; while [ ! -e go ]; do sleep 0.05; done; echo over
install-commands:
- touch "$DESTDIR/done"
"""
SECONDS = 120
"""How long something may take that takes a moment."""


@pytest.fixture
def program() -> Iterator[Program]:
    """The program on a tree with a chunk whose build waits for a file."""
    with folder_of(None) as folder:
        definitions = small_tree(folder / "definitions")
        (definitions / "chunks" / "lib.morph").write_text(WAITS)
        made = Program(folder=folder, definitions=definitions)
        made.done("build", "small", "shell")
        yield made


def waited_for(folder: Path, pattern: str) -> Path:
    """Return the file that appears."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {folder}")


def test_a_running_build_is_followed_to_its_end(program: Program) -> None:
    building = program.start("build", "small", "lib")
    waited_for(program.cache / "logs", "*.log")
    built = waited_for(program.folder / "tmp", "lib-*/build/source").parent
    running = json.loads(program.done("log", "lib", "--json").stdout)
    assert (running["chunk"], running["running"]) == ("lib", True)
    following = program.start("log", "lib", "-f")
    assert following.stdout is not None
    lines = []
    while not lines or lines[-1] != "begun\n":
        lines.append(following.stdout.readline())
        assert lines[-1] != "", "it has ended before the build"
    assert following.poll() is None
    (built / "go").touch()
    rest = following.stdout.read()
    assert (following.wait(timeout=SECONDS), following.communicate()[1]) == (0, "")
    assert "\nover\n" in f"\n{rest}"
    building.communicate(timeout=SECONDS)
    assert building.returncode == 0
    assert "".join(lines) + rest == program.done("log", "lib").stdout
    ended = json.loads(program.done("log", "lib", "--json").stdout)
    assert not ended["running"]
    assert ended["lines"][-1] == "+ touch /lib.inst/done"


def test_the_log_of_a_failed_build_is_found_after_an_edit(program: Program) -> None:
    """Who reads why it failed has often begun to mend it."""
    chunk = program.definitions / "chunks" / "lib.morph"
    chunk.write_text(WAITS.replace("echo begun;", "echo begun; no-such-program;"))
    failed = program.run("build", "small", "lib")
    assert failed.status == 1
    first = program.done("log", "lib").stdout
    assert "no-such-program" in first
    (program.definitions / "lib" / "source").write_text("mended\n")
    assert program.done("log", "lib").stdout == first
    assert program.done("show-build-log", "small", "lib").stdout == first
    chunk.write_text(WAITS.replace("while [ ! -e go ]", "while false"))
    program.done("build", "small", "lib")
    assert "begun" in program.done("log", "lib").stdout
    (program.definitions / "lib" / "source").write_text("edited again\n")
    assert "no-such-program" not in program.done("log", "lib").stdout
