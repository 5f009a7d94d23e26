"""What `gc` keeps, what it removes, and that it leaves alone what others use."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lithify.cache import CacheFolder
from lithify.lease import Lease
from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program on a tree that was built, changed, and built again."""
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        made = Program(folder=folder, definitions=folder / "definitions")
        made.done("build", "small")
        chunk = folder / "definitions" / "chunks" / "app.morph"
        chunk.write_text(chunk.read_text().replace("cat main", "cat main main"))
        made.done("build", "small")
        yield made


def names(program: Program, *arguments: str) -> set[str]:
    said = program.done("gc", "--json", *arguments)
    return {build["name"] for build in json.loads(said.stdout)}


def layers(program: Program) -> set[str]:
    return {path.name for path in (program.cache / "layers").iterdir() if not path.name.startswith(".")}


def test_young_builds_stay(program: Program) -> None:
    assert names(program, "--dry-run") == set()


def test_a_dry_run_removes_nothing(program: Program) -> None:
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}


def test_what_another_command_uses_stays(program: Program) -> None:
    lease = Lease(CacheFolder(program.cache))
    lease.share()
    try:
        said = program.done("gc", "--gc-keep", "0")
        assert said.stdout.startswith("0 builds gone\n")
        assert "another command works on the cache" in said.stderr
        refused = program.run("gc", "--all")
    finally:
        lease.close()
    assert refused.status == 1
    assert refused.stderr.startswith("ERROR: another command works on the cache")
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}


def test_old_builds_go_and_what_is_needed_stays(program: Program) -> None:
    assert names(program, "--gc-keep", "0") == {"app", "small"}
    cached = json.loads(program.done("show", "small", "--json").stdout)["counts"]
    assert cached["cached"] == cached["chunks"] == 4
    assert program.done("list-artifacts", "--cached", "small").stdout.count("\n") > 4
    assert program.done("build", "small").stderr == ""
    assert "no other build of it" in program.done("why", "app").stdout


def test_nothing_of_an_emptied_cache_is_left(program: Program) -> None:
    assert program.done("gc", "--all").stdout == f"{program.cache} is empty\n"
    assert [str(path.relative_to(program.cache)) for path in program.cache.rglob("*")] == [
        "locks",
        "locks/in-use",
    ]
    assert program.done("list-artifacts", "--cached").stdout == ""
