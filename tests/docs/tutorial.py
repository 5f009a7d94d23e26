"""Does what the tutorial says: writes its files, types its commands. ``python -m tests.docs.tutorial`` renews their output."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

PROJECT = Path(__file__).resolve().parent.parent.parent
PAGE = PROJECT / "docs" / "tutorial.md"
PROMPT = "/ # "
"""Of the shell in the system that boots."""
LEFT_OUT = "…\n"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?:# |/\* )([\w./-]+)(?: \*/)?\n")
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Block(Struct, frozen=True, kw_only=True):
    """A fenced part of the page."""

    start: int
    end: int
    text: str
    file: str
    """The file that it is, or empty where it is a dialogue."""


def blocks(page: str) -> Iterator[Block]:
    """Yield the files and dialogues of the page, in order."""
    for found in _BLOCK.finditer(page):
        name = _NAME.match(found[2]) if found[1] != "console" else None
        assert name or found[1] == "console", f"neither a dialogue nor a file: {found[2]}"
        yield Block(start=found.start(2), end=found.end(2), text=found[2], file=name[1] if name else "")


class Student:
    """Someone with an empty home who does what the page says."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home
        self.seen = ""
        """All that was typed and said so far: what was wrong may have been said long before it shows."""

    def write(self, block: Block) -> None:
        """Make a file as it stands in the page."""
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def type(self, dialogue: str) -> str:
        """Return a dialogue as it is when its commands are typed."""
        typed = [line[2:] for line in dialogue.splitlines() if line.startswith("$ ")]
        answers = [line[len(PROMPT) :] for line in dialogue.splitlines() if line.startswith(PROMPT)]
        if answers:
            (command,) = typed
            said = self._boot(command, answers)
            first = dialogue.partition(LEFT_OUT)[2].partition("\n")[0]
            assert first in said, f"{first!r} was not said:\n{said}\nbefore it:\n{self.seen}"
            return f"$ {command}\n{LEFT_OUT}{said[said.index(first) :]}"
        said = "".join(f"$ {command}\n{self._run(command)}" for command in typed)
        self.seen += said
        return said

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        environment = {
            "HOME": str(self.home),
            "LITHIFY_CACHEDIR": str(self.home / ".cache/lithify"),
            "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
        }
        return subprocess.Popen(
            ["timeout", "900", "bash", "-c", command],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _run(self, command: str) -> str:
        if command.startswith("cd "):
            self.folder /= command[3:]
            return ""
        out, _ = self._start(command).communicate(timeout=900)
        return self._seen(out)

    def _boot(self, command: str, answers: list[str]) -> str:
        waiting = [f"{answer}\n".encode() for answer in answers]
        said = b""
        with self._start(command) as machine:
            assert machine.stdin is not None and machine.stdout is not None
            while piece := os.read(machine.stdout.fileno(), 65536):
                said += piece
                if waiting and said.count(PROMPT.encode()) > len(answers) - len(waiting):
                    machine.stdin.write(waiting.pop(0))
                    machine.stdin.flush()
        shown, last, _ = self._seen(said).partition(f"{PROMPT}{answers[-1]}\n")
        kept = [line for line in (shown + last).splitlines() if line.strip() and not line.startswith("[")]
        return "\n".join(kept) + f"\n{LEFT_OUT}"

    def _seen(self, output: bytes) -> str:
        text = _TERMINAL.sub("", output.decode(errors="replace")).replace(str(self.home), "~")
        return text if text.endswith("\n") or not text else f"{text}\n"


def renewed(page: str, home: Path) -> str:
    """Return the page with the outputs that its commands have now."""
    student = Student(home)
    parts = []
    done = 0
    for block in blocks(page):
        if block.file:
            student.write(block)
            continue
        parts += [page[done : block.start], student.type(block.text)]
        done = block.end
    return "".join([*parts, page[done:]])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        PAGE.write_text(renewed(PAGE.read_text(), Path(made)))
