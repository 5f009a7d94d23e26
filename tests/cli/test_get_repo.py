"""``get-repo``: a clone of what a chunk is made from, with the real repositories as origins; real git throughout."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.test_commits import commit, git
from tests.cli.test_queries import printed
from tests.cli.transcript import Typist, expected, typist_on
from tests.program import write_files

STRATUM = """\
name: base
kind: stratum
chunks:
- name: pinned
  repo: mine:project
  ref: {commit}
  build-system: manual
- name: following
  repo: mine:project
  ref: main
  build-system: manual
- name: twice
  repo: mine:project
  ref: main
  build-system: manual
"""
OTHER = """\
name: other
kind: stratum
chunks:
- name: twice
  repo: mine:library
  ref: main
  build-system: manual
"""


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Definitions beside a project of two commits, of which the first has the library as a submodule."""
    library = write_files(tmp_path / "upstream" / "library", {"lib.c": "int lib;\n"})
    project = write_files(tmp_path / "upstream" / "project", {"main.c": "int one;\n"})
    git(library, "init", "-q")
    commit(library)
    git(project, "init", "-q")
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "sub/lib")
    first = commit(project)
    git(project, "tag", "v1")
    (project / "main.c").write_text("int two;\n")
    commit(project)
    tree = {
        "VERSION": "version: 8\n",
        "strata/base.morph": STRATUM.format(commit=first),
        "strata/other.morph": OTHER,
    }
    upstream = tmp_path / "upstream"
    alias = f"mine=file://{upstream}/%s#ssh://git@git.example.com/%s"
    return replace(typist_on(tmp_path, tree, capsys), environment={"LITHIFY_REPO_ALIAS": alias})


def test_a_pinned_chunk_is_cloned_beside_the_definitions(typist: Typist) -> None:
    said = typist.type("get-repo pinned --quiet", below="strata")
    assert said == "$ lithify get-repo pinned --quiet\nFOLDER/pinned\n[0]\n"
    clone, upstream = typist.folder / "pinned", typist.folder / "upstream"
    assert (clone / "main.c").read_text() == "int one;\n"
    assert (clone / "sub/lib/lib.c").read_text() == "int lib;\n"
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "describe", "--tags").strip() == "v1"
    assert git(clone, "branch", "--show-current") == ""
    assert git(clone, "remote", "get-url", "origin").strip() == f"file://{upstream}/project"
    assert git(clone, "remote", "get-url", "--push", "origin").strip() == "ssh://git@git.example.com/project"
    assert git(clone / "sub/lib", "remote", "get-url", "origin").strip() == f"file://{upstream}/library"
    assert git(clone, "config", "submodule.sub/lib.url").strip() == f"file://{upstream}/library"


def test_a_branch_is_checked_out_and_follows_its_origin(typist: Typist) -> None:
    assert typist.type("get-repo following ../work/here --quiet").endswith("FOLDER/work/here\n[0]\n")
    clone, project = typist.folder / "work/here", typist.folder / "upstream/project"
    assert git(clone, "branch", "--show-current").strip() == "main"
    (project / "main.c").write_text("int three;\n")
    commit(project)
    git(clone, "pull", "-q", "--no-recurse-submodules")
    assert (clone / "main.c").read_text() == "int three;\n"


def test_the_clone_needs_neither_cache_nor_upstream(typist: Typist) -> None:
    typist.type("get-repo pinned --quiet")
    (typist.folder / "cache/sources/git").rename(typist.folder / "gone")
    (typist.folder / "upstream").rename(typist.folder / "gone-too")
    git(typist.folder / "pinned", "fsck", "--strict")
    assert git(typist.folder / "pinned", "log", "--oneline", "origin/main").count("\n") == 2


def test_the_definitions_of_a_commit(typist: Typist) -> None:
    git(typist.definitions, "init", "-q")
    commit(typist.definitions)
    write_files(typist.definitions, {"strata/base.morph": "name: base\nkind: stratum\nchunks: []\n"})
    said = typist.type("get-repo pinned --repo .. --ref main --quiet", below="strata")
    assert printed(said) == "FOLDER/definitions/strata/pinned"


def test_what_cannot_be_cloned(typist: Typist) -> None:
    (typist.folder / "pinned").mkdir()
    assert typist.type("get-repo pinned --quiet") == expected("""
        $ lithify get-repo pinned --quiet
        ! ERROR: FOLDER/pinned exists already
        ! hint: give another PATH, or move it away
        [1]
        """)
    assert typist.type("get-repo pined") == expected("""
        $ lithify get-repo pined
        ! ERROR: chunk pined not found
        ! hint: did you mean "pinned"?
        [1]
        """)
    assert typist.type("get-repo twice") == expected("""
        $ lithify get-repo twice
        ! ERROR: chunk twice is made from 2 git sources: see strata/base.morph, strata/other.morph
        [1]
        """)
    assert typist.type("get-repo").endswith("[2]\n")
    assert typist.type("get-repo pinned --repo .").endswith("[2]\n")


def test_a_commit_that_is_nowhere_leaves_nothing_behind(typist: Typist) -> None:
    nowhere = STRATUM.replace("{commit}", "1" * 40).partition("- name: following")[0]
    write_files(typist.definitions, {"strata/base.morph": nowhere})
    said = typist.type("get-repo pinned --quiet")
    assert f"commit {'1' * 40} is not in the repository" in said
    assert said.endswith("[1]\n")
    assert not (typist.folder / "pinned").exists()
