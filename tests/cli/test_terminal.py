"""The block at the bottom of a terminal, and the lines that stay above it."""

from __future__ import annotations

from typing import TextIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify import events as ev
from lithify.cli.board import Board
from lithify.cli.terminal import LEAST_SECONDS, TerminalReader, block_of
from lithify.cli.text import width_of
from tests.cli.screen import Screen

KEY = "3f9a01c2" * 8
LONG = "a-chunk-with-a-name-that-goes-on-and-on-until-it-is-far-too-long-for-eighty-columns-of-a-terminal"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def started(name: str) -> ev.Event:
    return ev.ComponentStarted(name=name, kind="chunk", key=KEY)


def finished(name: str) -> ev.Event:
    return ev.ComponentFinished(name=name, kind="chunk", key=KEY, outcome="built", seconds=2.5)


@pytest.fixture
def screen() -> Screen:
    return Screen(60, 20)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def reader_on(screen: Screen, clock: Clock, *, color: bool = False) -> TerminalReader:
    return TerminalReader(cast(TextIO, screen), screen_size=screen.size, color=color, now=clock)


def test_a_build_is_shown_and_leaves_its_lines(screen: Screen, clock: Clock) -> None:
    reader = reader_on(screen, clock)
    reader(ev.BuildPlanned(target="demo", total=3, cached=1, to_build=2))
    reader(started("zlib"))
    clock.time += 65
    reader(ev.StepStarted(name="zlib", step="build"))
    reader(ev.FetchProgress(source="https://example.com/a/linux.tar.xz", done=25_000_000, size=50_000_000))
    clock.time += 5
    reader.tick()
    assert screen.text == (
        "[00:00] demo: 2 of 3 chunks to build, 1 cached\n"
        "  zlib          build                                 01:10\n"
        "  linux.tar.xz  fetch  50 % of 50.0 MB\n"
        "[01:10] 1 of 3 chunks done, 1 cached, 1 running, 1 fetching"
    )
    reader(ev.FetchFinished(source="https://example.com/a/linux.tar.xz", size=50_000_000))
    reader(finished("zlib"))
    reader(ev.ComponentFailed(name="busybox", kind="chunk", key=KEY, step="build", reason="exit_code=2"))
    reader.close()
    assert screen.text == (
        "[00:00] demo: 2 of 3 chunks to build, 1 cached\n"
        "[01:10] fetched https://example.com/a/linux.tar.xz (50.0 MB)\n"
        "[01:10] [3f9a01c2] zlib: built in 2.5 s\n"
        "[01:10] [3f9a01c2] busybox: build failed (exit_code=2)"
    )


def test_nothing_is_drawn_that_did_not_change(screen: Screen, clock: Clock) -> None:
    reader = reader_on(screen, clock)
    reader(ev.BuildPlanned(target="demo", total=1, cached=0, to_build=1))
    reader(started("zlib"))
    clock.time += LEAST_SECONDS
    reader.tick()
    before = len(screen.writes)
    clock.time += 0.1
    reader.tick()
    assert len(screen.writes) == before
    clock.time += 1
    reader.tick()
    assert len(screen.writes) == before + 1
    reader.close()


def test_a_block_is_written_over_in_one_go_and_never_cleared_first(screen: Screen, clock: Clock) -> None:
    reader = reader_on(screen, clock)
    reader(ev.BuildPlanned(target="demo", total=2, cached=0, to_build=2))
    reader(started("zlib"))
    reader.tick()
    before = len(screen.writes)
    reader(finished("zlib"))
    (last,) = screen.writes[before:]
    assert last.count("\x1b[J") == 1
    assert last.endswith("\x1b[J")
    reader.close()


def test_messages_and_long_lines_stand_above_the_block(screen: Screen, clock: Clock) -> None:
    reader = reader_on(screen, clock)
    reader(ev.BuildPlanned(target="demo", total=1, cached=0, to_build=1))
    reader(started("zlib"))
    reader.tick()
    reader.print_above("warning: " + "x" * 100 + "\n")
    reader(ev.Warned(text="y" * 111))  # with its stamp, exactly two rows
    assert screen.text.splitlines()[1:-2] == [
        "warning: " + "x" * 51,
        "x" * 49,
        "[00:00] warning: " + "y" * 43,
        "y" * 60,
        "y" * 8,
    ]
    reader.close()
    assert screen.text.endswith("y" * 8)


def test_a_window_that_gets_narrower_or_wider_is_followed(screen: Screen, clock: Clock) -> None:
    reader = reader_on(screen, clock)
    reader(ev.BuildPlanned(target="demo", total=1, cached=0, to_build=1))
    reader(started(LONG))
    reader.tick()
    for width in (30, 60, 100):
        screen.width = width
        reader.hide()
        screen.rows, screen.row, screen.column = [[]], 0, 0
        reader.tick()
        assert all(width_of(line) < width for line in screen.text.splitlines())
    reader.close()


def test_names_steer_no_terminal(screen: Screen, clock: Clock) -> None:
    reader = reader_on(screen, clock)
    reader(ev.BuildPlanned(target="demo", total=1, cached=0, to_build=1))
    reader(started("\x1b[2Jevil\x07\nname"))
    reader.tick()
    assert "  evil\\x07\\x0aname  preparing" in screen.text
    reader(ev.Warned(text="\x1b[1mloud\r"))
    assert "warning: loud" in screen.text
    reader.close()


def test_colour_is_there_only_where_it_is_wanted(screen: Screen, clock: Clock) -> None:
    for color in (False, True):
        reader = reader_on(screen, clock, color=color)
        reader(ev.BuildPlanned(target="demo", total=1, cached=0, to_build=1))
        reader(ev.ComponentFailed(name="zlib", kind="chunk", key=KEY, step="", reason="no space"))
        reader.close()
        assert ("\x1b[31m" in "".join(screen.writes)) is color


names = st.text(min_size=1, max_size=120)
happenings = st.lists(
    st.one_of(
        st.builds(ev.ComponentStarted, name=names, kind=st.just("chunk"), key=st.just(KEY)),
        st.builds(ev.StepStarted, name=names, step=names),
        st.builds(ev.FetchProgress, source=names, done=st.integers(0, 10**12), size=st.integers(1, 10**12)),
        st.builds(
            ev.ComponentFailed, name=names, kind=st.just("chunk"), key=st.just(KEY), step=names, reason=names
        ),
    ),
    max_size=40,
)


@given(happenings, st.integers(20, 220), st.integers(4, 60), st.floats(0, 1e6))
def test_a_block_always_fits(found: list[ev.Event], width: int, height: int, elapsed: float) -> None:
    board = Board(total=7)
    for event in found:
        board.note(event, 0.0)
    block = block_of(board, elapsed, elapsed, width, height)
    assert len(block) <= max(2, height // 2)
    assert all(width_of(line) < width for line in block)
    assert not any("\x1b" in line or "\n" in line for line in block)


def test_no_block_where_nothing_runs() -> None:
    assert block_of(Board(), 1.0, 1.0, 80, 24) == []
