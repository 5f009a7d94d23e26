"""The files of a commit, as they would be on disk after a checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lithify.cache import open_cache
from lithify.definitions.folder import Folder
from lithify.errors import SourceError
from lithify.process import run
from lithify.sources.git_files import CommitPlace, CommittedFiles, git_dir_of, lay_out

FILES = {
    "VERSION": b"version: 9\n",
    "DEFAULTS": b"{}\n",
    "b.morph": b"b\n",
    "a.morph": b"a\n",
    "strata/z.morph": b"z\n",
    "strata/deep/a.morph": b"\xff\x00bytes\n",
    "strata/notes.txt": b"no definition\n",
    ".hidden/x.morph": b"x\n",
    "other/VERSION": b"version: 3\n",
    "other/y.morph": b"y\n",
    "other/below/y.morph": b"y\n",
}
LINKS = {
    "link.morph": "strata/z.morph",
    "chain.morph": "link.morph",
    "folder": "strata/deep",
    "up.morph": "strata/../a.morph",
    "out.morph": "../outside.morph",
    "absolute.morph": "/etc/passwd",
    "loop.morph": "loop.morph",
    "broken.morph": "nothing",
}


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    (root / "program").write_bytes(b"#!/bin/sh\n")
    (root / "program").chmod(0o755)
    (tmp_path / "outside.morph").write_text("secret\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        run(["git", *arguments], cwd=root, env={**os.environ, "PATH": "/usr/bin:/bin"})
    return root


def place(root: Path, folder: str = "") -> CommitPlace:
    said = run(["git", "rev-parse", "HEAD"], cwd=root, env={**os.environ, "PATH": "/usr/bin:/bin"}).stdout
    repository = git_dir_of(root)
    assert repository is not None
    return CommitPlace(repository=repository, commit=said.decode().strip(), folder=folder)


def content(files: CommittedFiles | Folder, name: str) -> bytes | type[OSError]:
    try:
        return files.read(name)
    except FileNotFoundError:
        return FileNotFoundError
    except OSError:
        return OSError


def test_a_commit_reads_as_its_checkout(work_tree: Path) -> None:
    committed, folder = CommittedFiles(place(work_tree)), Folder(work_tree)
    assert list(committed.names()) == list(folder.names())
    asked = [*FILES, *LINKS, "folder/a.morph", "strata", "", "nothing", "strata/nothing", "../outside.morph"]
    for name in asked:
        assert content(committed, name) == content(folder, name), name
        if name:
            assert committed.exists(name) == folder.exists(name), name
    assert content(committed, "absolute.morph") is OSError
    assert content(committed, "link.morph") == b"z\n"


def test_a_folder_of_a_commit(work_tree: Path) -> None:
    files = CommittedFiles(place(work_tree, "strata"))
    assert list(files.names()) == ["z.morph", "deep/a.morph"]
    assert files.read("z.morph") == b"z\n"
    assert content(files, "../a.morph") is OSError
    with pytest.raises(SourceError, match="has no folder nowhere"):
        list(CommittedFiles(place(work_tree, "nowhere")).names())


def test_what_is_on_disk_does_not_count(work_tree: Path) -> None:
    files = CommittedFiles(place(work_tree))
    (work_tree / "a.morph").write_bytes(b"changed\n")
    (work_tree / "new.morph").write_bytes(b"new\n")
    assert files.read("a.morph") == b"a\n"
    assert not files.exists("new.morph")


def test_large_files_are_read_as_far_as_any(work_tree: Path) -> None:
    size = 5 << 20
    (work_tree / "large.morph").write_bytes(b"x" * size)
    for arguments in (["add", "-A"], ["commit", "-q", "-m", "large"]):
        run(["git", *arguments], cwd=work_tree, env={**os.environ, "PATH": "/usr/bin:/bin"})
    files = CommittedFiles(place(work_tree))
    assert len(files.read("large.morph")) == (4 << 20) + 1
    assert files.read("a.morph") == b"a\n"


def test_a_commit_is_laid_out_once(work_tree: Path, tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    folder = lay_out(place(work_tree), cache)
    for name, text in FILES.items():
        assert (folder / name).read_bytes() == text
    for name, target in LINKS.items():
        assert (folder / name).readlink() == Path(target)
    assert os.access(folder / "program", os.X_OK)
    assert not os.access(folder / "VERSION", os.X_OK)
    assert not (folder / ".git").exists()
    (folder / "mark").touch()
    assert lay_out(place(work_tree), cache) == folder
    assert (folder / "mark").exists()


def test_a_work_tree_and_a_bare_repository_are_found(work_tree: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    run(["git", "clone", "-q", "--bare", str(work_tree), str(tmp_path / "bare")], env=environment)
    run(["git", "worktree", "add", "-q", str(tmp_path / "second")], cwd=work_tree, env=environment)
    for root in (work_tree, tmp_path / "bare", tmp_path / "second"):
        assert CommittedFiles(place(root)).read("a.morph") == b"a\n"
    assert git_dir_of(work_tree / "strata") is None
