"""The demo as its user feels it: a build with nothing to do, and an edit of the configuration up to the new image."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.figures import Figure, measure, timed

PROJECT = Path(__file__).resolve().parent.parent
SETTLING = 4.0
"""Seconds after which a file counts as one that was not changed just now; answers that rest on younger patches are not kept."""
SYSTEM, CLUSTER = "systems/demo.morph", "clusters/demo.morph"


def demo(scratch: Path, rounds: int, cache: Path | None) -> list[Figure]:
    """Return the figures of the demo, built first where the cache does not have it; whole processes, one after the other."""
    definitions = scratch / "demo"
    shutil.copytree(PROJECT / "examples/demo", definitions, ignore=shutil.ignore_patterns("*.img", "*.tar"))
    lithify = runner(definitions, {} if cache is None else {"LITHIFY_CACHEDIR": str(cache)})

    time.sleep(SETTLING)
    lithify("build", SYSTEM)
    lithify("deploy", CLUSTER, "image")
    return [
        measure("build with nothing to do", rounds, lambda _: lithify("build", SYSTEM), goal=0.2),
        # with an option, no kept answer is looked for
        measure(
            "the same, definitions read again", rounds, lambda _: lithify("build", SYSTEM, "--keep-going")
        ),
        measure("image with nothing to do", rounds, lambda _: lithify("deploy", CLUSTER, "image")),
        *_edits(definitions, rounds, lithify),
    ]


def _edits(definitions: Path, rounds: int, lithify: Callable[..., None]) -> list[Figure]:
    builds, images = [], []
    for number in range(rounds):
        (definitions / "configuration/etc/issue").write_text(f"edited {os.getpid()} {number}\n")
        builds.append(timed(lambda: lithify("build", SYSTEM)))
        images.append(timed(lambda: lithify("deploy", CLUSTER, "image")))
    whole = tuple(build + image for build, image in zip(builds, images, strict=True))
    return [
        Figure(name="one edited configuration file: new system", seconds=tuple(builds)),
        Figure(name="and its new image", seconds=tuple(images)),
        Figure(name="from the edit to the image", seconds=whole, goal=3.0),
    ]


def runner(definitions: Path, environment: Mapping[str, str]) -> Callable[..., None]:
    """Return what runs a command of lithify on a definitions tree; a failure ends the measurement."""
    program = str(Path(sys.executable).with_name("lithify"))

    def lithify(*arguments: str) -> None:
        command = [program, "--no-default-configs", *arguments]
        ran = subprocess.run(
            command,
            cwd=definitions,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{ran.stderr}")

    return lithify
