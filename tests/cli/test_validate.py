"""``validate``: every fault with its place on stdout, one line of error on stderr, and data for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.transcript import TREE, Typist, expected, typist_on

BROKEN = {
    **TREE,
    "strata/work.morph": """\
name: work
kind: stratum
build-depends:
- morph: strata/bas.morph
chunks:
- name: app
  repo: upstream:app
  ref: 1123456789abcdef0123456789abcdef01234567
  build-system: autotools
  build-dependss: []
""",
}


@pytest.fixture
def broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    return typist_on(tmp_path, BROKEN, capsys)


def test_a_sound_tree_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typist = typist_on(tmp_path, TREE, capsys)
    assert typist.type("validate") == "$ lithify validate\n[0]\n"
    assert typist.type("validate --json") == "$ lithify validate --json\n[]\n[0]\n"


def test_all_faults_are_told_at_once(broken: Typist) -> None:
    assert broken.type("validate") == expected(
        """
        $ lithify validate
        strata/work.morph:4:10: error: no file "strata/bas.morph"
            - morph: strata/bas.morph
                     ^
        hint: did you mean strata/base.morph?
        strata/work.morph:10:3: error: unknown field "build-dependss" in a chunk entry
              build-dependss: []
              ^
        hint: did you mean "build-depends"?
        ! ERROR: 2 errors in the definitions
        [1]
        """
    )


def test_editors_get_data(broken: Typist) -> None:
    lines = broken.type("validate --json").splitlines()
    assert lines[-2:] == ["! ERROR: 2 errors in the definitions", "[1]"]
    faults = json.loads("\n".join(lines[1:-2]))
    assert faults[1] == {
        "file": "strata/work.morph",
        "line": 10,
        "column": 3,
        "severity": "error",
        "message": 'unknown field "build-dependss" in a chunk entry',
        "hint": 'did you mean "build-depends"?',
        "related": [],
    }


@pytest.mark.parametrize(
    ("line", "below", "status"),
    [
        ("validate strata/base.morph", "", 0),
        ("validate systems", "", 0),
        ("validate strata/base.morph strata/work.morph", "", 1),
        ("validate strata/", "", 1),
        ("validate base.morph", "strata", 0),
        ("validate strata/base.morph", "systems", 0),
        ("validate .", "systems", 0),
        ("validate work", "", 1),
        ("validate ..", "systems", 1),
    ],
)
def test_only_the_faults_of_what_is_named(broken: Typist, line: str, below: str, status: int) -> None:
    assert broken.type(line, below=below).splitlines()[-1] == f"[{status}]"


def test_an_unknown_path_is_an_error(broken: Typist) -> None:
    assert broken.type("validate strata/wrk.morph") == expected(
        """
        $ lithify validate strata/wrk.morph
        ! ERROR: no definition "strata/wrk.morph"
        ! hint: did you mean strata/work.morph?
        [1]
        """
    )


def test_another_tree_can_be_named(broken: Typist) -> None:
    elsewhere = broken.folder / "elsewhere"
    elsewhere.mkdir()
    typist = Typist(folder=elsewhere, capsys=broken.capsys)
    typist.definitions.mkdir()
    assert typist.type("validate ../../definitions").endswith("! ERROR: 2 errors in the definitions\n[1]\n")
    assert typist.type("validate").splitlines()[1].startswith("! ERROR: no definitions at or above ")


def test_warnings_alone_are_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        **TREE,
        "VERSION": "version: 3\n",
        "strata/base.morph": TREE["strata/base.morph"] + "  build-mode: test\nname: base\n",
    }
    text = typist_on(tmp_path, files, capsys).type("validate")
    assert 'strata/base.morph:9:1: warning: field "name" stands twice' in text
    assert "error:" not in text
    assert "ERROR:" not in text
    assert text.endswith("[0]\n")


def test_a_broken_version_is_a_fault_as_any_other(broken: Typist) -> None:
    (broken.definitions / "VERSION").write_text("version: nine\n")
    text = broken.type("validate")
    assert text.splitlines()[1].startswith("VERSION:1:10: error:")
    assert text.endswith("[1]\n")


def test_one_fault_alone_is_the_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = TREE["systems/small.morph"].replace("x86_64", "x8664")
    typist = typist_on(tmp_path, {**TREE, "systems/small.morph": system}, capsys)
    lines = typist.type("validate").splitlines()
    assert lines[-2].startswith("! ERROR: ")
    assert lines[-2].removeprefix("! ERROR: ") in lines[1]
