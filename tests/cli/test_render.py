"""Errors as text, and the text tools below them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.cli.render import details, error_text, fault_text
from lithify.cli.text import clock, cut, padded, printable, size, width_of
from lithify.errors import BuildFailed, DefinitionErrors, Fault, FetchError, Place, SeveralFailed
from tests.cli.transcript import expected

FAILED = BuildFailed(
    component="zlib",
    step="build",
    command="make -C src all\ntouch done",
    reason="exit_code=2",
    log="/cache/logs/zlib.log",
    log_tail=[f"line {number}" for number in range(1, 23)] + ["\x1b[31mred\x1b[0m and \x07"],
    hints=["lithify shell zlib --failed"],
)


def test_a_fault_shows_its_place_its_line_and_a_mark() -> None:
    line = "build-depends: [zlib, lbic]"
    fault = Fault(
        place=Place("strata/core.morph", 7, 23, line),
        message='there is no chunk "lbic"',
        hint='did you mean "libc"?',
        related=((Place("strata/base.morph", 3, 9), "the stratum"),),
    )
    assert fault_text(fault) + "\n" == expected(
        """
        strata/core.morph:7:23: error: there is no chunk "lbic"
            build-depends: [zlib, lbic]
                                  ^
        strata/base.morph:3:9: note: the stratum
        hint: did you mean "libc"?
        """
    )


@pytest.mark.parametrize(
    ("line", "column", "mark"),
    [("\tname: x", 2, 5), ("日本: x", 5, 10), ("e\u0301: x", 4, 6), ("", 1, None), ("\x1b[31mname", 6, 4)],
)
def test_the_mark_stands_below_its_letter(line: str, column: int, mark: int | None) -> None:
    lines = fault_text(Fault(place=Place("a.morph", 1, column, line), message="no")).splitlines()
    assert (lines[-1].index("^") if mark is not None else None) == mark


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400), st.integers(1, 401))
def test_any_line_can_be_marked(line: str, column: int) -> None:
    shown = fault_text(Fault(place=Place("a.morph", 1, column, line), message="no")).splitlines()
    assert len(shown) in (1, 3)
    assert all(width_of(one) <= 430 for one in shown)


def test_a_long_line_is_shown_around_its_mark() -> None:
    line = "x" * 500 + "HERE" + "y" * 500
    shown = fault_text(Fault(place=Place("a.morph", 1, 501, line), message="no")).splitlines()
    assert len(shown[1]) < 110
    assert shown[1][shown[2].index("^") :].startswith("HERE")


def test_definition_errors_end_with_the_only_fault_or_how_many() -> None:
    one = Fault(place=Place("b.morph", 2), message="first")
    warning = Fault(place=Place("a.morph", 1), message="take care", severity="warning")
    assert error_text(DefinitionErrors([one, warning])).splitlines() == [
        "a.morph:1:1: warning: take care",
        "b.morph:2:1: error: first",
        "ERROR: first",
    ]
    two = Fault(place=Place("c.morph", 2), message="second")
    assert error_text(DefinitionErrors([one, two])).endswith("\nERROR: 2 errors in the definitions")


def test_a_failed_command_shows_all_that_is_needed() -> None:
    tail = "\n".join(f"            line {number}" for number in range(4, 23)).lstrip()
    assert error_text(FAILED) + "\n" == expected(
        f"""
        ERROR: zlib: build failed (exit_code=2)
          command: make -C src all
                   touch done
          the last lines of its log (/cache/logs/zlib.log):
            {tail}
            red and \\x07
        hint: lithify shell zlib --failed
        """
    )


def test_several_failures_end_in_one_table() -> None:
    text = error_text(SeveralFailed([FAILED, FetchError("dropbear: the server is down")]))
    assert text.count("ERROR: zlib: build failed") == 1
    assert text.endswith(
        "\n\nERROR: 2 failures\n  zlib      build  exit_code=2\n  dropbear         the server is down"
    )


def test_what_was_told_in_full_is_not_told_in_full_again() -> None:
    shown, new = FetchError("zlib: the server is down", hints=["wait"]), FetchError("dropbear: no such host")
    shown.told = True
    assert error_text(shown) == "ERROR: zlib: the server is down"
    assert details(shown) == "hint: wait"
    assert details(new) == ""
    assert error_text(SeveralFailed([shown, new])) == (
        "ERROR: dropbear: no such host\n\n"
        "ERROR: 2 failures\n  zlib        the server is down\n  dropbear    no such host"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (61.9, "01:01"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_times(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (137_000_000, "137.0 MB"), (5 * 10**12, "5000.0 GB")],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("a\u200db", 2)])
def test_how_wide_a_text_is(text: str, width: int) -> None:
    assert width_of(text) == width


@given(st.text(max_size=60), st.integers(0, 70))
def test_a_cut_text_fits_and_a_padded_one_fills(text: str, width: int) -> None:
    assert width_of(cut(text, width)) <= width
    assert width_of(padded(text, width)) == width
    if width_of(text) <= width:
        assert cut(text, width) == text


@given(st.text())
def test_what_is_printable_steers_no_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in shown)
    assert printable(shown) == shown


def test_the_middle_of_a_long_name_is_left_out() -> None:
    assert cut("linux-headers-5.10-arm64", 13) == "linux-…-arm64"
