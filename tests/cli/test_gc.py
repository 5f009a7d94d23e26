"""What `gc` keeps, what it removes, and that it leaves alone what others use; and that `du` says what is there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lithify.cache import CacheFolder
from lithify.lease import Lease
from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program, write_files

pytestmark = pytest.mark.slow

WHO = ("-c", "user.name=me", "-c", "user.email=me@example.com")
GIT_CHUNK = "- kind: git\n  url: file://{}\n  ref: master\n"


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program on a tree that was built, changed, and built again."""
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        made = Program(folder=folder, definitions=folder / "definitions")
        made.done("build", "small")
        change(made, "cat main", "cat main main")
        made.done("build", "small")
        yield made


def change(program: Program, old: str, new: str) -> None:
    chunk = program.definitions / "chunks" / "app.morph"
    chunk.write_text(chunk.read_text().replace(old, new))


def gone(program: Program, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program.done("gc", "--json", *arguments).stdout)
    assert not [name for one in found["gone"] for name in one if "_" in name]
    assert all("made-at" in one for one in found["gone"])
    return found


def names(program: Program, *arguments: str) -> set[str]:
    return {one["name"] for one in gone(program, *arguments)["gone"]}


def repository(folder: Path, files: dict[str, str]) -> Path:
    """Return a folder whose files are all in a commit."""
    write_files(folder, files)
    for words in (["init", "-q", "-b", "master"], ["add", "."], [*WHO, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def held(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program.done("du", "--json").stdout)
    return found


def on_disk(program: Program) -> int:
    """Return what `du` of the machine says of the cache."""
    said = subprocess.run(["du", "-s", "-B1", program.cache], check=True, capture_output=True, text=True)
    return int(said.stdout.split()[0])


def test_young_builds_stay(program: Program) -> None:
    assert names(program, "--dry-run") == set()


def test_a_dry_run_removes_nothing(program: Program) -> None:
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}


def test_what_is_there_is_what_the_disk_has(program: Program) -> None:
    found = held(program)
    assert found["total"] == on_disk(program)
    artifacts = found["artifacts"]
    assert sorted(one["name"] for one in artifacts) == ["app", "app", "lib", "odd", "shell", "small", "small"]
    assert [one["kept-by"] for one in artifacts].count("small") == 5
    shell = next(one for one in artifacts if one["name"] == "shell")
    timings = Repository(program.cache / "ostree").commit(shell["commit"]).metadata["timings"]
    assert timings.keys() == {"unpack", "capture", "publish"}, (
        "it is imported: that is all that there is to it"
    )
    assert shell["seconds"] == sum(timings.values()) / 1000
    assert shell["alone"] < shell["size"] / 10  # the systems have its files too
    assert sum(one["size"] for one in artifacts) > found["total"]
    text = program.done("du", "--artifacts").stdout.splitlines()
    assert [line for line in text if line.endswith("  commits of 7 builds")]
    assert len([line for line in text if line.endswith("  small")]) == 5
    assert text[-1].endswith("  all")


def test_a_limit_takes_what_is_young_too_and_says_what_it_costs(program: Program) -> None:
    before = held(program)
    wanted = str(before["total"] - before["nobody's"] - 1)
    one = gone(program, "--dry-run", "--max-size", wanted)
    assert len(one["gone"]) == 1
    assert one["left"] + one["freed"] == before["total"]
    assert one["seconds"] == pytest.approx(one["gone"][0]["seconds"], abs=0.1)
    assert names(program, "--dry-run", "--max-size", str(before["total"])) == set()
    refused = program.run("gc", "--dry-run", "--json", "--max-size", "1k")
    assert refused.status == 1
    assert {one["name"] for one in json.loads(refused.stdout)["gone"]} == {"app", "small"}
    assert "more than 1.0 kB\nhint: it is kept for small\n" in refused.stderr
    assert held(program)["total"] == before["total"]


def test_what_another_command_uses_stays(program: Program) -> None:
    lease = Lease(CacheFolder(program.cache))
    lease.share()
    try:
        said = program.done("gc", "--gc-keep", "0")
        assert said.stdout.startswith("0 builds gone\n")
        assert "another command works on the cache" in said.stderr
        limited = program.run("gc", "--max-size", "1k")
        assert (limited.status, limited.stdout.partition("\n")[0]) == (1, "0 builds gone")
        refused = program.run("gc", "--all")
    finally:
        lease.close()
    assert refused.status == 1
    assert refused.stderr.startswith("ERROR: another command works on the cache")
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("systems/small.morph", "arch:", "arhc:"), ("chunks/lib.morph", "install-commands:", "[")],
)
def test_nothing_goes_while_a_system_is_broken(program: Program, name: str, old: str, new: str) -> None:
    path = program.definitions / name
    text = path.read_text()
    path.write_text(text.replace(old, new))
    try:
        for words in (("gc", "--gc-keep", "0"), ("gc", "--max-size", "1k")):
            said = program.run(*words)
            assert (said.status, said.stdout) == (1, "")
            assert f"{name}:" in said.stderr
            assert said.stderr.splitlines()[-1].endswith(
                "mend them, or keep nothing for them: lithify -C / gc"
            )
    finally:
        path.write_text(text)
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}


def test_what_somebody_keeps_stays(program: Program) -> None:
    change(program, "cat main main", "cat main")
    kept = program.done("keep", "small").stdout
    change(program, "cat main", "cat main main")
    assert program.done("keep", "--list").stdout == kept
    assert names(program, "--dry-run", "--gc-keep", "0") == set()
    assert program.run("gc", "--max-size", "1k").status == 1
    assert [one["kept-by"] for one in held(program)["artifacts"]].count("keep small") == 2
    assert "\nhint: did you mean " in program.run("keep", "--drop", "smal").stderr
    assert program.done("keep", "--drop", kept[:8]).stdout == kept
    assert program.done("keep", "--list", "--json").stdout == "[]\n"
    assert names(program, "--dry-run", "--gc-keep", "0") == {"app", "small"}


def test_old_builds_go_and_what_is_needed_stays(program: Program) -> None:
    expected = gone(program, "--dry-run", "--gc-keep", "0")
    found = gone(program, "--gc-keep", "0")
    assert {one["name"] for one in found["gone"]} == {"app", "small"}
    assert (found["freed"], found["left"]) == (expected["freed"], expected["left"])
    assert held(program)["total"] == on_disk(program)
    assert abs(on_disk(program) - found["left"]) < 40_000  # locks are neither
    cached = json.loads(program.done("show", "small", "--json").stdout)["counts"]
    assert cached["cached"] == cached["chunks"] == 4
    assert program.done("list-artifacts", "--cached", "small").stdout.count("\n") > 4
    assert program.done("build", "small").stderr == ""
    assert "no other build of it" in program.done("why", "app").stdout


def test_a_build_ends_with_the_size_that_is_set(program: Program) -> None:
    size = held(program)["total"]
    change(program, "cat main main", "cat main main main")
    said = program.done("build", "small", "--cachedir-max-size", str(size + 60_000))
    assert "builds and sources are gone" in said.stderr
    assert held(program)["total"] <= size + 60_000
    assert program.done("build", "small", "--cachedir-max-size", "1k").stderr == ""  # nothing to do
    change(program, "cat main main main", "cat main main main main")  # never built
    said = program.done("build", "small", "--cachedir-max-size", "1k")
    assert "warning: the cache has" in said.stderr
    change(program, "cat main main main main", "cat main main")
    program.done("build", "small")
    assert program.done("build", "small").stderr == ""


def test_sources_go_that_no_system_needs(program: Program, tmp_path: Path) -> None:
    upstream = repository(tmp_path / "upstream", {"source": "of another\n"})
    program.done("lock")
    chunk = program.definitions / "chunks" / "lib.morph"
    before = chunk.read_text()
    chunk.write_text(before.replace("- kind: local\n  path: lib\n", GIT_CHUNK.format(upstream)))
    program.done("lock")
    program.done("build", "small")
    mirrors = program.cache / "sources" / "git"
    (mirror,) = mirrors.iterdir()
    half_made = mirrors / ".other.git.partial"
    half_made.mkdir()
    aside = mirrors / ".damaged-other.git-1"
    aside.mkdir()
    assert upstream.name in mirror.name
    gone(program, "--gc-keep", "0")
    assert sorted(mirrors.iterdir()) == [aside, mirror]
    chunk.write_text(before)
    program.done("build", "small")
    assert mirror.name not in names(program, "--dry-run")
    assert mirror.name in names(program, "--gc-keep", "0")
    assert sorted(mirrors.iterdir()) == [aside]


def test_definitions_that_were_laid_out_go(program: Program) -> None:
    repository(program.definitions, {})
    program.done("build", "small", "--repo", ".", "--ref", "HEAD")
    laid_out = list((program.cache / "sources" / "definitions").iterdir())
    assert len(laid_out) == 1
    assert held(program)["kinds"]["definitions"] > 0
    assert "definitions" not in {one["kind"] for one in gone(program, "--dry-run")["gone"]}
    os.utime(laid_out[0], (1, 1))
    assert names(program) == {laid_out[0].name}
    assert not laid_out[0].exists()
    assert held(program)["kinds"]["definitions"] == 0


def test_nothing_of_an_emptied_cache_is_left(program: Program) -> None:
    assert program.done("gc", "--all").stdout == f"{program.cache} is empty\n"
    assert [str(path.relative_to(program.cache)) for path in program.cache.rglob("*")] == [
        "locks",
        "locks/in-use",
    ]
    assert program.done("list-artifacts", "--cached").stdout == ""
    assert held(program)["artifacts"] == []
    assert gone(program)["gone"] == []
