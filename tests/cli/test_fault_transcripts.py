"""Transcripts of what is said of definitions that are wrong, or that differ: each kind of fault or change in its own tree.

A file of ``transcripts/faults/`` or ``transcripts/commits/`` begins with the files that stand over those of the small tree,
``=== NAME`` and the text; ``=== NAME escaped`` is text with escapes for bytes, ``=== NAME * 1000`` a text that stands there
so often, ``=== -NAME`` a file that is not there; ``commits`` has the small tree in one commit and these files in the next.
Then come the commands and all that they say. ``RENEW_TRANSCRIPTS=1`` writes what they say now.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.test_commits import commit, git
from tests.cli.transcript import TREE, Typist, typist_on
from tests.program import PROJECT

FOLDER = PROJECT / "tests" / "cli" / "transcripts"
FILES = sorted((*(FOLDER / "faults").glob("*.txt"), *(FOLDER / "commits").glob("*.txt")))
PROMPT = "$ lithify"
HEAD = re.compile(r"(?m)^=== (-?)(\S+)(?: (escaped)| \* (\d+))?\n")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_said_of_it(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = file.read_text(encoding="utf-8")
    at = kept.index(PROMPT)
    typist = typist_on(tmp_path, TREE, capsys)
    if file.parent.name == "commits":
        git(typist.definitions, "init", "-q")
        commit(typist.definitions)
    lay_out(typist, kept[:at])
    if file.parent.name == "commits":
        commit(typist.definitions)
    commands = [line.removeprefix(PROMPT).strip() for line in kept.splitlines() if line.startswith(PROMPT)]
    made = kept[:at] + "\n".join(typist.type(command) for command in commands)
    if os.environ.get("RENEW_TRANSCRIPTS"):
        file.write_text(made, encoding="utf-8")
    assert made == kept
    assert "Traceback" not in made


def lay_out(typist: Typist, said: str) -> None:
    """Write the files that a transcript begins with."""
    parts = HEAD.split(said)
    for gone, name, escaped, times, text in zip(*(parts[n::5] for n in range(1, 6)), strict=True):
        path = typist.definitions / name
        if gone:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        content = (
            text.encode()
            if not escaped
            else text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        )
        path.write_bytes(content * int(times or 1))


def test_there_are_transcripts() -> None:
    assert len(FILES) > 25
