"""``anchor``: pushes to real git repositories, of which some refuse."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.cli.expand_repo import patterns
from tests import stuck
from tests.cli.test_certify import ENTRY, SYSTEM, stratum
from tests.cli.test_commits import commit, git
from tests.cli.transcript import Typist, expected, typist_on
from tests.program import Program, write_files

ANCHORS = "refs/heads/mine/anchors"


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Two repositories in ``pull``, each with two commits, and as it was at first in ``push``; a system of three commits."""
    heads = {name: repository(tmp_path, name) for name in ("one", "two")}
    first = git(tmp_path / "pull/one", "rev-parse", "HEAD~1").strip()
    ground = ENTRY.format(name="ground", repo="mine:one", ref=first) + "  build-mode: bootstrap\n"
    tree = {
        "VERSION": "version: 8\n",
        "systems/small.morph": SYSTEM,
        "strata/ground.morph": f"name: ground\nkind: stratum\nchunks:\n{ground}",
        "strata/base.morph": stratum(
            ("one", "mine:one", heads["one"]), ("two", "mine:two", heads["two"]), ("again", "mine:one", first)
        ),
    }
    return replace(typist_on(tmp_path, tree, capsys), environment=environment(tmp_path))


def environment(folder: Path) -> Mapping[str, str]:
    """Return the settings under which ``mine:`` is what is in ``pull`` and goes to ``push``."""
    return {
        "LITHIFY_REPO_ALIAS": f"mine=file://{folder}/pull/%s#file://{folder}/push/%s",
        "LITHIFY_TROVE_ID": "mine,others",
        "LITHIFY_QUIET": "1",
    }


def repository(folder: Path, name: str) -> str:
    """Make a repository, and return its second commit."""
    pull = write_files(folder / "pull" / name, {"file": f"{name}\n"})
    git(pull, "init", "-q")
    commit(pull)
    (folder / "push").mkdir(exist_ok=True)
    git(folder / "push", "clone", "-q", "--bare", str(pull), name)
    (pull / "file").write_text("changed\n")
    return commit(pull)


def anchors(folder: Path, name: str) -> list[str]:
    """Return the branches of a pushed repository that are anchors."""
    return git(folder / "push" / name, "for-each-ref", "--format=%(refname)", "refs/heads/mine").split()


def hook(folder: Path, name: str, kind: str, script: str) -> None:
    """Let a pushed repository run a script."""
    place = folder / "push" / name / "hooks" / kind
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)


def commits(folder: Path) -> tuple[str, str, str]:
    """Return the commits of the system: the first and second of ``one``, the second of ``two``."""
    return (
        git(folder / "pull/one", "rev-parse", "HEAD~1").strip(),
        git(folder / "pull/one", "rev-parse", "HEAD").strip(),
        git(folder / "pull/two", "rev-parse", "HEAD").strip(),
    )


def test_every_commit_gets_a_branch_where_its_repository_is_pushed_to(typist: Typist) -> None:
    first, second, other = commits(typist.folder)
    assert typist.type("anchor v1 small") == expected(f"""
        $ lithify anchor v1 small
        mine:one {ANCHORS}/v1/{first}
        mine:one {ANCHORS}/v1/{second}
        mine:two {ANCHORS}/v1/{other}
        [0]
        """)
    assert anchors(typist.folder, "one") == sorted([f"{ANCHORS}/v1/{first}", f"{ANCHORS}/v1/{second}"])
    assert git(typist.folder / "push/two", "rev-parse", f"{ANCHORS}/v1/{other}").strip() == other
    assert git(typist.folder / "pull/one", "branch", "--list", "mine/*") == ""


def test_what_is_there_already_is_no_fault(typist: Typist) -> None:
    first, second, other = commits(typist.folder)
    typist.type("anchor v1 small")
    git(typist.folder / "push/one", "update-ref", "-d", f"{ANCHORS}/v1/{second}")
    assert typist.type("anchor v1 small") == expected(f"""
        $ lithify anchor v1 small
        mine:one {ANCHORS}/v1/{first} (was there)
        mine:one {ANCHORS}/v1/{second}
        mine:two {ANCHORS}/v1/{other} (was there)
        [0]
        """)
    rows = json.loads(typist.type("anchor v1 small --json").partition("\n")[2].removesuffix("[0]\n"))
    assert [row["made"] for row in rows] == [False] * 3
    assert rows[0] == {
        "repository": "mine:one",
        "push": "file://FOLDER/push/one",
        "ref": f"{ANCHORS}/v1/{first}",
        "commit": first,
        "chunks": ["ground", "again"],
        "made": False,
    }


def test_one_refused_takes_back_what_was_made_and_nothing_older(typist: Typist) -> None:
    first, _, other = commits(typist.folder)
    git(typist.folder / "push/one", "update-ref", f"{ANCHORS}/v1/{first}", first)
    hook(typist.folder, "two", "pre-receive", "echo no anchors here >&2; exit 1")
    assert typist.type("anchor v1 small") == expected(f"""
        $ lithify anchor v1 small
        ! ERROR: the repository mine:two refuses {ANCHORS}/v1/{other}: pre-receive hook declined
        ! hint: remote: no anchors here
        ! hint: 1 anchor that was made before is taken back
        [1]
        """)
    assert anchors(typist.folder, "one") == [f"{ANCHORS}/v1/{first}"]
    assert anchors(typist.folder, "two") == []


def test_of_one_push_that_is_refused_in_part_nothing_stays(typist: Typist) -> None:
    _, second, _ = commits(typist.folder)
    hook(typist.folder, "one", "update", f'case "$1" in *{second}) exit 1;; esac')
    said = typist.type("anchor v1 small")
    assert f"ERROR: the repository mine:one refuses {ANCHORS}/v1/{second}: hook declined\n" in said
    assert "hint: 1 anchor that was made before is taken back\n[1]\n" in said
    assert anchors(typist.folder, "one") == anchors(typist.folder, "two") == []


def test_what_cannot_be_taken_back_is_told(typist: Typist) -> None:
    _, second, _ = commits(typist.folder)
    git(typist.folder / "push/one", "config", "receive.denyDeletes", "true")
    hook(typist.folder, "two", "pre-receive", "exit 1")
    said = typist.type("anchor v1 small --no-quiet")
    ref = f"{ANCHORS}/v1/{second}"
    mends = f"`git push file://FOLDER/push/one :{ref}` removes it"
    assert f"mine:one keeps {ref}: deletion prohibited; {mends}" in said
    assert "taken back" not in said
    assert said.endswith("[1]\n")


def test_all_repositories_that_cannot_be_pushed_to_are_told_before_anything_is_pushed(typist: Typist) -> None:
    (typist.folder / "push/one").rename(typist.folder / "push/away")
    (typist.folder / "push/two").rename(typist.folder / "push/gone")
    said = typist.type("anchor v1 small")
    for name in ("one", "two"):
        assert f"cannot push to the repository mine:{name} (file://FOLDER/push/{name})" in said
    (typist.folder / "push/away").rename(typist.folder / "push/one")
    assert "! ERROR: cannot push to the repository mine:two (" in typist.type("anchor v1 small")
    assert anchors(typist.folder, "one") == []


def test_a_branch_of_that_name_that_leads_elsewhere_stays(typist: Typist) -> None:
    _, _, other = commits(typist.folder)
    before = git(typist.folder / "push/two", "rev-parse", "main").strip()
    git(typist.folder / "push/two", "update-ref", f"{ANCHORS}/v1/{other}", before)
    said = typist.type("anchor v1 small")
    assert f"mine:two refuses {ANCHORS}/v1/{other}: it leads to another commit already" in said
    assert anchors(typist.folder, "one") == []
    assert git(typist.folder / "push/two", "rev-parse", f"{ANCHORS}/v1/{other}").strip() == before


def test_a_push_of_which_nobody_knows_the_end_is_taken_back(typist: Typist) -> None:
    """The server has taken it, and then the connection breaks: git is killed by the hook that comes last."""
    parent = 'parent() { cut -d" " -f4 "/proc/$1/stat"; }\n'
    hook(typist.folder, "two", "post-update", f'{parent}rm "$0"; kill -9 $(parent $(parent $PPID))')
    said = typist.type("anchor v1 small")
    assert "ERROR: cannot push to the repository mine:two (file://FOLDER/push/two): git says nothing" in said
    assert "3 anchors that were made before are taken back" in said
    assert not (typist.folder / "push/two/hooks/post-update").exists()
    assert anchors(typist.folder, "one") == anchors(typist.folder, "two") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_takes_back_what_is_under_way_too(typist: Typist, number: signal.Signals) -> None:
    fifo = typist.folder / "fifo"
    os.mkfifo(fifo)
    hook(typist.folder, "two", "pre-receive", f'rm "$0"; cat {fifo} >&2')
    program = Program(folder=typist.folder, definitions=typist.definitions, settings=settings(typist))
    child = program.start("anchor", "v1", "small")
    with open(fifo, "w"):  # the push is under way
        assert len(anchors(typist.folder, "one")) == 2
        child.send_signal(number)
        assert child.stderr is not None
        assert "interrupted: the push to mine:two ends, then" in child.stderr.readline()
    assert stuck.communicate(child) == ("", "ERROR: interrupted\n")
    assert child.returncode == 130
    assert anchors(typist.folder, "one") == anchors(typist.folder, "two") == []


def settings(typist: Typist) -> tuple[str, ...]:
    """Return the typist's settings as options, all but quiet."""
    given = environment(typist.folder)
    alias = given["LITHIFY_REPO_ALIAS"]
    assert patterns([alias])[1]
    return ("--repo-alias", alias, "--trove-id", "mine")


def test_a_tag_object_is_kept_by_its_commit(typist: Typist) -> None:
    one = typist.folder / "pull/one"
    git(one, "tag", "-m", "a tag", "v1")
    tag, head = git(one, "rev-parse", "v1").strip(), git(one, "rev-parse", "HEAD").strip()
    write_files(typist.definitions, {"strata/base.morph": stratum(("one", "mine:one", tag))})
    assert f"mine:one {ANCHORS}/v1/{head}\n[0]\n" in typist.type("anchor v1 small")


def test_another_format_and_the_definitions_of_a_commit(typist: Typist) -> None:
    first, second, _ = commits(typist.folder)
    git(typist.definitions, "init", "-q")
    commit(typist.definitions)
    (typist.definitions / "systems/small.morph").unlink()
    form = "--anchor-ref-format refs/keep/{trove_id}-{name}/{commit_sha1}"
    said = typist.type(f"anchor r/1 small --repo . --ref main {form} --trove-id x=y#git#ssh")
    assert f"mine:one refs/keep/x-r/1/{second}\n" in said
    said = typist.type(f"anchor r/1 {typist.definitions} HEAD small {form}")
    assert f"mine:one refs/keep/mine-r/1/{first}\n" in said


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("refs/heads/{name}/{commit}", "anchor-ref-format has {commit}"),
        ("{name}/{commit_sha1}", "anchor-ref-format {name}/{commit_sha1} makes no ref"),
        ("refs/heads/{name}/..", "anchor-ref-format refs/heads/{name}/.. makes no ref"),
        ("refs/heads/{name}", "anchor-ref-format gives 2 commits of mine:one one branch"),
    ],
)
def test_a_format_that_makes_no_anchor(typist: Typist, form: str, text: str) -> None:
    said = typist.type(f"anchor v1 small --anchor-ref-format {form}")
    assert f"! ERROR: {text}\n" in said
    assert said.endswith("[2]\n")


def test_sources_that_are_no_git_are_named(typist: Typist) -> None:
    archive = (
        "- name: fetched\n  sources:\n  - {kind: archive, url: 'https://example.com/x.tar'}\n"
        "  build-system: manual\n"
    )
    local = "- name: ours\n  sources:\n  - {kind: local, path: one}\n  build-system: manual\n"
    base = typist.definitions / "strata/base.morph"
    files = {"VERSION": "version: 9\n", "one/file": "one\n"}
    write_files(typist.definitions, {**files, "strata/base.morph": base.read_text() + archive + local})
    said = typist.type("anchor v1 small --no-quiet")
    warning = (
        "! warning: fetched: archive url=https://example.com/x.tar is no git source: it gets no anchor\n"
    )
    assert warning in said
    assert "ours" not in said
    assert said.endswith("[0]\n")
    ground = "name: base\nkind: stratum\nchunks:\n"
    write_files(typist.definitions, {"strata/base.morph": ground + archive + local})
    said = typist.type("anchor v1 small --quiet")
    assert said.endswith("! ERROR: no commit to anchor: small has no git source\n[1]\n")


def test_the_commits_must_be_there(typist: Typist) -> None:
    chunks = (
        ("lost", "mine:one", "1" * 40),
        ("nowhere", "mine:three", "2" * 40),
        ("moves", "mine:two", "main"),
    )
    write_files(typist.definitions, {"strata/base.morph": stratum(*chunks)})
    said = typist.type("anchor v1 small")
    assert f"commit {'1' * 40} is not in the repository file://FOLDER/pull/one" in said
    assert "cannot fetch the repository file://FOLDER/pull/three" in said
    assert said.endswith("[1]\n")
    assert anchors(typist.folder, "one") == []
    write_files(typist.definitions, {"strata/base.morph": stratum(chunks[2])})
    assert f"mine:two {ANCHORS}/v1/{commits(typist.folder)[2]}\n[0]\n" in typist.type("anchor v1 small")
