"""Transcripts of whole commands: what was typed, stdout, stderr (marked ``!``), the exit status.

Each file of ``transcripts/`` is typed anew, in one folder, and must come out as it is. ``RENEW_TRANSCRIPTS=1`` writes them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.transcript import TREE, typist_on
from tests.program import PROJECT

FILES = sorted((PROJECT / "tests" / "cli" / "transcripts").glob("*.txt"))
PROMPT = "$ lithify"
MORE = {
    "broken/chunk.morph": "name: x\nkind: chunk\nbuild-comands:\n- make\n",
    "motd.configure": "#!/bin/sh\n",
    "motd.configure.help": "help: |\n  Writes MOTD into /etc/motd.\n",
    "bare.check": "#!/bin/sh\n",
    "extensions/near.write": "#!/bin/sh\n",
    "extensions/near.write.help": "help: Writes to a machine nearby.\n",
    "other/VERSION": "version: 9\n",
    "other/anothers.write": "",
    "own.conf": "[config]\njobs = 3\nmystery = 1\n",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_transcript_comes_out_as_it_is(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    typist = typist_on(tmp_path, {**TREE, **MORE}, capsys)
    kept = file.read_text(encoding="utf-8")
    lines = [line.removeprefix(PROMPT).strip() for line in kept.splitlines() if line.startswith(PROMPT)]
    made = "\n".join(typist.type(line) for line in lines)
    if os.environ.get("RENEW_TRANSCRIPTS"):
        file.write_text(made, encoding="utf-8")
    assert made == kept


def test_there_are_transcripts() -> None:
    assert FILES
