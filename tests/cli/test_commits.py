"""Definitions of a commit (``--repo``, ``--ref``), and ``diff`` between two of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.cli.messages import Messages
from lithify.cli.run import opened
from lithify.config import Settings
from lithify.events import ignore
from lithify.lease import Lease
from lithify.process import run
from lithify.schedule.definitions_from_git import Origin
from tests.cli.test_queries import printed
from tests.cli.transcript import TREE, Typist, expected, typist_on
from tests.program import write_files


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.invalid",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.invalid",
        "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
    }
    return run(
        ["git", "-c", "init.defaultBranch=main", *arguments], cwd=folder, env=environment
    ).stdout.decode()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a commit")
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    """A typist on a repository whose first commit has the small tree."""
    typist = typist_on(tmp_path, TREE, capsys)
    git(typist.definitions, "init", "-q")
    commit(typist.definitions)
    return typist


def change(typist: Typist, file: str, old: str, new: str) -> None:
    path = typist.definitions / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_definitions_of_a_commit_are_read_without_a_checkout(typist: Typist) -> None:
    before = printed(typist.type("graph small"))
    change(typist, "strata/work.morph", "- name: zlib", "- name: zlib-ng")
    change(typist, "strata/work.morph", "  - zlib", "  - zlib-ng")
    state = git(typist.definitions, "status", "--porcelain")
    assert printed(typist.type("graph --repo . --ref HEAD small")) == before
    assert printed(typist.type("graph --repo .. --ref main small.morph", below="systems")) == before
    assert printed(typist.type(f"graph --repo file://{typist.definitions} --ref main small")) == before
    assert printed(typist.type("graph . main small")) == before  # as morph had it
    assert "zlib-ng" in typist.type("graph small")
    assert git(typist.definitions, "status", "--porcelain") == state
    assert not (typist.folder / "cache").exists()


ASKED = ("show small", "list-artifacts small", "build small --dry-run", "why app --inputs", "log app")


@pytest.mark.parametrize("line", ASKED)
def test_what_is_asked_of_builds_can_be_of_a_commit_too(typist: Typist, line: str) -> None:
    def said(transcript: str) -> list[str]:
        return transcript.splitlines()[1:]

    before = said(typist.type(line))
    change(typist, "strata/work.morph", "ref: 1", "ref: 9")
    assert said(typist.type(line)) != before or line == "log app"
    command, rest = line.split(" ", 1)
    assert said(typist.type(f"{line} --repo . --ref main")) == before
    assert said(typist.type(f"{command} . main {rest}")) == before  # as morph had it
    assert said(typist.type(f"{line} --ref main")) == [
        "! ERROR: --repo and --ref are given both or neither",
        "[2]",
    ]


def test_definitions_that_are_laid_out_cannot_be_collected_meanwhile(typist: Typist) -> None:
    invocation = Invocation(
        cwd=typist.definitions,
        environment={},
        settings=Settings(cachedir=typist.folder / "cache"),
        messages=Messages(sys.stderr, color=False),
    )
    other = Lease(CacheFolder(typist.folder / "cache"))
    with opened(invocation, ignore, Origin(repo=".", ref="HEAD")) as session:
        assert session.definitions.root.parent == session.cache.sources / "definitions"
        with other.alone() as alone:
            assert not alone
    with other.alone() as alone:
        assert alone


def test_a_folder_of_the_systems_name_is_no_repository(typist: Typist) -> None:
    (typist.definitions / "small").mkdir()
    assert "zlib" in printed(typist.type("build small zlib app --dry-run"))


def test_only_clusters_are_deployed(typist: Typist) -> None:
    assert typist.type("deploy systems/small.morph") == expected(
        """
        $ lithify deploy systems/small.morph
        ! ERROR: lithify deployment commands are only supported for cluster morphologies
        ! hint: systems/small.morph is a system
        [1]
        """
    )


def test_it_works_outside_of_a_tree(typist: Typist) -> None:
    outside = typist.folder / "outside"
    (outside / "definitions").mkdir(parents=True)
    other = Typist(folder=outside, capsys=typist.capsys)
    for line in ("validate", "show-dependencies small", "why-depends app zlib", "get-chunk-details zlib"):
        assert other.type(f"{line} --repo {typist.definitions} --ref main").endswith("[0]\n")
    text = other.type(f"show-dependencies --repo {typist.definitions} --ref main small")
    assert "|main|strata/base.morph|base-devel|base-devel" in text


def test_a_repository_elsewhere_has_a_mirror(typist: Typist) -> None:
    """An alias is never a folder here, so that it is fetched as from any server."""
    alias = f"--repo-alias mine=file://{typist.folder}/%s#none"
    before = printed(typist.type("graph small"))
    assert printed(typist.type(f"graph {alias} --repo mine:definitions --ref main small")) == before
    assert list((typist.folder / "cache" / "sources" / "git").iterdir())
    text = typist.type(f"graph {alias} --repo mine:definitions --ref nothing small")
    assert "has no branch, tag or commit nothing" in text
    assert text.endswith("[1]\n")


@pytest.mark.parametrize(
    ("repo", "ref", "error"),
    [
        (".", "nothing", "the repository . has no branch, tag or commit nothing"),
        (".", "--help=x", "the repository . has no branch, tag or commit --help=x"),
        ("/", "main", "/ is no git repository"),
        ("ext::sh", "main", "the repository ext::sh names a program to run, not a repository"),
    ],
)
def test_what_is_no_commit(typist: Typist, repo: str, ref: str, error: str) -> None:
    lines = typist.type(f"validate --repo={repo} --ref={ref}").splitlines()
    assert lines[1] == f"! ERROR: {error}"
    assert lines[-1] == "[1]"


def test_nothing_differs(typist: Typist) -> None:
    assert typist.type("diff main HEAD") == "$ lithify diff main HEAD\n[0]\n"


def test_what_differs_between_two_commits(typist: Typist) -> None:
    change(typist, "strata/work.morph", "upstream:app\n  ref: 1", "upstream:app2\n  ref: 9")
    change(typist, "strata/work.morph", "  build-system: autotools\n  build-depends", "  build-depends")
    change(
        typist,
        "strata/work.morph",
        "  - zlib\n",
        "  - zlib\n  build-system: manual\n  install-commands:\n  - make install\n- name: new\n  repo: a:b\n"
        "  ref: 3123456789abcdef0123456789abcdef01234567\n  build-system: manual\n",
    )
    change(
        typist,
        "strata/base.morph",
        "  build-system: autotools\n",
        "  build-system: autotools\n  prefix: /opt\n",
    )
    commit(typist.definitions)
    lines = printed(typist.type("diff HEAD~1 HEAD small --no-git-update")).splitlines()
    plain = [line for line in lines if not line.startswith("  ")]
    assert plain == [
        "libc prefix changed from /usr to /opt",
        "app repo changed from upstream:app to upstream:app2",
        "app ref changed from 1123456789abcdef0123456789abcdef01234567 to 9123456789abcdef0123456789abcdef01234567",
        "app build-system changed from autotools to manual",
        "app configure-commands changed",
        "app build-commands changed",
        "app install-commands changed",
        "app strip-commands changed",
        "new was added",
    ]
    assert "  + make install" in lines


def test_a_chunk_that_moves_and_systems_that_come_and_go(typist: Typist) -> None:
    write_files(
        typist.definitions,
        {
            "strata/more.morph": "name: more\nkind: stratum\nbuild-depends:\n- morph: strata/base.morph\nchunks:\n"
            + TREE["strata/work.morph"].partition("chunks:\n")[2].partition("- name: app")[0],
            "strata/work.morph": TREE["strata/work.morph"]
            .replace(
                "- name: zlib\n  repo: upstream:zlib\n  ref: 0123456789abcdef0123456789abcdef01234567\n"
                "  build-system: autotools\n",
                "",
            )
            .replace("  build-depends:\n  - zlib\n", "")
            .replace(
                "- morph: strata/base.morph\n", "- morph: strata/base.morph\n- morph: strata/more.morph\n"
            ),
            "systems/big.morph": TREE["systems/small.morph"].replace("name: small", "name: big"),
        },
    )
    commit(typist.definitions)
    lines = printed(typist.type("diff HEAD~1 HEAD")).splitlines()
    assert lines[0] == "big was added"
    assert "zlib was moved from stratum work to stratum more" in lines
    assert "more was added" in lines
    assert "big was removed" in printed(typist.type("diff HEAD HEAD~1")).splitlines()
    assert printed(typist.type("diff HEAD~1 HEAD systems/big.morph")) == "big was added"


def test_what_differs_in_several_systems_is_said_once_or_by_system(typist: Typist) -> None:
    big = TREE["systems/small.morph"].replace("name: small", "name: big")
    other = big.replace("name: big", "name: other").replace("- morph: strata/work.morph\n", "")
    write_files(typist.definitions, {"systems/big.morph": big, "systems/other.morph": other})
    commit(typist.definitions)
    change(typist, "strata/work.morph", "ref: 1", "ref: 9")
    commit(typist.definitions)
    line = f"app ref changed from 1{TREE['strata/work.morph'].split('ref: 1')[1][:39]} to 9"
    once = printed(typist.type("diff HEAD~1 HEAD --no-git-update")).splitlines()
    assert len(once) == 1 and once[0].startswith(line)
    assert printed(typist.type("diff HEAD~1 HEAD --by-system --no-git-update")).splitlines() == [
        "big:",
        f"  {once[0]}",
        "small:",
        f"  {once[0]}",
    ]


def test_differences_are_data_by_system(typist: Typist) -> None:
    change(typist, "strata/work.morph", "ref: 1", "ref: 9")
    commit(typist.definitions)
    assert json.loads(printed(typist.type("diff main~1 main small --json"))) == [
        {
            "system": "small",
            "file": "systems/small.morph",
            "state": "changed",
            "changes": [
                {
                    "kind": "chunk",
                    "name": "app",
                    "what": "ref",
                    "old": "1123456789abcdef0123456789abcdef01234567",
                    "new": "9123456789abcdef0123456789abcdef01234567",
                }
            ],
        }
    ]


def test_refs_are_described_by_the_tags_of_the_chunks_repository(typist: Typist) -> None:
    app = typist.folder / "app"
    app.mkdir()
    git(app, "init", "-q")
    first = commit(app)
    git(app, "tag", "v1.0")
    second = commit(app)
    alias = f"--repo-alias upstream=file://{typist.folder}/%s#none"
    change(typist, "strata/work.morph", "1123456789abcdef0123456789abcdef01234567", first)
    commit(typist.definitions)
    change(typist, "strata/work.morph", first, second)
    commit(typist.definitions)
    line = f"diff HEAD~1 HEAD {alias}"
    assert printed(typist.type(line)) == f"app ref changed from v1.0 to v1.0-1-g{second[:7]}"
    change(typist, "strata/work.morph", second, "v1.0")
    commit(typist.definitions)
    assert printed(typist.type(line)) == f"app ref changed from v1.0-1-g{second[:7]} to v1.0"
    # Another name of the same commit is no change of what is built.
    assert printed(typist.type(f"diff HEAD~2 HEAD {alias}")) == ""


def test_a_repository_that_cannot_be_had_is_a_warning(typist: Typist) -> None:
    change(typist, "strata/work.morph", "ref: 1", "ref: 9")
    commit(typist.definitions)
    text = typist.type(f"diff HEAD~1 HEAD --repo-alias upstream=file://{typist.folder}/nowhere/%s#none")
    assert "app ref changed from 1123456789abcdef0123456789abcdef01234567 to 9123" in text
    assert "warning: cannot fetch the repository" in text
    assert text.count("warning:") == 1
    assert text.endswith("[0]\n")


def test_a_system_that_is_broken_hides_no_other(typist: Typist) -> None:
    write_files(
        typist.definitions,
        {
            "systems/broken.morph": TREE["systems/small.morph"]
            .replace("work", "gone")
            .replace("small", "broken")
        },
    )
    commit(typist.definitions)
    change(typist, "strata/base.morph", "ref: 2", "ref: 9")
    commit(typist.definitions)
    text = typist.type("diff HEAD~1 HEAD --no-git-update")
    assert "libc ref changed from 2123" in text
    assert "! warning: systems/broken.morph is not compared: it is broken in both: " in text
    assert "! systems/broken.morph:6:10: error: no file" in text
    assert text.endswith("[0]\n")
    change(typist, "systems/broken.morph", "gone", "work")
    commit(typist.definitions)
    text = typist.type("diff HEAD~1 HEAD --no-git-update")
    assert "broken in one of the commits" in text
    assert text.endswith("! ERROR: 1 systems could not be compared\n[1]\n")
    assert typist.type("diff HEAD~1 HEAD systems/broken.morph").endswith("[1]\n")


def test_morphs_spelling_of_a_difference(typist: Typist) -> None:
    change(typist, "strata/base.morph", "ref: 2", "ref: 9")
    commit(typist.definitions)
    new = printed(typist.type("diff main~1 main --no-git-update"))
    assert printed(typist.type("diff . main~1 small - . main small --no-git-update")) == new
    assert typist.type("diff . main~1 -").endswith("[2]\n")


def test_two_repositories(typist: Typist) -> None:
    git(typist.folder, "clone", "-q", str(typist.definitions), "fork")
    fork = typist.folder / "fork"
    text = (fork / "strata/base.morph").read_text()
    (fork / "strata/base.morph").write_text(text.replace("ref: 2", "ref: 9"))
    commit(fork)
    said = printed(typist.type("diff main main --to-repo ../fork --no-git-update"))
    assert said.startswith("libc ref changed from 2123")
