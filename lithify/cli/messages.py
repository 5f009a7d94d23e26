"""What is said to the user beside a command's result: on stderr, and all of it in the file of ``--log``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TextIO

_RED, _YELLOW, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
_MARKED = re.compile(r"^(?:ERROR|error|warning|hint)(?=:)|(?<=: )(?:error|warning)(?=:)", re.MULTILINE)
_COLORS = {"warning": _YELLOW, "hint": _BOLD}


class Messages:
    """Where a command's messages go; made before the settings are known, and told of them with :meth:`configure`."""

    def __init__(self, stream: TextIO, *, color: bool = False) -> None:
        self.stream = stream
        self.color = color
        self.quiet = False
        self.log: TextIO | None = None
        self.above: Callable[[str], None] | None = None
        """Writes above what a reader of events shows on the same stream, while there is one."""
        self.paused: Callable[[], AbstractContextManager[None]] | None = None
        """Leaves the terminal to somebody else; None where no reader of events holds it."""
        self._waiting: list[str] = []
        self._configured = False

    def configure(self, *, quiet: bool, log: TextIO | None) -> None:
        """Take over what the settings say; what was only to be logged until now is logged."""
        self.quiet = quiet
        self.log = log
        self._configured = True
        waiting, self._waiting = self._waiting, []
        for text in waiting if log is not None else ():
            self.note(text)

    def error(self, text: str) -> None:
        """Say what went wrong, whatever the settings say."""
        self._write(text)
        self.note(text)

    def warn(self, text: str) -> None:
        """Say that something is not as it should be, unless ``--quiet`` is given."""
        if not self.quiet:
            self._write(text)
        self.note(text)

    def note(self, text: str) -> None:
        """Put a line into the log file alone."""
        if self.log is not None:
            self.log.write(text.rstrip("\n") + "\n")
            self.log.flush()
        elif not self._configured:
            self._waiting.append(text)

    def _write(self, text: str) -> None:
        shown = _MARKED.sub(_painted, text) if self.color else text
        line = shown.rstrip("\n") + "\n"
        if self.above is not None:
            self.above(line)
            return
        self.stream.write(line)
        self.stream.flush()


def _painted(match: re.Match[str]) -> str:
    return f"{_COLORS.get(match[0], _RED)}{match[0]}{_PLAIN}"


def wants_color(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether colour is wanted there: a terminal that has some, and no ``NO_COLOR``."""
    return (
        stream.isatty()
        and not environment.get("NO_COLOR")
        and environment.get("TERM", "dumb") not in ("dumb", "")
    )
