"""Events on a terminal: a block at the bottom that shows what runs, and above it the lines that stay.

The block is written over in one go, and only where it changed, so that nothing flickers; the screen is never cleared, and
what stands above is the terminal's own scrollback. Pure: :func:`block_of`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from lithify import events
from lithify.cli.board import Board
from lithify.cli.lines import line_of, stamped
from lithify.cli.text import clock, cut, padded, printable, size, width_of
from lithify.cli.ticking import Ticker

TICK_SECONDS = 0.25
LEAST_SECONDS = 0.08
"""Between two drawings of which no line stays: sources report far more often than anybody can see."""
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"
_BOLD, _RED, _YELLOW, _GREEN, _PLAIN = (f"\x1b[{code}m" for code in ("1", "31", "33", "32", "0"))
_WIDEST = 100
"""Columns of the block on a wide screen: a time must stand near its name."""


class TerminalReader:
    """Shows events on a terminal; may be called from any thread."""

    def __init__(
        self,
        stream: TextIO,
        *,
        screen_size: Callable[[], tuple[int, int]],
        color: bool = False,
        verbose: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._screen_size = screen_size
        self._color = color
        self._verbose = verbose
        self._now = now
        self._began = now()
        self._drawn_at = float("-inf")
        self._drawn: list[str] = []
        self._width = 0
        self._held: list[str] | None = None
        """Lines that stay, while somebody else has the terminal."""
        self._board = Board()
        self._lock = threading.RLock()
        self._ticker = Ticker(TICK_SECONDS, self.tick)

    def __call__(self, event: events.Event) -> None:
        """Show what the event changes."""
        text = line_of(event, started=False, verbose=self._verbose)
        with self._lock:
            now = self._now()
            self._board.note(event, now)
            if text is not None:
                self._draw(f"{self._painted(event, stamped(text, now - self._began))}\n")
            elif now - self._drawn_at >= LEAST_SECONDS:
                self._draw("")
            self._ticker.note(event)

    def tick(self) -> None:
        """Show how time goes by, and follow a window that was resized."""
        with self._lock:
            self._draw("")

    def print_above(self, text: str) -> None:
        """Write a message above the block."""
        with self._lock:
            self._draw(text)

    def hide(self) -> None:
        """Take the block away until something is drawn again."""
        with self._lock:
            if self._drawn:
                self._stream.write(self._to_top(self._screen_size()[0]) + _CLEAR_BELOW)
                self._stream.flush()
                self._drawn = []

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to somebody else for the block; what would have been written meanwhile comes after it."""
        with self._lock:
            self.hide()
            self._held = []
        try:
            yield
        finally:
            with self._lock:
                held, self._held = self._held or [], None
                self._draw("".join(held))

    def close(self) -> None:
        """Take the block away; what stays, stays."""
        self._ticker.end()
        self.hide()

    def _draw(self, above: str) -> None:
        """Write lines that stay, and the block below them, over the block that is there."""
        if self._held is not None:
            self._held.append(above)
            return
        width, height = self._screen_size()
        now = self._now()
        block = block_of(self._board, now - self._began, now, width, height)
        if not above and block == self._drawn:
            return
        out = [self._to_top(width), *(_staying(line, width) for line in above.splitlines())]
        if width != self._width:  # wrapped rows stay marked as one line where they are only written over
            out.insert(1, _CLEAR_BELOW)
            self._width = width
        shown = [*block[:-1], f"{_BOLD}{block[-1]}{_PLAIN}"] if block and self._color else block
        out += [f"{_CLEAR_LINE}\n".join(shown), _CLEAR_LINE if block else "", _CLEAR_BELOW]
        self._stream.write("".join(out))
        self._stream.flush()
        self._drawn = block
        self._drawn_at = now

    def _to_top(self, width: int) -> str:
        """Return what moves the cursor to the block's beginning.

        In a window that became narrower the terminal has wrapped the lines that were too long.
        """
        rows = sum(max(1, -(-width_of(line) // max(width, 1))) for line in self._drawn)
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"

    def _painted(self, event: events.Event, line: str) -> str:
        match event:
            case events.ComponentFailed():
                color = _RED
            case events.Warned() | events.Waiting():
                color = _YELLOW
            case events.ComponentFinished(outcome="built") | events.DeploymentFinished(outcome="made"):
                color = _GREEN
            case events.BuildPlanned():
                color = _BOLD
            case _:
                return line
        return f"{color}{line}{_PLAIN}" if self._color else line


def _staying(line: str, width: int) -> str:
    """Return a line that stays, written over whatever is there; one that wraps needs the rows below it empty."""
    wraps = width_of(printable(line)) >= width
    return f"{_CLEAR_BELOW}{line}\n" if wraps else f"{line}{_CLEAR_LINE}\n"


def block_of(board: Board, elapsed: float, now: float, width: int, height: int) -> list[str]:
    """Return the lines of the block: one for each chunk that runs, one for each source on its way, and the counts.

    None is wider than the screen less one column, and the whole no higher than half of it; what does not fit is counted.
    """
    rows = [*_running_rows(board, now), *_fetching_rows(board), *_checking_rows(board)]
    if not rows and not board.total:
        return []
    room = max(1, height // 2 - 1)
    hidden = len(rows) - room + 1 if len(rows) > room else 0
    if hidden:
        rows = rows[: room - 1]
    columns = min(max(width - 1, 10), _WIDEST)
    names = min(max((width_of(name) for name, _, _ in rows), default=0), max(columns - 30, 8))
    lines = [_row(name, text, took, names, columns) for name, text, took in rows]
    if hidden:
        lines.append(cut(f"  and {hidden} more", columns))
    return [*lines, cut(f"[{clock(elapsed)}] {board.counted(now)}", columns)]


_Row = tuple[str, str, str]
"""Name, what is done, and how long already."""


def _running_rows(board: Board, now: float) -> list[_Row]:
    return [
        (printable(name), printable(one.step) or "preparing", clock(now - one.since))
        for name, one in board.running.items()
    ]


def _fetching_rows(board: Board) -> list[_Row]:
    rows = []
    for source, one in board.fetching.items():
        share = f"{100 * one.done // one.size:3} % of {size(one.size)}" if one.size else size(one.done)
        rows.append((printable(source.rstrip("/").rpartition("/")[2] or source), f"fetch {share}", ""))
    return rows


def _checking_rows(board: Board) -> list[_Row]:
    return [
        (what, f"check {100 * done // max(total, 1):3} % of {total}", "")
        for what, (done, total) in board.checking.items()
    ]


def _row(name: str, text: str, took: str, names: int, columns: int) -> str:
    rest = columns - names - 4 - len(took)
    return cut(f"  {padded(name, names)}  {padded(text, max(rest - 1, 0))} {took}".rstrip(), columns)
