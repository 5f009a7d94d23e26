"""What is asked of the store: which artifacts there are, what is in them, and a tree taken out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program on a tree of which one stratum is built, and a chunk of the other."""
    with folder_of(None) as folder:
        made = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        made.done("build", "small", "base", "lib")
        yield made


def artifacts(program: Program, *arguments: str) -> dict[str, str]:
    """Return ``kind.name`` → the whole line."""
    lines = program.done("list-artifacts", *arguments).stdout.splitlines()
    assert lines == sorted(set(lines))
    assert all(len(line.partition(".")[0]) == 64 for line in lines)
    return {line.partition(".")[2]: line for line in lines}


def test_all_artifacts_of_a_system_and_those_in_the_store(program: Program) -> None:
    everything = artifacts(program, "small")
    assert {
        "system.small-rootfs",
        "chunk.app-bins",
        "stratum.base-runtime",
        "stratum.work-runtime",
    } <= everything.keys()
    cached = artifacts(program, "--cached", "small")
    assert cached.items() <= everything.items()
    assert {"chunk.lib-libs", "chunk.shell-bins", "stratum.base-runtime"} <= cached.keys()
    assert not {"chunk.app-bins", "stratum.work-runtime", "system.small-rootfs"} & cached.keys()
    store = artifacts(program, "--cached")
    assert store == {name: line for name, line in cached.items() if not name.startswith("stratum.")}
    assert json.loads(program.done("list-artifacts", "--cached", "--json").stdout) == sorted(store.values())


def test_the_paths_in_an_artifact(program: Program) -> None:
    everything = artifacts(program, "small")
    lib = everything["chunk.lib-libs"]
    assert program.done("list-files", lib).stdout == "usr\nusr/lib\nusr/lib/liblib.so.1\n"
    short = f"{lib[:8]}.chunk.lib-libs"
    assert json.loads(program.done("list-files", short, "--json").stdout) == [
        "usr",
        "usr/lib",
        "usr/lib/liblib.so.1",
    ]
    assert program.done("list-files", lib[:12]).stdout == program.done("list-files", lib).stdout
    assert program.done("list-files", everything["chunk.lib-doc"]).stdout == ""
    stratum = program.done("list-files", everything["stratum.base-runtime"]).stdout
    assert "bin/busybox\n" in stratum
    missing = program.run("list-files", everything["chunk.app-bins"])
    assert (missing.status, missing.stdout) == (1, "")
    assert missing.stderr.startswith("ERROR: no artifact ")
    wrong = program.run("list-files", f"{lib[:64]}.chunk.lib-lib")
    assert wrong.status == 1
    assert wrong.stderr.startswith("ERROR: lib has no artifact lib-lib\nhint: did you mean lib-libs")


def test_a_tree_is_taken_out(program: Program) -> None:
    key = artifacts(program, "--cached")["chunk.lib-libs"][:10]
    out = program.folder / "out"
    said = program.done("checkout", key, str(out), "--owner", "me", "--quiet")
    assert (said.stdout, said.stderr) == (f"{out}\n", "")
    assert (out / "usr/lib/liblib.so.1").read_text() == "the library\n"
    again = program.run("checkout", key, str(out))
    assert again.status == 2
    assert "is there already" in again.stderr
    made = json.loads(
        program.done("checkout", key, str(program.folder / "out.tar"), "--tar", "--json").stdout
    )
    assert (made["name"], made["key"][:10], len(made["key"])) == ("lib", key, 64)
    with tarfile.open(program.folder / "out.tar") as tar:
        assert "liblib.so.1" in "".join(tar.getnames())
    unbuilt = program.run("checkout", "small", str(program.folder / "system"))
    assert (unbuilt.status, unbuilt.stderr) == (
        1,
        "ERROR: small is not built yet\nhint: lithify build small\n",
    )


def test_a_tar_goes_through_a_pipe_and_to_no_terminal(program: Program) -> None:
    key = artifacts(program, "--cached")["chunk.lib-libs"][:10]
    file = program.folder / "beside.tar"
    program.done("checkout", key, str(file), "--tar")

    def to(stdout: int) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "lithify", "--no-default-configs", "checkout", key, "-", "--tar"],
            cwd=program.definitions,
            env=program.environment(str(program.folder)),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )

    piped = to(subprocess.PIPE)
    assert (piped.returncode, piped.stdout) == (0, file.read_bytes())
    assert b"lib: tar stdout: made" in piped.stderr
    assert not (program.definitions / "-").exists()
    ours, theirs = os.openpty()
    refused = to(theirs)
    os.close(theirs)
    os.close(ours)
    assert refused.returncode == 2
    assert refused.stderr.decode().splitlines() == [
        "ERROR: a tar is not written to a terminal",
        f"hint: lithify checkout {key} - --tar >FILE",
    ]


def test_a_chunk_is_found_where_another_system_is_broken(program: Program) -> None:
    broken = program.definitions / "systems" / "broken.morph"
    broken.write_text("name: broken\nkind: system\narch: x86_64\nstrata:\n- morph: strata/nowhere.morph\n")
    try:
        assert program.done("why", "lib").stdout.startswith("chunk lib: ")
        unknown = program.run("why", "nothing-like-it")
        assert unknown.status == 1
        assert "systems/broken.morph:5:" in unknown.stderr
    finally:
        broken.unlink()
