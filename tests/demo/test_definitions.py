"""The demo's definitions are sound, all of their sources are pinned, and the scripts explain themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lithify.definitions.tree import load
from lithify.definitions.validation import validate
from lithify.graph.pins import source_identity
from lithify.graph.resolve import resolve
from lithify.sources.lock import read_lock
from tests.program import PROJECT

DEMO = PROJECT / "examples/demo"
SCRIPTS = sorted([*(PROJECT / "script").iterdir(), PROJECT / ".ci/run"])


def test_nothing_is_wrong_with_the_definitions() -> None:
    assert validate(DEMO) == ()


def test_every_source_that_can_move_is_pinned_and_nothing_else_is() -> None:
    graph = resolve(load(DEMO), "systems/demo.morph")
    declared = {
        source_identity(source)
        for chunk in graph.chunks.values()
        for source in chunk.sources
        if source.kind not in ("local", "patch")
    }
    assert set(read_lock(DEMO / "lithify.lock").pins) == declared


def test_the_lock_names_no_server() -> None:
    assert "://" not in (DEMO / "lithify.lock").read_text()


def test_only_what_runs_is_taken_from_the_toolchain() -> None:
    graph = resolve(load(DEMO), "systems/demo.morph")
    taken = {item.artifact for item in graph.system.selected if item.chunk.startswith("toolchain")}
    assert taken == {"toolchain-libc"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_explains_itself_and_does_nothing_else(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    said = subprocess.run([str(script), "--help"], check=True, capture_output=True, text=True, cwd="/")
    first = said.stdout.splitlines()[0]
    assert first.startswith(f"{script.parent.name}/{script.name}")
    assert said.stderr == ""


@pytest.mark.parametrize("name", ["setup", "demo", "test-bare"])
def test_a_script_refuses_what_it_does_not_know(name: str) -> None:
    said = subprocess.run(
        [str(PROJECT / "script" / name), "--unknown"], capture_output=True, text=True, cwd="/", check=False
    )
    assert said.returncode == 2
    assert f"script/{name}" in said.stderr
