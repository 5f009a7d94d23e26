"""A terminal of a few hundred letters, for tests of what is drawn: it wraps, scrolls, and knows the escapes that are used."""

from __future__ import annotations

import re

from lithify.cli.text import width_of

_PIECE = re.compile(r"\x1b\[(?P<number>\d*)(?P<letter>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


class Screen:
    """Takes what is written to a terminal, and shows the rows that it would have, those that scrolled away first."""

    encoding = "utf-8"

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.rows: list[list[str]] = [[]]
        self.row = 0
        self.column = 0
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Do what the text says."""
        self.writes.append(text)
        for piece in _PIECE.finditer(text):
            if piece["text"] is not None:
                self._put(piece["text"])
            else:
                self._steer(piece["letter"], int(piece["number"] or 0))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def size(self) -> tuple[int, int]:
        """Return columns and rows."""
        return self.width, self.height

    @property
    def text(self) -> str:
        """All rows with something in them, scrolled away or not."""
        shown = ["".join(row).rstrip() for row in self.rows]
        while shown and not shown[-1]:
            shown.pop()
        return "\n".join(shown)

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self._down()
            self.column = 0
        else:
            columns = width_of(letter)
            if self.column + columns > self.width:
                self._down()
                self.column = 0
            row = self.rows[self.row]
            row.extend(" " * (self.column + columns - len(row)))
            row[self.column : self.column + columns] = [letter, *[""] * (columns - 1)]
            self.column += columns

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def _steer(self, letter: str, number: int) -> None:
        if letter == "A":
            self.row = max(self.row - max(number, 1), max(len(self.rows) - self.height, 0))
        elif letter == "K":
            del self.rows[self.row][self.column :]
        elif letter == "J":
            del self.rows[self.row][self.column :]
            del self.rows[self.row + 1 :]
        else:
            assert letter == "m", f"an escape that no test expects: {letter}"
