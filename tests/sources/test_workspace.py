"""A workspace as a source: the same tree as its pin while it is untouched, and what git ignores is none of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lithify.definitions.model import GitSource, WorkspaceSource
from lithify.errors import LithifyError, PinMismatch, SourceError, UnsafeContent
from lithify.sources.cloning import Clone
from lithify.sources.compose import compose
from lithify.sources.git import GitKind
from lithify.sources.open_workspaces import Workspace, changing, is_any_open, open_workspaces
from lithify.sources.working import (
    branch_for,
    clone_to_work_in,
    commit_all,
    new_history,
    replace_files,
    unsaved,
)
from lithify.sources.workspace import WorkspaceKind
from tests.sources.conftest import Place, Repository, fails

KIND = WorkspaceKind()
MakeRepository = Callable[..., Repository]


@pytest.fixture
def project(repository: MakeRepository) -> Repository:
    """A repository with a program, a link, ignored files, and a submodule that ignores others."""
    library = repository("library")
    library.commit(**{"lib.c": "lib\n", ".gitignore": "*.a\n"})
    found = repository("project")
    found.git("submodule", "--quiet", "add", str(library.path), "sub/lib")
    (found.path / "link").symlink_to("main.c")
    (found.path / "run").write_text("#!/bin/sh\n")
    (found.path / "run").chmod(0o755)
    found.commit(**{"main.c": "main\n", "src__a.c": "a\n", ".gitignore": "*.o\nout/\n"})
    return found


def opened(place: Place, project: Repository, into: Path) -> tuple[WorkspaceSource, str]:
    """Return a workspace on a clone, and the commit at which it begins."""
    url = f"file://{project.path}"
    source = GitSource(url=url, ref=project.git("rev-parse", "HEAD"))
    clone = Clone(source=source, commit=source.ref or "", into=into, push_aliases={})
    base = clone_to_work_in(clone, branch_for("zlib"), place())
    return WorkspaceSource(path=str(into), id="1", chunk="zlib"), base


def tree_of(place: Place, source: WorkspaceSource) -> str:
    return str(KIND.pin(source, place()).digest_data["tree"])


@pytest.mark.skipif(os.geteuid() != 0, reason="files are root's in the namespace of a build alone")
def test_an_untouched_clone_has_the_tree_of_its_commit(
    place: Place, project: Repository, tmp_path: Path
) -> None:
    source, base = opened(place, project, tmp_path / "ws")
    declared = GitSource(url=f"file://{project.path}", ref=base)
    into = tmp_path / "into"
    into.mkdir()
    clean = compose([declared], {declared: GitKind().pin(declared, place())}, into, place())
    assert tree_of(place, source) == clean
    again = tmp_path / "again"
    again.mkdir()
    pin = KIND.pin(source, place())
    assert compose([source], {source: pin}, again, place()) == clean


def test_what_git_ignores_is_none_of_it(place: Place, project: Repository, tmp_path: Path) -> None:
    source, base = opened(place, project, tmp_path / "ws")
    ws = tmp_path / "ws"
    before = tree_of(place, source)
    for name in ("main.o", "sub/lib/lib.a", "out/x/y", "src/a.o"):
        (ws / name).parent.mkdir(parents=True, exist_ok=True)
        (ws / name).write_text("made")
    assert tree_of(place, source) == before
    assert not unsaved(ws, base)
    (ws / "sub/lib/lib.o").write_text("the submodule's own rules count there")
    assert tree_of(place, source) != before


def test_nobodys_configuration_of_git_counts(
    place: Place, project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = opened(place, project, tmp_path / "ws")
    (tmp_path / "ws/notes").write_text("")
    before = tree_of(place, source)
    ignore = tmp_path / "home/.config/git/ignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text("notes\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/.config"))
    assert tree_of(place, source) == before


def test_what_is_changed_added_and_removed_is_seen(place: Place, project: Repository, tmp_path: Path) -> None:
    source, base = opened(place, project, tmp_path / "ws")
    ws = tmp_path / "ws"
    seen = {tree_of(place, source)}
    (ws / "main.c").write_text("other\n")
    seen.add(tree_of(place, source))
    (ws / "new name\n.c").write_text("")
    seen.add(tree_of(place, source))
    (ws / "src/a.c").unlink()
    seen.add(tree_of(place, source))
    (ws / "run").chmod(0o644)
    seen.add(tree_of(place, source))
    assert len(seen) == 5
    assert unsaved(ws, base).changed == ("main.c", "new name\n.c", "run", "src/a.c")


def test_a_file_that_is_no_file_is_told(place: Place, project: Repository, tmp_path: Path) -> None:
    source, _ = opened(place, project, tmp_path / "ws")
    os.mkfifo(tmp_path / "ws/pipe")
    with fails(UnsafeContent, "the workspace", "'pipe' is neither a file nor a folder nor a link"):
        KIND.pin(source, place())


def test_a_change_between_looking_and_copying_is_told(
    place: Place, project: Repository, tmp_path: Path
) -> None:
    source, _ = opened(place, project, tmp_path / "ws")
    context = place()
    pin = KIND.pin(source, context)
    (tmp_path / "ws/main.c").write_text("quick\n")
    (tmp_path / "into").mkdir()
    with fails(PinMismatch, "was changed while it was read", "build again"):
        KIND.unpack(source, pin, tmp_path / "into", context)


def test_a_commit_counts_where_git_is_kept(place: Place, project: Repository, tmp_path: Path) -> None:
    source, base = opened(place, project, tmp_path / "ws")
    kept = WorkspaceSource(path=source.path, id="1", chunk="zlib", keep_git=True)
    pin = KIND.pin(kept, place())
    assert pin.digest_data["commit"] == base
    (tmp_path / "into").mkdir()
    KIND.unpack(kept, pin, tmp_path / "into", place())
    assert Repository(tmp_path / "into").git("rev-parse", "HEAD") == base


def test_a_folder_without_git_is_a_source_still(place: Place, tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws/a.o").write_text("")
    source = WorkspaceSource(path=str(tmp_path / "ws"), id="1", chunk="zlib")
    before = tree_of(place, source)
    (tmp_path / "ws/b.o").write_text("")
    assert tree_of(place, source) != before
    with fails(SourceError, "git says", "not a git repository"):
        unsaved(tmp_path / "ws", "1" * 40)


def test_a_new_history_holds_everything(place: Place, tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    ws.mkdir()
    (ws / ".gitignore").write_text("configure\n")
    (ws / "configure").write_text("shipped, though git would ignore it\n")
    source = WorkspaceSource(path=str(ws), id="1", chunk="zlib")
    base = new_history(ws, branch_for("zlib"), "as it is")
    assert not unsaved(ws, base)
    before = tree_of(place, source)
    (ws / "configure").write_text("edited\n")
    assert tree_of(place, source) != before
    assert unsaved(ws, base).changed == ("configure",)


def test_what_is_laid_over_a_clone_is_one_commit(place: Place, project: Repository, tmp_path: Path) -> None:
    source, first = opened(place, project, tmp_path / "ws")
    ws, tree = Repository(tmp_path / "ws"), tmp_path / "tree"
    tree.mkdir()
    (tree / "main.c").write_text("patched\n")
    (tree / "src").mkdir()
    shutil.copytree(ws.path / "sub/lib", tree / "sub/lib", ignore=shutil.ignore_patterns(".git"))
    (tree / "src/b.c").write_text("new\n")
    replace_files(ws.path, tree)
    base = commit_all(ws.path, "zlib: what the definitions lay over it")
    assert not unsaved(ws.path, base)
    assert ws.git("rev-parse", "HEAD~") == first
    assert (ws.path / "main.c").read_text() == "patched\n"
    assert not (ws.path / "src/a.c").exists()
    ws.git("config", "user.name", "a")
    ws.git("config", "user.email", "a@b")
    ws.git("mv", "main.c", "moved.c")
    assert unsaved(ws.path, base).changed == ("main.c", "moved.c")
    ws.git("commit", "-qm", "moved")
    assert [line.partition(" ")[2] for line in unsaved(ws.path, base).commits] == ["moved"]
    del source


def test_a_name_that_is_no_branch_has_one_all_the_same() -> None:
    assert branch_for("gtk+") == "lithify/gtk+"
    assert branch_for("a..b") == "lithify/work"


def workspace(chunk: str = "zlib") -> Workspace:
    return Workspace(
        chunk=chunk, path="/x", id="1", branch="b", base="c", opened_at=1, made_from="m", pins="[]"
    )


def test_the_list_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    assert not is_any_open(tmp_path)
    with changing(tmp_path) as known:
        known["zlib"] = workspace()
    assert open_workspaces(tmp_path) == {"zlib": workspace()}
    with pytest.raises(ZeroDivisionError), changing(tmp_path) as known:
        known["lua"] = workspace("lua")
        raise ZeroDivisionError
    assert open_workspaces(tmp_path) == {"zlib": workspace()}
    with changing(tmp_path) as known:
        del known["zlib"]
    assert not is_any_open(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 1, "workspaces": [{"chunk": 1}]}'])
def test_a_list_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / ".lithify").mkdir()
    (tmp_path / ".lithify/workspaces.json").write_text(text)
    with fails(LithifyError, "this is no list of workspaces", "their folders stay"):
        open_workspaces(tmp_path)


def test_a_list_of_a_later_version_is_told(tmp_path: Path) -> None:
    (tmp_path / ".lithify").mkdir()
    (tmp_path / ".lithify/workspaces.json").write_text('{"version": 2, "workspaces": []}')
    with fails(LithifyError, "its version is 2", "a later one"):
        open_workspaces(tmp_path)
