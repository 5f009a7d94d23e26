"""The short form of the bench, and what can be said of company without chance."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests import stuck
from tests.build.definitions import small_tree
from tests.faults.killing import name_of
from tests.inside import PROJECT, folder_of
from tests.program import Program
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow

SEED = "6"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--only", "crashes", "--kills", "6"),
        ("--only", "power", "--kills", "15"),
        ("--only", "company", "--minutes", "0.1"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_short_form(arguments: tuple[str, ...]) -> None:
    """In a process of its own: the bench takes orphans in, and mounts."""
    need_static_shell()
    with folder_of(None) as folder:
        found = folder / "found.json"
        written = ("--folder", str(folder), "--json", str(found))
        done = stuck.run(
            [sys.executable, "-m", "tests.faults", *arguments, "--seed", SEED, *written],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
        assert sum(json.loads(found.read_text())["parts"][arguments[1]]["outcomes"].values()) > 0


@pytest.fixture
def program() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        yield Program(folder=folder, definitions=small_tree(folder / "definitions"))


def finished(events: Path) -> dict[str, str]:
    """Return chunk or system → how it was made available, as a build's events tell it."""
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    ended = [event for event in lines if event["event"] == "component-finished"]
    return {event.get("chunk") or event["system"]: event["outcome"] for event in ended}


def point_number(program: Program, name: str) -> int:
    """Return at which call of a crash point a build comes to the one of this name, with one job."""
    file = program.folder / "points"
    replace(program, module=f"tests.faults.armed record {file}").done("build", "small", "-j", "1")
    program.done("gc", "--all")
    return file.read_text().split().index(name) + 1


def test_a_stopped_command_is_named_to_who_waits_and_each_key_is_built_once(program: Program) -> None:
    number = point_number(program, "chunk.installed")
    first_events, second_events = program.folder / "first", program.folder / "second"
    armed = replace(program, module=f"tests.faults.armed stop {number}")
    first = armed.start("build", "small", "-j", "1", "--events", str(first_events))
    os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
    second = program.start("build", "small", "-j", "1", "--events", str(second_events))
    assert second.stderr is not None
    told = ""
    for line in second.stderr:
        told += line
        if "waiting" in line:
            break
    assert f"process {first.pid}, which is stopped (`kill -CONT {first.pid}` lets it go on)" in told
    first.send_signal(signal.SIGCONT)
    endings = [stuck.communicate(first), stuck.communicate(second)]
    assert (first.returncode, second.returncode) == (0, 0), endings
    assert endings[0][0] == endings[1][0]
    outcomes = finished(first_events), finished(second_events)
    both = outcomes[0].keys() | outcomes[1].keys()
    assert {"shell", "lib", "app", "odd", "small"} <= both
    for name in both:
        assert [made.get(name) for made in outcomes].count("built") == 1, (name, outcomes)


def test_gc_takes_nothing_while_a_command_uses_the_cache(program: Program) -> None:
    """A command that holds still between two steps keeps what nothing else keeps, and others wait for nothing of it."""
    number = point_number(program, "system.merged")
    armed = replace(program, module=f"tests.faults.armed stop {number}")
    first = armed.start("build", "small", "-j", "1")
    os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
    assert name_of(first.pid) != ""
    elsewhere = replace(program, definitions=program.folder)  # no definitions need anything
    said = elsewhere.done("gc", "--gc-keep", "0")
    assert "another command works on the cache" in said.stderr
    first.send_signal(signal.SIGCONT)
    _, stderr = stuck.communicate(first)
    assert first.returncode == 0, stderr
    said = elsewhere.done("gc", "--gc-keep", "0")
    assert "5 builds gone" in said.stdout


def test_two_commands_at_the_same_instant_build_each_key_once(program: Program) -> None:
    for number in range(3):
        events = [program.folder / f"events-{number}-{one}" for one in range(2)]
        running = [program.start("build", "small", "--events", str(file)) for file in events]
        said = [(stuck.communicate(child), child.returncode) for child in running]
        assert [status for _, status in said] == [0, 0], said
        outcomes = [finished(file) if file.exists() else {} for file in events]
        for name in outcomes[0].keys() | outcomes[1].keys():
            assert [made.get(name) for made in outcomes].count("built") == 1, (name, outcomes)
        program.done("gc", "--all")
