"""A build with nothing to do loads little, starts nothing, and reads no artifact: counted, so that it stays so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program
from tests.staging.stacks import need_static_shell

WATCHED = """
import json, os, sys
opened, started = [], []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append(os.path.abspath(os.fsdecode(arguments[0])))
    elif event in ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.connect"):
        started.append(event)
sys.addaudithook(watch)
from lithify.cli.app import run
status = run(sys.argv[1:], dict(os.environ))
print(json.dumps({"status": status, "modules": sorted(sys.modules), "opened": opened, "started": started}))
"""
SLOW_MODULES = (
    *(
        "pydantic",
        "typer",
        "click",
        "rich",
        "yaml",
        "gi",
        "httpx",
        "debian",
        "sqlite3",
        "subprocess",
        "asyncio",
    ),
    *(
        "lithify.definitions.model",
        "lithify.graph.resolve",
        "lithify.schedule.session",
        "lithify.cli.parsing",
    ),
)
HEAVY_MODULES = (
    *(
        "gi",
        "httpx",
        "debian",
        "lithify.schedule.building",
        "lithify.store.writing",
        "lithify.staging.namespace",
    ),
    *("lithify.deploy", "lithify.build.chunk", "lithify.build.system"),
)


@pytest.fixture(scope="module")
def small() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        program.done("build", "systems/small.morph")
        yield program


def watched(program: Program, *arguments: str) -> dict[str, list[str]]:
    """Return what a command imported, opened and started."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "--no-default-configs", *arguments],
        cwd=program.definitions,
        env=program.environment(str(program.folder)),
        capture_output=True,
        text=True,
        check=True,
    )
    seen: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    assert (seen.pop("status"), done.stderr) == (0, "")
    return seen


def reads(seen: dict[str, list[str]]) -> list[str]:
    """Return the files that were opened for their content: Python's own modules left out."""
    libraries = (os.path.dirname(json.__file__.rpartition("/")[0]), "/usr/lib/python3")
    return [
        path
        for path in seen["opened"]
        if not path.endswith((".py", ".pyc")) and not path.startswith(libraries)
    ]


@pytest.mark.slow
def test_a_build_with_nothing_to_do_looks_and_prints(small: Program) -> None:
    small.done("build", "systems/small.morph")
    seen = watched(small, "build", "systems/small.morph")
    assert [name for name in SLOW_MODULES if name in seen["modules"]] == []
    assert len([name for name in seen["modules"] if name.startswith("lithify")]) <= 37
    assert seen["started"] == []
    in_cache = [path for path in reads(seen) if path.startswith(str(small.cache))]
    assert [os.path.relpath(path, small.cache).split("/")[0] for path in in_cache] == ["standing", "ostree"]
    assert "/ostree/refs/heads/d/" in in_cache[1]


@pytest.mark.slow
def test_a_build_that_must_ask_needs_no_staging_and_no_ostree(small: Program) -> None:
    seen = watched(small, "build", "systems/small.morph", "--keep-going")
    assert [name for name in HEAVY_MODULES if name in seen["modules"]] == []
    assert seen["started"] == []
    objects = [path for path in reads(seen) if "/ostree/objects/" in path]
    assert {path.rpartition(".")[2] for path in objects} <= {"commit"}


@pytest.mark.slow
def test_both_ways_say_the_same(small: Program) -> None:
    asked = small.done("build", "systems/small.morph", "--keep-going")
    known = small.done("build", "systems/small.morph")
    by_name = small.done("build", "small")
    again = small.done("build", "small")
    assert known == asked == by_name == again
