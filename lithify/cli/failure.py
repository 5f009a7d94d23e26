"""What is asked on a terminal where a chunk failed: how to go on, after a look at its log or into its staging area."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from lithify.cli.invocation import Invocation
from lithify.cli.render import details, error_text, full_text
from lithify.cli.text import printable
from lithify.errors import BuildFailed, LithifyError

CHOICES = {
    "c": ("continue", "go on with what does not depend on it"),
    "q": ("quit", "end what runs, then stop"),
    "t": ("terminate", "stop what runs, at once"),
    "r": ("retry", "build it once more"),
    "l": ("log", "all of its log"),
    "s": ("shell", "in its staging area, as the failed command left it"),
}
"""Letter → word, and what it does. The first four are :data:`lithify.schedule.run.Choice`."""
Ask = Callable[[Any, str, LithifyError], Any]


def asker(invocation: Invocation, stdin: TextIO) -> Ask | None:
    """Return what asks at a failure; None where nobody can answer: no terminal, or one that is not used."""
    return _Asker(invocation, stdin) if invocation.messages.paused and stdin.isatty() else None


class _Asker:
    """Asks, in the one thread that also takes Ctrl-C."""

    def __init__(self, invocation: Invocation, stdin: TextIO) -> None:
        self._messages = invocation.messages
        self._stdin = stdin

    def __call__(self, undertaking: Any, name: str, failure: LithifyError) -> str:
        """Return one of the choices that go on; log and shell ask again. The line that it failed stands there already."""
        paused = self._messages.paused
        assert paused is not None, "there is a terminal"
        with paused():
            if more := details(failure):
                self._say(more)
            self._messages.note(full_text(failure))
            failure.told = True
            self._say(menu())
            while True:
                choice = self._answer()
                if choice == "log":
                    self._show_log(failure)
                elif choice == "shell":
                    self._shell(undertaking, name)
                elif choice:
                    return choice
                else:
                    self._say(menu())

    def _answer(self) -> str:
        """Return the word that was chosen, "" for none of them; the end of input is ``quit``."""
        letters = "/".join(CHOICES)
        self._messages.stream.write(f"how to go on? [{letters}] ")
        self._messages.stream.flush()
        line = self._stdin.readline()
        return chosen(line) if line else "quit"

    def _show_log(self, failure: LithifyError) -> None:
        log = failure.log if isinstance(failure, BuildFailed) else ""
        if not log:
            self._say("there is no log")
            return
        text = Path(log).read_text(encoding="utf-8", errors="replace")
        self._say("\n".join(printable(line) for line in text.splitlines()))

    def _shell(self, undertaking: Any, name: str) -> None:
        if not sys.stdout.isatty():  # what the shell prints would be taken for our result
            self._say(f"stdout is no terminal; in another one: lithify shell {name} --failed")
            return
        shelling = importlib.import_module("lithify.schedule.shelling")
        self._say(f"a shell where {name} failed; `exit` leads back")
        try:
            shelling.run_shell(undertaking, name, failed=True, argv=())
        except LithifyError as error:
            self._say(error_text(error))

    def _say(self, text: str) -> None:
        self._messages.stream.write(f"{text}\n")
        self._messages.stream.flush()


def menu() -> str:
    """Return the choices, one a line."""
    return "\n".join(f"  {letter}  {word:<10} {what}" for letter, (word, what) in CHOICES.items())


def chosen(line: str) -> str:
    """Return the word that an answer means, by its first letter or in full; "" where it means none."""
    answer = line.strip().lower()
    return next((word for letter, (word, _) in CHOICES.items() if answer in (letter, word)), "")
