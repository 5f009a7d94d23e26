"""``migrate``: what it changed, what is left to people, and that a dry run writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.transcript import Typist, expected, typist_on

OLD = {
    "strata/base.morph": """\
name: base   # the base
kind: stratum
chunks:
- name: libc
  repo: upstream:libc
  ref: 2123456789abcdef0123456789abcdef01234567
  build-mode: bootstrap
  build-system: autotools
- name: app
  repo: upstream:app
  ref: 1123456789abcdef0123456789abcdef01234567

  # what it needs
""",
    "systems/small.morph": """\
name: small
kind: system
arch: armv7
strata:
- morph: strata/base.morph
""",
}


@pytest.fixture
def old(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    return typist_on(tmp_path, OLD, capsys)


def test_the_whole_way_from_the_first_format(old: Typist) -> None:
    told = expected(
        """
        format 1: chunk entries may leave out build-depends
          VERSION:1:1: the tree is in format 1
          strata/base.morph:9:3: chunk "app" says that it build-depends on the chunks before it
        format 5: strip-commands; extensions live in the definitions
          DEFAULTS:1:1: build systems without strip-commands, as they were; formats 5 and 6 strip and do not read this file
        format 6: a chunk says its build system or names its file
          strata/base.morph:9:3: chunk "app" gets build-system: detect
        format 7: build systems and split rules stand in DEFAULTS
          DEFAULTS:1:1: the build systems and split rules that were part of morph
          systems/small.morph:3:7: arch armv7 is called armv7l
        format 9: sources of many kinds, pinned by a lock file; chunks in their stratum; strict reading
          systems/small.morph:1:7: the system says that it has morph's os-release

        to be looked at:
          strata/base.morph:9:3: chunk "app": its build system is found when it is built, BY LOOKING
            hint: say which it is, once the source is at hand; FORMATS

        format 0 -> 9: 4 files """
    )
    told = told.replace("BY LOOKING", "by looking at the files of upstream:app").replace(
        "FORMATS", "formats 0 and 1 also took a file app.morph from there, which belongs into the definitions"
    )
    assert old.type("migrate --dry-run") == (
        f"$ lithify migrate --dry-run\n{told}would be changed, 1 to be looked at\n[0]\n"
    )
    assert not (old.definitions / "VERSION").exists()
    assert old.type("migrate") == f"$ lithify migrate\n{told}changed, 1 to be looked at\n[0]\n"
    assert (old.definitions / "strata/base.morph").read_text() == OLD["strata/base.morph"].replace(
        "ref: 1123456789abcdef0123456789abcdef01234567\n",
        "ref: 1123456789abcdef0123456789abcdef01234567\n  build-depends:\n  - libc\n  build-system: detect\n",
    )
    assert old.type("migrate") == "$ lithify migrate\nthe tree is in format 9 already\n[0]\n"
    assert old.type("validate") == "$ lithify validate\n[0]\n"


def test_data_for_programs(old: Typist) -> None:
    _, *rest = old.type("migrate --json --to 1", below="strata/..").splitlines()
    data = json.loads("\n".join(rest[:-1]))
    assert (data["from"], data["to"], data["files"]) == (0, 1, ["strata/base.morph", "VERSION"])
    assert data["changes"][1] == {
        "format": 1,
        "file": "strata/base.morph",
        "line": 9,
        "column": 3,
        "message": 'chunk "app" says that it build-depends on the chunks before it',
        "hint": "",
    }
    assert data["to-be-looked-at"] == []


def test_wrong_use(old: Typist, tmp_path: Path) -> None:
    assert old.type("migrate --to 10") == expected(
        """
        $ lithify migrate --to 10
        ! ERROR: --to 10: there is no such format
        ! hint: the formats are 0 to 9
        [2]
        """
    )
    old.type("migrate --to 8")
    assert old.type("migrate --to 3") == expected(
        """
        $ lithify migrate --to 3
        ! ERROR: --to 3: the tree is in format 8 already
        ! hint: git has the tree as it was before
        [2]
        """
    )
    (old.definitions / "VERSION").write_text("version: 11\n")
    assert "VERSION:1:10: error: format 11 is not known to this version of lithify" in old.type("migrate")


def test_a_file_that_cannot_be_written_is_named(old: Typist) -> None:
    folder = old.definitions / "systems"
    (folder / ".small.morph.partial").mkdir()
    assert old.type("migrate").endswith(
        "! ERROR: systems/small.morph cannot be written: Is a directory\n"
        "! hint: the tree is in its old format still; migrate again when the file can be written\n[1]\n"
    )
    assert not (old.definitions / "VERSION").exists()
    (folder / ".small.morph.partial").rmdir()
    assert old.type("migrate").endswith("format 0 -> 9: 2 files changed, 1 to be looked at\n[0]\n")
    assert old.type("validate") == "$ lithify validate\n[0]\n"
