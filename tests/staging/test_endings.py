"""Whatever a command does, it ends when it should, nothing of it stays, and its log says what happened."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lithify.errors import NoSpace
from lithify.staging.limits import Limits, describe_limits
from lithify.staging.logs import TAIL_BYTES, LogWriter
from lithify.staging.sandbox import run_command
from tests.inside import run_inside
from tests.staging.areas import area
from tests.staging.stacks import need_static_shell

MARK = "@MARK@"
"""Stands for the test's own folder in a command line: what other tests leave running is not ours to find."""


def left_behind(mark: str) -> list[str]:
    """Return the processes of the whole machine that have ``mark`` in their command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and int(name) != os.getpid():
            found.append(line.decode(errors="replace"))
    return found


def run_one(folder: str, command: str, limits: dict[str, float | None] | None = None) -> dict[str, object]:
    """Run a command and return how it ended, how long it took, what it left running, and its log."""
    with area(folder, limits=Limits(**(limits or {}))) as opened:  # type: ignore[arg-type]
        ended = opened.run(command.replace(MARK, Path(folder).name))
        left = left_behind(Path(folder).name)
        after = opened.run("true", limits=Limits())
        said = opened.said()
    return {
        "reason": ended.reason,
        "seconds": ended.seconds,
        "cpu": ended.cpu_seconds,
        "memory": ended.peak_memory,
        "left": left,
        "after": after.reason,
        "said": said,
        "made": sorted(os.listdir(opened.destdir)),
    }


STUBBORN = f"trap '' TERM INT HUP QUIT; : {MARK}; while :; do sleep 1; done"


def test_a_command_that_never_ends_is_ended(folder: Path, who: str | None) -> None:
    need_static_shell()
    result = run_inside(run_one, str(folder), STUBBORN, {"timeout": 0.3}, user=who)
    assert result["reason"] == "timed out after 0.3 s"
    assert "### timed out after 0.3 s ###" in result["said"]
    assert result["seconds"] < 0.3 + 5
    assert result["left"] == []
    assert result["after"] == "exit_code=0"


@pytest.mark.parametrize(
    "command",
    [
        f"({STUBBORN}) & echo started",
        f"setsid sh -c 'setsid sh -c \"{STUBBORN}\" >/dev/null 2>&1 </dev/null &' & sleep 0.1; echo started",
        f"(exec 2>&1; {STUBBORN} | cat) & (exec >/dev/null 2>&1; {STUBBORN}) & echo started",
    ],
    ids=["holds the pipe", "double fork", "pipeline"],
)
def test_who_stays_behind_is_ended_with_the_command(folder: Path, who: str | None, command: str) -> None:
    """A daemon neither keeps the build waiting nor is alive when the command's end is told."""
    need_static_shell()
    result = run_inside(run_one, str(folder), command.replace("\"trap ''", '"trap \\"\\"'), user=who)
    assert result["reason"] == "exit_code=0"
    assert result["seconds"] < 10
    assert result["left"] == []


WRITER = "(while :; do echo x >>/x.inst/grows; done) & while ! test -s /x.inst/grows; do :; done"


def grow(folder: str) -> list[int]:
    """Return the sizes of a file that a daemon writes to, looked at twice after the command's end, many times over."""
    sizes = []
    with area(folder) as opened:
        for _ in range(10):
            assert opened.run(WRITER).reason == "exit_code=0"
            path = opened.destdir / "grows"
            first = path.stat().st_size
            for _ in range(2000):
                os.sched_yield()
            sizes.append(path.stat().st_size - first)
            path.unlink()
    return sizes


def test_destdir_is_at_rest_when_a_command_has_ended(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(grow, str(folder), user=who) == [0] * 10


def stop_while_running(folder: str) -> list[object]:
    interrupt = threading.Event()
    with area(folder) as opened:
        log = opened.log
        write = log.write

        def heard(data: bytes) -> None:
            write(data)
            if b"ready" in data:
                interrupt.set()

        log.write = heard  # type: ignore[method-assign]
        ended = run_command(
            opened.sandbox,
            f"echo ready; {STUBBORN}".replace(MARK, Path(folder).name),
            log=log,
            interrupt=interrupt,
        )
        log.write = write  # type: ignore[method-assign]
        return [
            ended.reason,
            ended.seconds < 5,
            left_behind(Path(folder).name),
            "### interrupted ###" in opened.said(),
        ]


def test_an_interrupt_ends_what_is_running(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(stop_while_running, str(folder), user=who) == ["interrupted", True, [], True]


def start_in_a_thread_that_ends(folder: str) -> list[str]:
    """``--die-with-parent`` follows the thread: one that runs a command waits for it."""
    reasons: list[str] = []
    with area(folder) as opened:
        threads = [
            threading.Thread(target=lambda: reasons.append(opened.run("sleep 0.2").reason)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return reasons


def test_commands_run_in_several_threads_at_once(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(start_in_a_thread_that_ends, str(folder), user=who) == ["exit_code=0"] * 4


def test_a_command_that_closes_its_output_is_waited_for(folder: Path) -> None:
    need_static_shell()
    result = run_inside(
        run_one, str(folder), "exec >/dev/null 2>&1 </dev/null; sleep 0.5; touch /x.inst/made; exit 7"
    )
    assert result["reason"] == "exit_code=7"
    assert result["made"] == ["made"]


def test_what_a_command_took_is_told(folder: Path, who: str | None) -> None:
    need_static_shell()
    command = "dd if=/dev/zero of=/dev/null bs=64M count=3 2>/dev/null"
    result = run_inside(run_one, str(folder), command, user=who)
    assert result["reason"] == "exit_code=0"
    assert 64 << 20 < result["memory"] < 256 << 20
    assert 0 < result["cpu"] < 30


def test_memory_is_limited(folder: Path, who: str | None) -> None:
    need_static_shell()
    command = "dd if=/dev/zero of=/x.inst/f bs=300M count=1; echo after"
    result = run_inside(run_one, str(folder), command, {"memory": 128 << 20}, user=who)
    assert result["reason"] != "exit_code=0"
    assert "\nafter\n" not in result["said"]
    assert result["after"] == "exit_code=0"


BOMB = "i=0; while [ $i -lt 200 ]; do sleep 30 & i=$((i+1)); done; echo two hundred; wait"


def limited(folder: str, command: str) -> dict[str, object]:
    return {**run_one(folder, command, {"processes": 50, "timeout": 60}), "by": describe_limits()}


def test_processes_are_limited_and_it_is_said_how(folder: Path, who: str | None) -> None:
    need_static_shell()
    result = run_inside(limited, str(folder), BOMB, user=who)
    assert result["reason"] != "exit_code=0"
    if "counting" in result["by"]:
        assert "### more than 50 processes and threads ###" in result["said"]
    else:
        assert "can't fork" in result["said"]
    assert result["left"] == []
    assert result["after"] == "exit_code=0"


def forked_without_end(folder: str) -> list[object]:
    """Return how a command ended that does nothing but fork, what is left of it, and how the one after it ended."""
    with area(folder, limits=Limits(processes=300, timeout=60)) as opened:
        ended = opened.run(f"f() {{ : {Path(folder).name}; f | f & }}; f; while :; do sleep 1; done")
        left = left_behind(Path(folder).name)
        return [ended.reason, ended.seconds, left, opened.run("true", limits=Limits()).reason]


def test_a_fork_bomb_is_survived(folder: Path, who: str | None) -> None:
    need_static_shell()
    reason, seconds, left, after = run_inside(forked_without_end, str(folder), user=who)
    assert reason != "exit_code=0"
    assert seconds < 70
    assert (left, after) == ([], "exit_code=0")


def offered(folder: str) -> str:
    with area(folder) as opened:
        opened.run("set +x; echo adj=$(cat /proc/self/oom_score_adj)")
        return opened.said()


def test_a_build_goes_first_where_the_machine_has_no_memory_left(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert "adj=500\n" in run_inside(offered, str(folder), user=who)


def capped(folder: str, command: str, limit: int) -> list[object]:
    """Return a log after it was completed, and the tail that a report would show."""
    with area(folder, limits=Limits(log_bytes=limit)) as opened:
        opened.run(command)
        tail = opened.log.tail(2)
    return [opened.said(), tail]


def test_a_single_line_without_end_is_capped(folder: Path) -> None:
    need_static_shell()
    said, tail = run_inside(
        capped, str(folder), "set +x; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo the end", 10_000
    )
    assert len(said) < 10_000 + TAIL_BYTES + 1000
    assert said.endswith("x\nthe end\n")
    assert tail[1] == "the end"
    assert len(tail[0]) == 2000


def test_a_gigabyte_of_output_is_capped(folder: Path) -> None:
    need_static_shell()
    flood = "set +x; echo first; dd if=/dev/zero bs=1048576 count=1000 2>/dev/null; echo; echo last"
    said, tail = run_inside(capped, str(folder), flood, 1 << 20)
    assert len(said) < (1 << 20) + TAIL_BYTES + 1000
    assert "first\n" in said[:200]
    assert said.endswith("\nlast\n")
    assert "bytes of the log are left out: it was over its limit of 1048576 bytes" in said
    assert tail[1] == "last"


@pytest.mark.parametrize("chunk", [1, 7, 1000, TAIL_BYTES, 3 * TAIL_BYTES])
def test_a_log_over_its_limit_has_head_and_tail_and_says_how_much_is_missing(
    tmp_path: Path, chunk: int
) -> None:
    text = b"".join(b"%06d\n" % number for number in range(100_000 if chunk > 1 else 50_000))
    with LogWriter(tmp_path / "log", limit=700) as log:
        for start in range(0, len(text), chunk):
            log.write(text[start : start + chunk])
    written = (tmp_path / "log").read_bytes()
    head, _, rest = written.partition(b"\n### ")
    notice, _, tail = rest.partition(b" ###\n")
    assert head == text[:700]
    assert tail == text[-len(tail) :]
    assert len(tail) == min(TAIL_BYTES, len(text) - 700)
    if len(text) - 700 > TAIL_BYTES:
        missing = len(text) - 700 - TAIL_BYTES
        assert (
            notice == f"{missing} bytes of the log are left out: it was over its limit of 700 bytes".encode()
        )


def test_a_log_within_its_limit_is_written_at_once_and_whole(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "deep" / "log", limit=100) as log:
        log.write(b"one\n")
        assert (tmp_path / "deep" / "log").read_bytes() == b"one\n"
        log.write(b"\xff two\n")
        assert log.tail(5) == ["one", "\ufffd two"]
    assert (tmp_path / "deep" / "log").read_bytes() == b"one\n\xff two\n"


def fill_the_log(folder: str) -> list[object]:
    """Run a command whose log stands on a full disk."""
    with area(folder) as opened, LogWriter(Path("/dev/full")) as log:
        try:
            run_command(opened.sandbox, f"echo output; {STUBBORN}".replace(MARK, Path(folder).name), log=log)
        except NoSpace as error:
            return [error.message.split(":")[0], bool(error.hints), left_behind(Path(folder).name)]
    return ["went on"]


def test_a_full_disk_ends_the_command_and_is_named(folder: Path, who: str | None) -> None:
    need_static_shell()
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    assert run_inside(fill_the_log, str(folder), user=who) == ["no space left in /dev/full", True, []]
