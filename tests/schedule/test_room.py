"""Who waits for the disk makes room: the processors have something to do meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.inside import PROJECT
from tests.program import write_files

CHUNKS = 4
BLOCKED = """
import os, sys, threading
from lithify.cli.app import run
from lithify.schedule import run as running
from lithify.store.syncing import Syncing

begun, all_begun = set(), threading.Event()
realise, sync = running.realise_chunk, Syncing.__call__

def begin(undertaking, name, *rest):
    begun.add(name)
    if len(begun) == int(sys.argv[1]):
        all_begun.set()
    return realise(undertaking, name, *rest)

def wait(self):
    if not all_begun.wait(float(sys.argv[2])):
        print("no room for the others", file=sys.stderr)
        os._exit(9)
    sync(self)

running.realise_chunk, Syncing.__call__ = begin, wait
sys.exit(run(sys.argv[3:], dict(os.environ)))
"""


@pytest.mark.parametrize(("jobs", "patience", "status"), [("2", "60", 0), ("1", "0.5", 9)])
def test_others_are_built_while_the_disk_is_waited_for(
    jobs: str, patience: str, status: int, tmp_path: Path
) -> None:
    """The disk keeps the first two waiting until all four have begun; with one job, one is built at a time."""
    names = [f"chunk-{number}" for number in range(CHUNKS)]
    entries = "".join(
        f"- name: {name}\n  build-system: import\n  sources:\n  - {{kind: local, path: {name}}}\n"
        for name in names
    )
    files = {
        "VERSION": "version: 9\n",
        "strata/all.morph": f"name: all\nkind: stratum\nchunks:\n{entries}",
        "systems/all.morph": "name: all\nkind: system\narch: x86_64\nstrata:\n- morph: strata/all.morph\n",
    }
    write_files(tmp_path / "definitions", files | {f"{name}/file": name for name in names})
    arguments = ["--no-default-configs", "build", "systems/all.morph", "all", "-j", jobs]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(CHUNKS), patience, *arguments],
        cwd=tmp_path / "definitions",
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(PROJECT),
            "LITHIFY_CACHEDIR": str(tmp_path / "cache"),
            "TMPDIR": str(tmp_path),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
