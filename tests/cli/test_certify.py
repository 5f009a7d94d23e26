"""``certify``: real git repositories, of which some keep what is built and some do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.test_commits import commit, git
from tests.cli.test_queries import printed
from tests.cli.transcript import Typist, expected, typist_on
from tests.program import write_files

SYSTEM = """\
name: small
kind: system
arch: x86_64
strata:
- morph: strata/base.morph
"""
ENTRY = "- name: {name}\n  repo: {repo}\n  ref: {ref}\n  build-system: manual\n"


def stratum(*chunks: tuple[str, str, str]) -> str:
    """Return a stratum of chunks: (name, repository, ref)."""
    entries = "".join(ENTRY.format(name=name, repo=repo, ref=ref) for name, repo, ref in chunks)
    return f"name: base\nkind: stratum\nbuild-depends:\n- morph: strata/ground.morph\nchunks:\n{entries}"


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Definitions without a stratum, and a repository ``mine:lib`` on the Trove ``shelf``, which is a folder."""
    library = write_files(tmp_path / "shelf" / "lib", {"lib.c": "int lib;\n"})
    git(library, "init", "-q")
    commit(library)
    tree = {"VERSION": "version: 8\n", "systems/small.morph": SYSTEM}
    environment = {
        "LITHIFY_REPO_ALIAS": f"mine=file://{tmp_path}/shelf/%s#file://{tmp_path}/shelf/%s",
        "LITHIFY_TROVE_HOST": "shelf",
        "LITHIFY_QUIET": "1",
    }
    return replace(typist_on(tmp_path, tree, capsys), environment=environment)


def library(typist: Typist) -> Path:
    return typist.folder / "shelf" / "lib"


def head(typist: Typist) -> str:
    return git(library(typist), "rev-parse", "HEAD").strip()


def define(typist: Typist, *chunks: tuple[str, str, str]) -> None:
    ground = ENTRY.format(name="ground", repo="mine:lib", ref=head(typist)) + "  build-mode: bootstrap\n"
    files = {
        "strata/base.morph": stratum(*chunks),
        "strata/ground.morph": f"name: ground\nkind: stratum\nchunks:\n{ground}",
    }
    write_files(typist.definitions, files)


PASSED = "Reproducibility certification PASSED for small"


def test_what_a_branch_or_a_tag_keeps_passes(typist: Typist) -> None:
    tagged = head(typist)
    git(library(typist), "tag", "-m", "kept", "v1")
    write_files(library(typist), {"lib.c": "int two;\n"})
    git(library(typist), "commit", "-q", "-a", "--amend", "-m", "another root")
    define(typist, ("lib", "mine:lib", head(typist)), ("old", "mine:lib", tagged))
    assert typist.type("certify small") == expected(f"""
        $ lithify certify small
        {PASSED}
        [0]
        """)
    assert printed(typist.type("certify systems/small.morph")).endswith("PASSED for systems/small.morph")


def test_each_reason_is_told_with_its_place(typist: Typist) -> None:
    lost = head(typist)
    git(library(typist), "commit", "-q", "--amend", "-m", "another root")
    define(
        typist,
        ("fine", "mine:lib", head(typist)),
        ("moves", "mine:lib", "main"),
        ("short", "mine:lib", lost[:10]),
        ("lost", "mine:lib", lost),
        ("away", f"file://{typist.folder}/elsewhere/lib", "v1"),
        ("nowhere", "mine:gone", "1" * 40),
    )
    said = typist.type("certify small").replace(lost, "LOST").replace(lost[:10], "SHORT")
    assert said.replace("cannot fetch the repository file://FOLDER/shelf/gone: ", "") == expected("""
        $ lithify certify small
        Reproducibility certification FAILED for small
          strata/base.morph:12:8: moves: ref main of mine:lib is not a commit of 40 digits
          strata/base.morph:16:8: short: ref SHORT of mine:lib is not a commit of 40 digits
          strata/base.morph:20:8: lost: no branch or tag of mine:lib leads to LOST
          strata/base.morph:23:9: away: file://FOLDER/elsewhere/lib is not on shelf
          strata/base.morph:24:8: away: ref v1 of file://FOLDER/elsewhere/lib is not a commit of 40 digits
          strata/base.morph:28:8: nowhere: 'FOLDER/shelf/gone' does not appear to be a git repository
        ! ERROR: not certified: small
        [1]
        """)
    rows = json.loads(typist.type("certify small --json").partition("\n")[2].partition("\n! ")[0])
    what = [reason["what"] for reason in rows[0]["reasons"]]
    assert what == ["ref", "ref", "reach", "host", "ref", "reach"]
    assert (rows[0]["passed"], rows[0]["file"], rows[0]["chunks"]) == (False, "systems/small.morph", 7)
    assert rows[0]["reasons"][0]["line"] == 12


def test_without_a_trove_a_repository_may_be_anywhere(typist: Typist) -> None:
    define(typist, ("lib", str(library(typist)), head(typist)))
    assert "is not on git.example.com" in typist.type("certify small --trove-host git.example.com")
    assert PASSED in typist.type("certify small --trove-host ''")


def test_a_branch_that_went_keeps_nothing(typist: Typist) -> None:
    define(typist, ("lib", "mine:lib", head(typist)))
    assert PASSED in typist.type("certify small")
    git(library(typist), "commit", "-q", "--amend", "-m", "another root")
    assert PASSED in typist.type("certify small --no-git-update")
    assert "no branch or tag of mine:lib leads to" in typist.type("certify small")
    assert "no branch or tag of mine:lib leads to" in typist.type("certify small --no-git-update")


def test_what_is_not_cached_cannot_be_told_without_asking(typist: Typist) -> None:
    define(typist, ("lib", "mine:lib", head(typist)))
    said = typist.type("certify small --no-git-update")
    assert f"lib: commit {head(typist)} of mine:lib is not cached, and no-git-update is set" in said
    assert said.endswith("[1]\n")


def test_one_system_of_two_fails(typist: Typist) -> None:
    define(typist, ("lib", "mine:lib", "main"))
    other = SYSTEM.replace("small", "other").replace("base", "fine")
    fine = stratum(("lib", "mine:lib", head(typist))).replace("base", "fine")
    write_files(typist.definitions, {"systems/other.morph": other, "strata/fine.morph": fine})
    said = typist.type("certify other small")
    assert "PASSED for other\nReproducibility certification FAILED for small\n" in said
    assert said.endswith("! ERROR: not certified: small\n[1]\n")


def test_the_definitions_of_a_commit(typist: Typist) -> None:
    define(typist, ("lib", "mine:lib", head(typist)))
    git(typist.definitions, "init", "-q")
    commit(typist.definitions)
    define(typist, ("lib", "mine:lib", "main"))
    assert PASSED in typist.type("certify small --repo . --ref HEAD")
    assert PASSED in typist.type(f"certify {typist.definitions} main small")
    assert "FAILED for small" in typist.type("certify small")


def test_from_format_9_on_the_lock_file_pins(typist: Typist) -> None:
    define(typist, ("lib", "mine:lib", "main"))
    write_files(typist.definitions, {"VERSION": "version: 9\n", "one/file": "one\n"})
    with (typist.definitions / "strata/base.morph").open("a") as more:
        more.write("- name: fetched\n  sources:\n  - {kind: archive, url: 'https://example.com/x.tar'}\n")
        more.write("  - {kind: local, path: one}\n  build-system: manual\n")
    said = typist.type("certify small")
    assert "strata/base.morph:8:8: lib: ref main of mine:lib is not pinned in the lock file" in said
    assert "strata/base.morph:12:5: fetched: archive url=https://example.com/x.tar is not pinned in" in said
    assert "local" not in said
    define(typist, ("lib", "mine:lib", "main"))
    typist.type("lock")
    assert PASSED in typist.type("certify small")
    git(library(typist), "commit", "-q", "--amend", "-m", "another root")
    assert "no branch or tag of mine:lib leads to" in typist.type("certify small")


def test_chunks_whose_build_system_nobody_tells(typist: Typist) -> None:
    define(typist, ("lib", "mine:lib", head(typist)))
    base = typist.definitions / "strata/base.morph"
    base.write_text(base.read_text().replace("  build-system: manual\n", ""))
    write_files(typist.definitions, {"VERSION": "version: 0\n"})
    assert PASSED in typist.type("certify small")
