"""`build --check` builds again from nothing, aside, and tells what does not come out the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program, write_files

pytestmark = pytest.mark.slow

ODD = """\
name: random
kind: chunk
sources:
- kind: local
  path: app
install-commands:
- mkdir -p "$DESTDIR/etc"
- cd "$DESTDIR/etc" && { echo equal; cat /proc/sys/kernel/random/uuid; } >text
- cd "$DESTDIR/etc" && { busybox printf '\\0'; cat /proc/sys/kernel/random/uuid; } >binary
- cd "$DESTDIR/etc" && touch "$(cut -c1-18 /proc/sys/kernel/random/uuid)"
- cd "$DESTDIR/etc" && ln -s "$(cat /proc/sys/kernel/random/uuid)" link
"""

MACHINE = """\
name: machine
kind: chunk
sources:
- kind: local
  path: app
install-commands:
- mkdir -p "$DESTDIR/etc" && busybox uname -r >"$DESTDIR/etc/kernel"
"""
PACKED = """\
name: packed
kind: chunk
sources:
- kind: local
  path: app
install-commands:
- mkdir -p "$DESTDIR/etc" && cat /proc/sys/kernel/random/uuid | busybox gzip >"$DESTDIR/etc/packed.gz"
"""


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with folder_of(None) as folder:
        made = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        made.done("build", "small")
        yield made


def refs(program: Program) -> dict[str, str]:
    return Repository(program.cache / "ostree").refs()


def test_what_comes_out_the_same(program: Program) -> None:
    before = refs(program)
    said = program.done("build", "--check", "small")
    lines = [line.partition(" [")[0] for line in said.stdout.splitlines()]
    assert sorted(lines[:-1]) == [
        "same     chunk app",
        "same     chunk lib",
        "same     chunk odd",
        "same     chunk shell",
        "same     system small",
    ]
    assert lines[-1] == "5 of 5 came out the same"
    assert refs(program) == before
    assert program.done("fsck").stdout.endswith(": all sound\n")


def test_chunks_are_found_without_their_system(program: Program) -> None:
    assert "same     chunk lib [" in program.done("build", "--check", "lib", "odd").stdout
    assert program.done("build", "small", "lib", "--check").stdout.endswith("1 of 1 came out the same\n")
    unknown = program.run("build", "--check", "lob")
    assert (unknown.status, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("ERROR: no system has a chunk lob\nhint: did you mean lib")


def test_what_differs_is_named_and_shown() -> None:
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        stratum = program.definitions / "strata" / "work.morph"
        stratum.write_text(stratum.read_text() + "- name: random\n  morph: chunks/random.morph\n")
        write_files(program.definitions, {"chunks/random.morph": ODD})
        said = program.run("build", "--check", "random", "lib")
        assert said.status == 1
        assert said.stderr.splitlines()[-1] == "ERROR: not the same when built again: random"
        assert "DIFFERS  chunk random [" in said.stdout
        assert "]: 5 files differ\n" in said.stdout
        assert "    /etc/binary: other content\n" in said.stdout
        assert "    /etc/text: other content\n" in said.stdout
        assert "    /etc/link: target " in said.stdout
        assert said.stdout.count(": is missing\n") == said.stdout.count(": is new\n") == 1
        assert "same     chunk lib [" in said.stdout
        assert said.stdout.endswith("1 of 2 came out the same\n")
        assert not [name for name in refs(program) if name.startswith("check/")]


def with_chunk(folder: Path, name: str, text: str) -> Program:
    """Return the program on the small tree with one chunk more."""
    program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
    stratum = program.definitions / "strata" / "work.morph"
    stratum.write_text(stratum.read_text() + f"- name: {name}\n  morph: chunks/{name}.morph\n")
    write_files(program.definitions, {f"chunks/{name}.morph": text})
    return program


def test_the_version_of_the_kernel_is_another_one() -> None:
    with folder_of(None) as folder:
        said = with_chunk(folder, "machine", MACHINE).run("build", "--check", "machine")
        assert said.status == 1
        assert f"        -{os.uname().release}\n        +2.6." in said.stdout


@pytest.mark.skipif(shutil.which("diffoscope") is None, reason="needs diffoscope")
def test_diffoscope_shows_what_is_within_a_file() -> None:
    """By the name that it has in the artifact, and from within the sandbox in which it runs."""
    with folder_of(None) as folder:
        said = with_chunk(folder, "packed", PACKED).run("build", "--check", "packed")
        assert said.status == 1
        assert "    /etc/packed.gz: other content\n        --- /built-before/etc/packed.gz\n" in said.stdout
        assert "        +++ /built-again/etc/packed.gz\n" in said.stdout
        assert "├── packed\n" in said.stdout or "│   --- packed" in said.stdout, said.stdout


def test_a_chunk_that_cannot_be_built_again() -> None:
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        chunk = program.definitions / "chunks" / "lib.morph"
        once = '- test "$MAKEFLAGS" = -j2\ninstall-commands:'
        chunk.write_text(chunk.read_text().replace("install-commands:", once))
        program.done("build", "small", "lib", "--max-jobs", "2")
        said = program.run("build", "--check", "lib", "--max-jobs", "2")
        assert said.status == 1
        assert "FAILED   chunk lib [" in said.stdout
        assert "lib: build failed (exit_code=1)" in said.stdout
        assert said.stderr.splitlines()[-1] == "ERROR: not the same when built again: lib"


def test_an_ordinary_user_checks_too() -> None:
    user = make_ordinary_user()
    with folder_of(user) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"), user=user)
        subprocess.run(["chown", "-R", user, program.definitions], check=True)
        assert program.done("build", "--check", "small").stdout.endswith("5 of 5 came out the same\n")
