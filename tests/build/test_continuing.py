"""When a build of a workspace goes on, and when it begins from nothing; and that the copy is what the workspace is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lithify.build.continuing import (
    Kept,
    SourceFile,
    changed_paths,
    from_nothing_because,
    set_up_digest,
)
from lithify.build.kept_folder import (
    copy_all,
    copy_changed,
    look_through,
    read_state,
    tree_digest,
    write_state,
)
from lithify.errors import Place
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.graph.model import Chunk
from lithify.sources.tree import is_git, plain_digest


def file(content: str = "a", kind: str = "f") -> SourceFile:
    return SourceFile(kind=kind, mode=0o644, content=content)


def chunk(**more: Any) -> Chunk:
    commands = (("configure", ("./configure",)), ("build", ("make",)), ("install", ("make install",)))
    values = {"name": "x", "stratum": "s", "file": "f", "place": Place("f"), "arch": "x86_64"}
    return Chunk(**{**values, "commands": commands, **more})


FILES = {"a.c": file(), "configure": file(), "src": file("", "d"), "src/Makefile.in": file()}
KEPT = Kept(set_up="s", configured=True, running=False, looked_at=0, files=FILES)


def why(kept: Kept | None = KEPT, now: dict[str, SourceFile] | None = None, of: Chunk | None = None) -> str:
    files = {**FILES, **(now or {})}
    changed = changed_paths({} if kept is None else kept.files, files)
    return from_nothing_because(kept, of or chunk(), "s", changed, files)


def test_a_changed_file_goes_on() -> None:
    assert why() == ""
    assert why(now={"a.c": file("b"), "new.c": file()}) == ""


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (None, "nothing is built yet"),
        (replace(KEPT, running=True), "the last build was cut off"),
        (replace(KEPT, configured=False), "the last build did not come as far as to be configured"),
        (replace(KEPT, set_up="other"), "commands, environment or dependencies are others"),
    ],
)
def test_what_cannot_be_relied_upon_begins_from_nothing(kept: Kept | None, reason: str) -> None:
    assert why(kept) == reason


def test_a_file_that_configuring_reads_begins_from_nothing() -> None:
    assert why(now={"configure": file("b")}) == "configure is changed, which is read when it is configured"
    assert why(now={"src/Makefile.in": file("b")}).startswith("src/Makefile.in is changed")
    assert why(now={"configure": file("b")}, of=chunk(build_system="cmake")) == ""
    assert why(now={"configure": file("b")}, of=chunk(commands=(("build", ("make",)),))) == ""


def test_a_file_that_configuring_writes_begins_from_nothing() -> None:
    told = "a.c is changed, which the configure-commands change too"
    assert why(replace(KEPT, altered=("a.c",)), {"a.c": file("b")}) == told
    assert why(replace(KEPT, altered=("a.c",)), {"other.c": file("b")}) == ""


def test_another_kind_of_file_begins_from_nothing() -> None:
    assert why(now={"a.c": file("", "d")}) == "a.c is no longer the kind of file that it was"


INPUTS: dict[str, Any] = {
    "format": 1,
    "kind": "chunk build",
    "name": "x",
    "commands": {"configure": ["./configure"], "build": ["make"], "install": ["make install"]},
    "environment": {},
    "tree": "1",
    "staged": ["2"],
    "commits": [],
    "split-rules": [],
    "integration": [],
    "devices": [],
    "workspaces": ["3"],
    "host": "",
}


@pytest.mark.parametrize(
    ("field", "value", "counts"),
    [
        ("tree", "other", False),
        ("split-rules", [["x", []]], False),
        ("commands", {**INPUTS["commands"], "install": ["other"]}, False),
        ("commands", {**INPUTS["commands"], "strip": ["other"]}, False),
        ("commands", {**INPUTS["commands"], "configure": ["./configure --other"]}, True),
        ("commands", {**INPUTS["commands"], "build": ["make CFLAGS=-O3"]}, True),
        ("environment", {"A": "b"}, True),
        ("staged", ["other"], True),
        ("host", "other", True),
    ],
)
def test_what_the_build_folder_depends_on(field: str, value: object, counts: bool) -> None:
    assert (set_up_digest({**INPUTS, field: value}) != set_up_digest(INPUTS)) == counts


names = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "e", "d"])
contents = st.sampled_from([b"", b"1", b"22"])
kinds = st.sampled_from(["file", "program", "link"])
trees = st.dictionaries(names, st.tuples(kinds, contents), max_size=6)


def write_tree(top: Path, wanted: dict[str, tuple[str, bytes]]) -> None:
    """Make a folder hold just these; a name below one that is a file is left out."""
    for path in sorted(top.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    for name, (kind, content) in sorted(wanted.items()):
        path = top / name
        if any(parent in wanted for parent in map(str, Path(name).parents)):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            continue
        if kind == "link":
            path.symlink_to(content.decode() or "nowhere")
        else:
            path.write_bytes(content)
            path.chmod(0o755 if kind == "program" else 0o640)


@settings(deadline=None, max_examples=60)
@given(trees, trees)
def test_a_copy_brought_up_to_date_is_the_workspace(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, tuple[str, bytes]],
    after: dict[str, tuple[str, bytes]],
) -> None:
    folder = tmp_path_factory.mktemp("workspace")
    top, build = folder / "top", folder / "build"
    top.mkdir()
    build.mkdir()
    write_tree(top, before)
    old = look_through(top, is_git)
    copy_all(top, build, old)
    assert tree_digest(old) == plain_digest(top) == plain_digest(build)
    write_tree(top, after)
    now = look_through(top, is_git)
    changed = changed_paths(old, now)
    if from_nothing_because(replace(KEPT, files=old), chunk(), "s", changed, now):
        return
    copy_changed(top, build, now, changed)
    assert tree_digest(now) == plain_digest(build)
    untouched = [name for name in now if name not in changed and now[name].kind != "d"]
    assert all((build / name).lstat().st_mtime == SOURCE_DATE_EPOCH for name in untouched)


def test_a_file_that_looks_the_same_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    old = look_through(tmp_path, is_git)
    status = (tmp_path / "a").stat()
    pretended = {"a": replace(old["a"], content="0" * 64)}
    kept = replace(KEPT, files=pretended, looked_at=status.st_ctime_ns + 10_000_000_000)
    assert look_through(tmp_path, is_git, kept)["a"].content == "0" * 64
    just_now = replace(kept, looked_at=status.st_ctime_ns + 1)
    assert look_through(tmp_path, is_git, just_now)["a"].content == old["a"].content


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.c")
    kept = replace(KEPT, files={**FILES, name: replace(file(), status=(1, 2, 3, 4))}, altered=(name,))
    write_state(tmp_path, kept)
    assert read_state(tmp_path) == kept
    (tmp_path / "state.json").write_text('{"version": 0}')
    assert read_state(tmp_path) is None
    (tmp_path / "state.json").write_text("torn {")
    assert read_state(tmp_path) is None
