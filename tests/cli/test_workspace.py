"""``workspace``: open, list and close, without a build; what is nowhere else is never thrown away unasked. Real git."""

from __future__ import annotations

import json
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
- name: zlib
  build-system: manual
  sources:
  - {kind: git, url: "mine:zlib", ref: main}
- name: odd+name
  build-system: manual
  sources:
  - {kind: git, url: "mine:zlib", ref: %s}
- name: own
  build-system: manual
  sources:
  - {kind: local, path: own}
- name: packages
  build-system: import
  sources:
  - {kind: debian, packages: [bash], suite: bookworm}
"""
SYSTEM = "name: small\nkind: system\narch: x86_64\nstrata:\n- morph: strata/base.morph\n"


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    upstream = write_files(tmp_path / "upstream/zlib", {"zlib.c": "int one;\n", ".gitignore": "*.o\n"})
    git(upstream, "init", "-q")
    first = commit(upstream)
    tree = {
        "VERSION": "version: 9\n",
        "strata/base.morph": STRATUM % first,
        "systems/small.morph": SYSTEM,
        "own/file": "",
    }
    alias = f"mine=file://{tmp_path}/upstream/%s#ssh://git@git.example.com/%s"
    typist = replace(typist_on(tmp_path, tree, capsys), environment={"LITHIFY_REPO_ALIAS": alias})
    typist.type("lock zlib --quiet")
    return typist


def listed(typist: Typist) -> dict[str, object]:
    said = typist.type("workspace list --json --quiet")
    found: list[dict[str, object]] = json.loads(said.partition("\n")[2].rpartition("[")[0])
    assert len(found) == 1
    return found[0]


def test_a_clone_on_a_branch_of_its_own(typist: Typist) -> None:
    git(typist.definitions, "init", "-q")
    commit(typist.definitions)
    said = typist.type("workspace open zlib --quiet", below="strata")
    assert said == "$ lithify workspace open zlib --quiet\nFOLDER/zlib\n[0]\n"
    clone, upstream = typist.folder / "zlib", typist.folder / "upstream"
    assert (clone / "zlib.c").read_text() == "int one;\n"
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "branch", "--show-current").strip() == "lithify/zlib"
    assert git(clone, "remote", "get-url", "origin").strip() == f"file://{upstream}/zlib"
    assert git(clone, "remote", "get-url", "--push", "origin").strip() == "ssh://git@git.example.com/zlib"
    assert git(typist.definitions, "status", "--porcelain") == "", "git sees nothing of it in the definitions"
    assert typist.type("workspace list") == expected("""
        $ lithify workspace list
        zlib  FOLDER/zlib  clean
        [0]
        """)
    typist.type("workspace open odd+name ~/src/odd --quiet")


def test_what_is_unsaved_is_told_and_kept(typist: Typist) -> None:
    typist.type("workspace open zlib ../work/z --quiet")
    clone = typist.folder / "work/z"
    (clone / "zlib.o").write_text("ignored")
    (clone / "new.c").write_text("int two;\n")
    assert listed(typist)["changed"] == ["new.c"]
    assert typist.type("workspace close zlib") == expected("""
        $ lithify workspace close zlib
        ! ERROR: zlib: its workspace FOLDER/work/z has what is nowhere else: 1 changed file not committed
        ! hint: new.c
        ! hint: `git -C FOLDER/work/z status` shows it
        ! hint: `--keep` closes it and leaves the folder
        ! hint: `--force` throws the work away
        [1]
        """)
    commit(clone)
    said = typist.type("workspace close zlib")
    assert "has what is nowhere else: 1 commit not pushed\n" in said
    assert "format-patch" in said
    git(clone, "checkout", "-q", "main")  # the commit is still on the branch alone
    assert typist.type("workspace close zlib").endswith("[1]\n")
    (clone / "zlib.c").write_text("int three;\n")
    git(clone, "-c", "user.name=a", "-c", "user.email=a@b", "stash")
    assert listed(typist)["stashes"] == 1
    git(clone, "stash", "drop", "-q")
    git(clone, "push", "-q", str(typist.folder / "upstream/zlib"), "lithify/zlib:work")
    git(clone, "fetch", "-q", "origin")
    assert listed(typist)["condition"] == "clean"
    assert typist.type("workspace close zlib") == expected("""
        $ lithify workspace close zlib
        zlib is built from its declared sources again; FOLDER/work/z is removed
        [0]
        """)
    assert not clone.exists()
    assert typist.type("workspace list") == expected("""
        $ lithify workspace list
        no workspace is open
        [0]
        """)
    assert not (typist.definitions / ".lithify/workspaces.json").exists()


def test_keep_and_force(typist: Typist) -> None:
    typist.type("workspace open zlib --quiet")
    (typist.folder / "zlib/new.c").write_text("")
    assert printed(typist.type("workspace close zlib --keep")).endswith("FOLDER/zlib stays")
    assert (typist.folder / "zlib/new.c").exists()
    typist.type("workspace open zlib ../again --quiet")
    (typist.folder / "again/new.c").write_text("")
    assert typist.type("workspace close zlib --force").endswith("[0]\n")
    assert not (typist.folder / "again").exists()


def test_show_and_why_name_the_workspace(typist: Typist) -> None:
    git(typist.definitions, "init", "-q")
    commit(typist.definitions)
    before = typist.type("show small --json --quiet")
    typist.type("workspace open zlib --quiet")
    said = typist.type("show small --quiet")
    assert "  zlib      workspace FOLDER/zlib; never built\n" in said
    assert '"workspace": "FOLDER/zlib"' in typist.type("show small --json --quiet")
    assert "built from its workspace FOLDER/zlib\n" in typist.type("why zlib --quiet")
    clean = typist.type("show small --quiet --repo . --ref HEAD")
    assert "workspace" not in clean
    assert clean.endswith("[0]\n")
    opened = typist.type("show small --json --quiet")
    (typist.folder / "zlib/zlib.c").write_text("int four;\n")
    assert typist.type("show small --json --quiet") != opened
    typist.type("workspace close zlib --force")
    assert typist.type("show small --json --quiet") == before


def test_a_folder_that_has_gone_can_be_forgotten(typist: Typist) -> None:
    typist.type("workspace open zlib --quiet")
    (typist.folder / "zlib").rename(typist.folder / "elsewhere")
    assert typist.type("show small --quiet") == expected("""
        $ lithify show small --quiet
        ! ERROR: zlib: its workspace FOLDER/zlib is not there any more
        ! hint: put it back, or forget it: `lithify workspace close zlib`
        [1]
        """)
    assert "zlib  FOLDER/zlib  the folder is gone\n" in typist.type("workspace list")
    assert typist.type("workspace close zlib").endswith("[0]\n")


def test_pins_that_move_on_are_told(typist: Typist) -> None:
    typist.type("workspace open zlib --quiet")
    upstream = typist.folder / "upstream/zlib"
    (upstream / "zlib.c").write_text("int five;\n")
    commit(upstream)
    typist.type("lock --update zlib --quiet")
    said = typist.type("workspace list")
    assert "clean; the definitions pin other sources now\n" in said


def test_what_cannot_be_opened(typist: Typist) -> None:
    (typist.folder / "zlib").mkdir()
    assert typist.type("workspace open zlib --quiet") == expected("""
        $ lithify workspace open zlib --quiet
        ! ERROR: FOLDER/zlib exists already
        ! hint: give another FOLDER, or move it away
        [1]
        """)
    assert typist.type("workspace open zlip") == expected("""
        $ lithify workspace open zlip
        ! ERROR: no system has a chunk zlip
        ! hint: did you mean "zlib"?
        [1]
        """)
    assert typist.type("workspace open own") == expected("""
        $ lithify workspace open own
        ! ERROR: own is made from files of the definitions: own
        ! hint: edit them there: they are read at each build
        [1]
        """)
    assert typist.type("workspace open packages") == expected("""
        $ lithify workspace open packages
        ! ERROR: packages is made from Debian's binary packages: there is no source to work on
        ! hint: take the package as a `debian-source`, or its upstream by `git`
        [1]
        """)
    typist.type("workspace open zlib ../z --quiet")
    assert typist.type("workspace open zlib ../y --quiet") == expected("""
        $ lithify workspace open zlib ../y --quiet
        ! ERROR: zlib has a workspace already: FOLDER/z
        ! hint: `lithify workspace close zlib` ends the work there
        [1]
        """)
    assert not (typist.folder / "y").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("workspace", "missing argument"),
        ("workspace opne zlib", 'workspace opne: there is no such action\n! hint: did you mean "open"?'),
        ("workspace open", "workspace open: missing argument CHUNK"),
        ("workspace list zlib", "workspace list: too many arguments: zlib"),
        ("workspace open zlib a b", "workspace open: too many arguments: b"),
        ("workspace open zlib --force", "--force is for `workspace close`"),
        ("workspace close zlib --force --keep", "give one of them"),
    ],
)
def test_wrong_use(typist: Typist, line: str, told: str) -> None:
    said = typist.type(line)
    assert told in said
    assert said.endswith("[2]\n")


def test_unknown_names(typist: Typist) -> None:
    assert typist.type("workspace close zlib") == expected("""
        $ lithify workspace close zlib
        ! ERROR: zlib has no workspace
        ! hint: no workspace is open
        [1]
        """)
    typist.type("workspace open zlib --quiet")
    assert typist.type("workspace reset zlip") == expected("""
        $ lithify workspace reset zlip
        ! ERROR: zlip has no workspace
        ! hint: did you mean "zlib"?
        [1]
        """)


def test_a_list_that_is_not_ours_is_told(typist: Typist) -> None:
    write_files(typist.definitions, {".lithify/workspaces.json": "[]"})
    said = typist.type("show small")
    assert "workspaces.json: this is no list of workspaces\n! hint: remove it" in said
    assert said.endswith("[1]\n")
