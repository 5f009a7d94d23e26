"""Builds as a user sees them: on a terminal and in a log, when they fail, and when they are stopped."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stuck
from tests.build.definitions import small_tree
from tests.cli.screen import Screen
from tests.inside import folder_of
from tests.program import Program

pytestmark = pytest.mark.slow


@pytest.fixture
def program() -> Iterator[Program]:
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        yield Program(folder=folder, definitions=folder / "definitions")


def change(program: Program, name: str, old: str, new: str) -> None:
    path = program.definitions / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def shown(program: Program, text: str) -> str:
    """Return what was said without what differs from run to run: keys, times, folders."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "KEY", text.replace(str(program.folder), "FOLDER"))
    text = re.sub(r"\[\d\d:\d\d\]", "[00:00]", re.sub(r"\[[0-9a-f]{8}\]", "[key]", text))
    text = re.sub(
        r": (built|composed)(?=,|$)", r": \1 in 0.0 s", text, flags=re.MULTILINE
    )  # too short to be told
    return re.sub(r" in \d+\.\d s", " in 0.0 s", text)


def on_terminal(
    program: Program, *arguments: str, width: int = 80, height: int = 24
) -> tuple[int, str, Screen]:
    """Return status, stdout, and what a terminal shows of stderr."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    (program.folder / "tmp").mkdir(exist_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-m", "lithify", "--no-default-configs", *arguments],
        cwd=program.definitions,
        env={**program.environment(str(program.folder)), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    screen = Screen(width, height)
    data = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # EIO: everybody has closed it
            break
        data += part
    os.close(ours)
    stdout, _ = stuck.communicate(child)
    screen.write(data.decode().replace("\r\n", "\n"))
    return child.returncode, stdout, screen


def test_a_build_on_a_terminal_leaves_one_line_a_chunk(program: Program) -> None:
    status, stdout, screen = on_terminal(program, "build", "small", "lib", "--jobs", "1")
    assert status == 0, screen.text
    assert all(".chunk.lib-" in line for line in stdout.splitlines())
    assert shown(program, screen.text) == (
        "settings: jobs = 1 (option)\n"
        "[00:00] small: 2 of 2 chunks to build\n"
        "[00:00] [key] shell: built in 0.0 s\n"
        "[00:00] [key] lib: built in 0.0 s"
    )
    assert "of 2 chunks done" in "".join(screen.writes)
    again, _, nothing = on_terminal(program, "build", "small", "lib")
    assert (again, nothing.writes) == (0, [""])


def test_a_build_says_from_which_cause(program: Program) -> None:
    def planned(*names: str) -> str:
        line = program.done("build", "small", *names).stderr.splitlines()[0]
        return line.partition("chunks to build")[2]

    assert planned("shell") == "", "nothing was ever built: that goes without saying"
    assert planned("app") == ", 1 cached; never built: lib, app"
    change(program, "lib/source", "the library", "another library")
    assert planned("app") == ", 1 cached; changed: lib"
    change(program, "lib/source", "another", "a third")
    assert planned("lib") == ", 1 cached; changed: lib"
    assert planned("app") == ", 2 cached; follows lib"


def test_a_failure_shows_all_that_is_needed(program: Program) -> None:
    change(program, "chunks/lib.morph", "grep -v", "echo to work; no-such-program -v")
    said = program.run("build", "small", "lib", "--jobs", "1")
    assert (said.status, said.stdout) == (1, "")
    assert shown(program, said.stderr) == (
        "settings: jobs = 1 (option)\n"
        "[00:00] small: 2 of 2 chunks to build\n"
        "[00:00] [key] shell: started\n"
        "[00:00] [key] shell: built in 0.0 s\n"
        "[00:00] [key] lib: started\n"
        "[00:00] [key] lib: build failed (exit_code=127)\n"
        "ERROR: lib: build failed (exit_code=127)\n"
        "  command: echo to work; no-such-program -v '^#' source >library\n"
        "  the last lines of its log (FOLDER/cache/logs/KEY.log):\n"
        "    ### BUILD-COMMANDS ###\n"
        "    + echo to work\n"
        "    to work\n"
        "    + no-such-program -v '^#' source\n"
        "    sh: no-such-program: not found\n"
        "    ### FAILED: build (exit_code=127) ###\n"
        "hint: lithify shell lib --failed\n"
    )
    log = program.done("log", "lib").stdout
    assert log.splitlines()[1:3] == ["+ echo to work", "to work"]
    assert program.done("show-build-log", "systems/small.morph", "lib").stdout == log
    state = json.loads(program.done("show", "small", "--json").stdout)["chunks"]
    assert [(one["name"], one["state"]) for one in state if one["name"] == "lib"] == [("lib", "build")]


PROMPT = re.compile(rb"(\[c/q/t/r/l/s\]|(?<!#)[#$]) (\x1b\[6n)?\Z")
"""A question, or a shell's prompt, which may ask where the cursor is; a line of a log ends in more than one ``#``."""


def answering(program: Program, answers: list[str], *arguments: str) -> tuple[int, str]:
    """Return status, and what a terminal shows on which each question is answered in turn."""
    ours, theirs = os.openpty()
    (program.folder / "tmp").mkdir(exist_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-m", "lithify", "--no-default-configs", *arguments],
        cwd=program.definitions,
        env={**program.environment(str(program.folder)), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    data, waiting, answered = b"", list(answers), 0
    while True:
        try:
            part = os.read(ours, 1)  # a prompt may come in any pieces
        except OSError:  # EIO: everybody has closed it
            break
        data += part
        if waiting and PROMPT.search(data, answered):
            os.write(ours, f"{waiting.pop(0)}\n".encode())
            answered = len(data)  # what comes of the same prompt after this is no other one
    os.close(ours)
    return child.wait(), data.decode().replace("\r", "")


BROKEN_APP = (
    "chunks/app.morph",
    "install-commands:\n",
    "build-commands:\n- no-such-program\ninstall-commands:\n",
)


def test_a_failure_on_a_terminal_asks_how_to_go_on(program: Program) -> None:
    change(program, *BROKEN_APP)
    status, text = answering(program, ["what?", "l", "r", "c"], "build", "small", "app", "odd", "-j", "1")
    assert status == 1, text
    assert text.count("ERROR: app: build failed (exit_code=127)") == 1, text  # at the end
    assert text.count("  command: no-such-program") == 2, text  # each time that it is asked
    assert text.count("  t  terminate  stop what runs, at once") == 3, text
    assert "+ no-such-program" in text
    assert "odd: built" in text
    assert list((program.cache / "staging").glob("app-*"))


def test_to_quit_builds_nothing_more(program: Program) -> None:
    change(program, *BROKEN_APP)
    change(program, "strata/work.morph", "- name: odd", "- name: odd\n  build-depends: [lib, app]")
    for answer in ("quit", "t"):
        log = program.folder / answer
        status, text = answering(
            program, [answer], "--log", str(log), "build", "small", "odd", "app", "-j", "1"
        )
        assert status == 1, text
        assert text.count("ERROR: ") == 1, text
        assert text.count("\nhint: lithify shell app --failed\n") == 1, text
        assert text.endswith("ERROR: app: build failed (exit_code=127)\n"), text
        assert "\n  command: no-such-program\n" in log.read_text()
    assert "odd: built" not in program.run("build", "small", "app", "odd", "-j", "1").stderr


def test_a_shell_is_where_it_failed_and_leads_back(program: Program) -> None:
    change(program, *BROKEN_APP)
    answers = ["s", "echo main | while read n; do test -f $n && echo found-$n; done; exit 3", "q"]
    status, text = answering(program, answers, "build", "small", "app", "-j", "1")
    assert status == 1, text
    assert "\nfound-main" in text


def test_keep_going_ends_in_one_table(program: Program) -> None:
    change(program, "chunks/lib.morph", "grep -v", "exit 3; grep -v")
    change(program, "chunks/odd.morph", "touch plain", "exit 4; touch plain")
    events = program.folder / "events"
    said = program.run("build", "small", "--keep-going", "--quiet", "--jobs", "1", "--events", str(events))
    assert said.status == 1
    assert said.stderr.endswith(
        "\nERROR: 2 failures\n  lib  build    exit_code=3\n  odd  install  exit_code=4\n"
    )
    records = [json.loads(line) for line in events.read_text().splitlines()]
    failed = {
        record["chunk"]: record["reason"] for record in records if record["event"] == "component-failed"
    }
    assert failed == {"lib": "exit_code=3", "odd": "exit_code=4"}
    assert not any(record.get("chunk") == "app" for record in records)


def test_what_was_changed_is_the_cause_and_the_rest_follows(program: Program) -> None:
    program.done("build", "small")
    change(program, "chunks/lib.morph", "cp library", "cp  library")
    states = {
        one["name"]: one for one in json.loads(program.done("show", "small", "--json").stdout)["chunks"]
    }
    assert {name: one["cause"] for name, one in states.items() if one["state"] == "build"} == {
        "lib": "changed: commands.install",
        "app": "follows lib",
    }
    assert states["shell"]["state"] == states["odd"]["state"] == "cached"
    before = json.loads(program.done("why", "lib", "--json").stdout)
    said = program.done("build", "small")
    assert "lib: built" in said.stderr
    assert "app: inputs unchanged, an earlier build is taken" in said.stderr
    after = json.loads(program.done("why", "lib", "--json").stdout)
    assert [(one["input"], one["cause"]) for one in after["changed"]] == [("commands.install", True)]
    assert (before["changed"], before["against"]["key"]) == (after["changed"], after["against"]["key"])
    follower = json.loads(program.done("why", "small", "app", "--json").stdout)
    assert [(one["input"], one["cause"]) for one in follower["changed"]] == [("depends.lib", False)]
    key = json.loads(program.done("show", "small", "--json").stdout)["system"]["key"]
    assert len(key) == 64
    assert program.done("why", "lib", "--against", before["against"]["key"][:8]).stdout.count("cause") == 1


def test_one_key_press_stops_a_build_in_good_order(program: Program) -> None:
    change(program, "chunks/lib.morph", "grep -v", "sleep 300; grep -v")
    child = program.start("build", "small", "lib")
    log = wait_for_log(program, b"sleep 300")
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130
    assert stderr.endswith("ERROR: interrupted\n")
    assert list((program.cache / "staging").iterdir()) == []
    assert list((program.folder / "tmp").iterdir()) == []
    assert b"interrupted" in log.read_bytes()
    change(program, "chunks/lib.morph", "sleep 300; ", "")
    program.done("build", "small", "lib")


def test_a_second_one_stops_it_at_once_and_nothing_is_in_the_way(program: Program) -> None:
    change(program, "chunks/lib.morph", "grep -v", "sleep 300; grep -v")
    child = program.start("build", "small", "lib")
    wait_for_log(program, b"sleep 300")
    child.send_signal(signal.SIGINT)
    while (
        child.poll() is None
    ):  # of two signals in one moment another thread may take both, and nobody wakes up
        child.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    assert stuck.communicate(child)[1].endswith("ERROR: interrupted\n")
    assert child.returncode == 130
    change(program, "chunks/lib.morph", "sleep 300; ", "")
    program.done("build", "small", "lib")
    assert list((program.cache / "staging").iterdir()) == []


def wait_for_log(program: Program, text: bytes) -> Path:
    """Return the log in which a text stands, once it stands there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for log in (program.cache / "logs").glob("*.log"):
            if text in log.read_bytes():
                return log
        time.sleep(0.02)
    raise AssertionError(f"no log says {text!r}")


def test_the_log_file_gets_all_of_it(program: Program) -> None:
    log = program.folder / "everything"
    program.done("build", "small", "lib", "--quiet", "--log", str(log), "--config", "nowhere.conf")
    text = log.read_text()
    assert "--config nowhere.conf: there is no such file\n" in text
    assert "staging by " in text
    assert "] lib: build\n" in text
    program.run("show", "smal", "--log", str(log))
    assert log.read_text().startswith(text)
    assert 'ERROR: no definition "smal"' in log.read_text()


def test_timings_tell_where_the_time_went(program: Program) -> None:
    trace = program.folder / "trace.json"
    said = program.done("build", "small", "--timings", str(trace))
    assert len(said.stdout.splitlines()) == 1
    table = said.stderr[said.stderr.index("the whole command took") :].splitlines()
    # a phase that took less than a hundredth of a second, as loading may, has no column
    assert {"prepare", "stage", "run", "commit"} <= set(table[1].split())
    names = [line.partition("  ")[0] for line in table[2:]]
    assert {"shell", "lib", "app", "odd", "small"} <= set(names)
    assert names[-2:] == ["(the whole run)", "all"]
    events = json.loads(trace.read_text())["traceEvents"]
    assert {"load", "resolve"} <= {e["cat"] for e in events if e["ph"] == "X"}
    assert {"build", "install"} <= {
        e["name"] for e in events if e["ph"] == "X" and e["args"].get("component") == "lib"
    }
    assert {"merge", "integrate", "sync"} <= {
        e["cat"] for e in events if e["ph"] == "X" and e["args"].get("component") == "small"
    }


def test_timings_are_written_to_what_is_no_file_of_its_own(program: Program) -> None:
    """``/dev/stdout`` is a link, which would be replaced with the trace for all programs, where root builds."""
    trace = program.folder / "trace.json"
    trace.write_text("")
    link = program.folder / "link.json"
    link.symlink_to(trace)
    program.done("build", "small", "--timings", str(link))
    assert link.is_symlink()
    assert json.loads(trace.read_text())["traceEvents"]


def test_timings_of_a_failed_build_are_shown_too(program: Program) -> None:
    change(program, "chunks/lib.morph", "- grep", "- false\n- grep")
    said = program.run("build", "small", "--timings")
    assert said.status == 1
    assert "the whole command took" in said.stderr
    assert said.stderr.splitlines()[-1].startswith(("ERROR", "hint", " "))


def test_a_trace_that_cannot_be_written_is_told_before_the_build(program: Program) -> None:
    said = program.run("build", "small", "--timings=/nowhere/trace.json")
    assert (said.status, said.stdout) == (2, "")
    assert said.stderr.startswith("ERROR: --timings /nowhere/trace.json: No such file or directory")
