"""The demo as its user feels it: a build with nothing to do, and an edit of the configuration up to the new image."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure, measure

PROJECT = Path(__file__).resolve().parent.parent


def demo(scratch: Path, rounds: int, cache: Path | None) -> list[Figure]:
    """Return the figures of the demo, built first where the cache does not have it."""
    definitions = scratch / "demo"
    shutil.copytree(PROJECT / "examples/demo", definitions, ignore=shutil.ignore_patterns("*.img", "*.tar"))
    settings = [] if cache is None else ["--cachedir", str(cache)]

    def lithify(*arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("lithify")), *settings, *arguments]
        ran = subprocess.run(
            command, cwd=definitions, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if ran.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr}")

    def edit(number: int) -> None:
        (definitions / "configuration/etc/issue").write_text(f"edited {os.getpid()} {number}\n")
        lithify("build", "systems/demo.morph")
        lithify("deploy", "clusters/demo.morph", "image")

    lithify("build", "systems/demo.morph")
    lithify("deploy", "clusters/demo.morph")
    return [
        measure(
            "build with nothing to do",
            rounds,
            lambda _: lithify("build", "systems/demo.morph"),
            note="goal 0.25",
        ),
        measure("edit of one configuration file to a new image", rounds, edit, note="goal 3"),
    ]
