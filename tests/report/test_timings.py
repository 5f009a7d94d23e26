"""Where the time went: what is within something else is taken off it, and everything is counted once."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lithify.report.timings import Span, chrome_trace, shares, timings_table


def span(
    began: float, ended: float, phase: str, name: str = "", *, thread: str = "t", detail: str = ""
) -> Span:
    return Span(thread=thread, began=began, ended=ended, phase=phase, name=name, detail=detail)


BUILD = [
    span(0.0, 0.5, "load", thread="main"),
    span(2.0, 3.0, "run", "zlib", detail="build"),
    span(3.5, 4.0, "sync"),
    span(3.0, 4.5, "commit", "zlib"),
    span(1.0, 5.0, "rest", "zlib"),
    span(1.0, 2.0, "rest", "other", thread="second"),
]


def test_a_span_counts_without_those_within() -> None:
    found = {(share.name, share.span.phase): share.own for share in shares(BUILD)}
    assert found == {
        ("", "load"): 0.5,
        ("zlib", "rest"): 1.5,
        ("zlib", "run"): 1.0,
        ("zlib", "commit"): 1.0,
        ("zlib", "sync"): 0.5,
        ("other", "rest"): 1.0,
    }


def test_the_table_has_the_longest_first_and_only_phases_that_took_time() -> None:
    assert timings_table(BUILD, 5.25).splitlines() == [
        "the whole command took 5.25 s",
        "seconds          load   run  commit  sync  rest   all",
        "zlib                   1.00    1.00  0.50  1.50  4.00",
        "other                                      1.00  1.00",
        "(the whole run)  0.50                            0.50",
        "all              0.50  1.00    1.00  0.50  2.50  5.50",
    ]


def test_of_many_chunks_the_longest_are_shown() -> None:
    many = [span(0, number / 100, "run", f"c{number:02}", thread=str(number)) for number in range(1, 31)]
    lines = timings_table(many, 1.0).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["c30", "c29"]
    assert lines[-2].split() == ["(10", "more)", "0.55", "0.55"]
    assert lines[-1].split() == ["all", "4.65", "4.65"]


def test_a_run_without_anything_has_a_table_too() -> None:
    assert timings_table([], 0.01).splitlines()[0] == "the whole command took 0.01 s"


def test_a_trace_has_a_row_for_each_thread_and_what_perfetto_needs() -> None:
    trace = json.loads(json.dumps(chrome_trace(BUILD, process="lithify")))
    events = trace["traceEvents"]
    assert [e["args"]["name"] for e in events if e["ph"] == "M"] == ["lithify", "main", "second", "t"]
    assert [
        (e["name"], e["cat"], e["ts"], e["dur"], e["tid"], e["args"]) for e in events if e["ph"] == "X"
    ] == [
        ("load", "load", 0, 500_000, 1, {}),
        ("other", "rest", 1_000_000, 1_000_000, 2, {"component": "other"}),
        ("zlib", "rest", 1_000_000, 4_000_000, 3, {"component": "zlib"}),
        ("build", "run", 2_000_000, 1_000_000, 3, {"component": "zlib"}),
        ("commit", "commit", 3_000_000, 1_500_000, 3, {"component": "zlib"}),
        ("sync", "sync", 3_500_000, 500_000, 3, {"component": "zlib"}),
    ]


@st.composite
def nested(draw: st.DrawFn) -> list[Span]:
    """Spans that lie within each other or apart, as blocks of a program do; whole numbers, so that sums are exact."""
    spans: list[Span] = []

    def fill(began: int, ended: int, depth: int) -> None:
        at = began
        while depth < 3 and at < ended and draw(st.booleans()):
            start = draw(st.integers(at, ended))
            stop = draw(st.integers(start, ended))
            fill(start, stop, depth + 1)
            spans.append(span(start, stop, "run", "x"))
            at = stop + 1

    fill(0, draw(st.integers(0, 40)), 0)
    return spans


@given(nested())
def test_every_moment_is_counted_once(spans: list[Span]) -> None:
    covered = {second for s in spans for second in range(int(s.began), int(s.ended))}
    assert sum(share.own for share in shares(spans)) == len(covered)
    assert all(share.own >= 0 for share in shares(spans))
