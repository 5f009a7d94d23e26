"""What a build asks of the kernel, as strace sees it: programs started, files of artifacts opened."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow

_STARTED = re.compile(r'execve\("([^"]*)", .* = 0$')
_OPENED = re.compile(r'open(?:at)?\((?:[^,]*, )?"([^"]*)", .* = \d+$')
_CALLS = "execve,open,openat,fork,vfork,clone,clone3"


@pytest.fixture(scope="module")
def small() -> Iterator[Program]:
    need_static_shell()
    if os.geteuid() != 0:
        pytest.skip("what is traced by an ordinary user has no setuid, which newuidmap needs")
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        program.done("build", "small")
        yield program


def traced(program: Program, *arguments: str) -> list[str]:
    """Return the calls of a command and of all that it starts, one a line."""
    log = program.folder / "strace"
    command = [sys.executable, "-m", "lithify", "--no-default-configs", *arguments]
    strace = ["strace", "-f", "-qq", "-s", "4096", "-e", f"trace={_CALLS}", "-o", str(log)]
    environment = program.environment(str(program.folder))
    done = subprocess.run([*strace, *command], cwd=program.definitions, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    return whole(log.read_text(errors="replace").splitlines())


def whole(lines: list[str]) -> list[str]:
    """Return calls in one piece each: where others came between, strace tells their beginnings and ends apart."""
    begun: dict[str, str] = {}
    calls = []
    for line in lines:
        process, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[process] = line.removesuffix("<unfinished ...>")
        elif resumed := re.search(r"<\.\.\. \w+ resumed>(.*)", call):
            calls.append(begun.pop(process, f"{process} ") + resumed[1])
        else:
            calls.append(line)
    return [*calls, *begun.values()]


def programs(calls: list[str]) -> Counter[str]:
    """Return the programs that were started, by name; Python itself is one of them."""
    return Counter(Path(found[1]).name for line in calls if (found := _STARTED.search(line)))


def opened_below(calls: list[str], folder: Path) -> list[str]:
    paths = [found[1] for line in calls if (found := _OPENED.search(line))]
    return [path for path in paths if path.startswith(f"{folder}/")]


def test_a_build_with_nothing_to_do_is_one_process_that_opens_no_artifact(small: Program) -> None:
    small.done("build", "small")
    calls = traced(small, "build", "small")
    assert sum(programs(calls).values()) == 1
    assert [line for line in calls if re.search(r" (?:v?fork|clone3?)\(", line)] == []
    for folder in ("ostree/objects", "layers", "staging", "sources"):
        assert opened_below(calls, small.cache / folder) == []


def test_one_that_is_asked_anew_reads_no_more_than_a_commit(small: Program) -> None:
    calls = traced(small, "build", "small", "--keep-going")
    assert sum(programs(calls).values()) == 1
    objects = opened_below(calls, small.cache / "ostree/objects")
    assert {path.rpartition(".")[2] for path in objects} <= {"commit"}
    assert opened_below(calls, small.cache / "layers") == []


def test_a_changed_chunk_starts_a_sandbox_for_each_command_and_no_more(small: Program) -> None:
    """lib and app have three commands, the system two integration scripts. git says once what is checked out."""
    source = small.definitions / "lib/source"
    source.write_text(f"{source.read_text()}more\n")
    calls = traced(small, "build", "small")
    started = programs(calls)
    assert started["bwrap"] == 5
    assert started["git"] <= 1
    assert [name for name in started if name.startswith("python")] == [Path(sys.executable).name]
