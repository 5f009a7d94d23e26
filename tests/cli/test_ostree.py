"""``lithify ostree``: on the cache's repository, with the owners that files have in builds, for root and an ordinary user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lithify.cli.options import split_arguments
from tests import stuck
from tests.build.definitions import small_tree
from tests.inside import as_owner, folder_of, make_ordinary_user
from tests.program import Program


def test_settings_stand_before_its_own_words() -> None:
    split = split_arguments(
        ["ostree", "--cachedir", "/x", "-v", "refs", "-v", "--list", "--help", "--", "-C"]
    )
    assert split.rest == ["ostree", "refs", "-v", "--list", "--help", "--", "-C"]
    assert (split.settings, split.help) == ({"cachedir": ["/x"], "verbose": ["yes"]}, False)


def test_two_dashes_end_the_settings() -> None:
    split = split_arguments(["ostree", "-q", "--", "-v", "refs"])
    assert (split.rest, split.settings) == (["ostree", "-v", "refs"], {"quiet": ["yes"]})


def test_its_help_is_asked_for_before_its_own_words() -> None:
    assert split_arguments(["ostree", "--help"]).help
    assert not split_arguments(["ostree", "refs", "--help"]).help


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["root", "user"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    """The program with a cache in which a small system is built."""
    user = make_ordinary_user() if request.param == "user" else None
    with folder_of(user) as folder:
        made = Program(folder=folder, definitions=small_tree(folder / "definitions"), user=user)
        made.done("build", "small")
        yield made


def test_it_reads_with_the_owners_that_files_have(program: Program) -> None:
    keys = [line for line in program.done("list-artifacts", "--cached").stdout.split() if ".odd-" in line]
    key = f"d/{keys[0].partition('.')[0]}"
    assert key in program.done("ostree", "refs").stdout.split()
    listed = program.done("ostree", "ls", "-R", key, "/all/usr/share/odd").stdout.splitlines()
    assert "-00640 5 7      0 /all/usr/share/odd/owned" in listed


def test_it_writes_as_a_build_does(program: Program) -> None:
    tree = program.folder / "tree"
    tree.mkdir(exist_ok=True)
    (tree / "file").write_text("own\n")
    (tree / "file").chmod(0o644)
    if program.user is not None:
        shutil.chown(tree, program.user)
        shutil.chown(tree / "file", program.user)
    program.done(
        "-C", str(program.folder), "ostree", "commit", "-b", "own", "tree", "--owner-uid=7", "--owner-gid=8"
    )
    assert "-00644 7 8      4 /file" in program.done("ostree", "ls", "-R", "own").stdout
    program.done("gc", "--gc-keep", "0")
    assert "own" in program.done("ostree", "refs").stdout.split()
    program.done("fsck")
    shutil.rmtree(tree)


def test_it_reads_what_it_is_fed(program: Program) -> None:
    fed = f"tar c . | {sys.executable} -m lithify ostree commit -b fed --tree=tar=/dev/stdin"
    who: dict[str, Any] = {}
    if program.user is not None:
        who = {"user": program.user, "group": program.user, "extra_groups": []}
    environment = program.environment(str(program.folder))
    subprocess.run(["sh", "-c", fed], cwd=program.definitions, env=environment, check=True, **who)
    assert program.done("ostree", "cat", "fed", "/VERSION").stdout == "version: 9\n"


def test_it_says_what_ostree_says(program: Program) -> None:
    said = program.run("ostree", "show", "nothing")
    assert said.status == 1
    assert said.stderr == "error: Refspec 'nothing' not found\nERROR: ostree failed (exit_code=1)\n"


def test_a_collector_waits_for_it_and_says_so(program: Program) -> None:
    """ostree waits for somebody to write into a fifo; SIGTERM ends both it and lithify."""
    fifo = program.folder / "fifo"
    os.mkfifo(fifo)
    if program.user is not None:
        shutil.chown(fifo, program.user)
    child = program.start("ostree", "commit", "-b", "fed", "--orphan", f"--tree=tar={fifo}")
    with open(fifo, "wb"):  # opens once ostree has opened it
        held = [in_use(program, name) for name in ("in-use", "store")]
        reading = program.run("ostree", "refs", "--list")
        collector = program.start("gc")
        assert collector.stderr is not None
        assert f"waiting for process {child.pid}" in collector.stderr.readline()
        child.send_signal(signal.SIGTERM)
        _, said = stuck.communicate(child)
    assert (held, child.returncode, reading.status) == ([True, True], 130, 0), said
    assert said.splitlines()[-1] == "ERROR: interrupted"
    stuck.communicate(collector)
    assert collector.returncode == 0
    fifo.unlink()


def test_one_that_only_reads_keeps_nobody_waiting(program: Program) -> None:
    """Nobody reads the pipe into which ostree writes more than it holds: it stays."""
    big = program.folder / "big"
    big.mkdir()
    (big / "zeros").write_bytes(bytes(1 << 20))
    if program.user is not None:
        shutil.chown(big, program.user)
    program.done("ostree", "commit", "-b", "big", f"--tree=dir={big}")
    child = program.start("ostree", "cat", "big", "/zeros")
    assert child.stdout is not None
    assert child.stdout.read(1) == "\0"
    said = program.run("gc", "--gc-keep", "0")
    held = [in_use(program, name) for name in ("in-use", "store")]
    stuck.communicate(child)
    assert (said.status, held, child.returncode) == (0, [True, False], 0)
    assert "another command works on the cache, so no build was removed" in said.stderr
    shutil.rmtree(big)


def in_use(program: Program, name: str) -> bool:
    """Return whether somebody has a lock of the cache."""
    lock = program.cache / "locks" / name
    return subprocess.run([*as_owner(), "flock", "-n", str(lock), "true"], check=False).returncode == 1
