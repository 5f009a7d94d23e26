"""lithify itself is killed: nothing that it started or mounted stays."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest

from lithify.staging.sandbox import run_command
from tests.inside import start_inside
from tests.staging.areas import METHODS, area, need_method
from tests.staging.stacks import need_static_shell


def build_for_ever(folder: str, method: str) -> None:
    """Run a command with a daemon in a staging area; say so on standard output when both are there."""
    with area(folder, method) as opened:
        log = opened.log
        write = log.write

        def heard(data: bytes) -> None:
            write(data)
            if b"ready" in data:
                print("ready", flush=True)

        log.write = heard  # type: ignore[method-assign]
        mark = Path(folder).name
        forever = f"trap '' TERM INT HUP; : {mark}; while :; do sleep 1; done"
        run_command(opened.sandbox, f'(setsid sh -c "{forever}") & echo ready; {forever}', log=log)


def processes_of(folder: Path) -> dict[int, str]:
    """Return every process of the machine that has the folder's name in its command line, but for us and the one asked."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if folder.name.encode() in line and int(name) != os.getpid():
            found[int(name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


@pytest.mark.parametrize("method", METHODS)
def test_nothing_stays_of_a_killed_lithify(folder: Path, who: str | None, method: str) -> None:
    need_static_shell()
    need_method(method)
    child = start_inside(build_for_ever, str(folder), method, user=who, open_fuse=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
        running = processes_of(folder)
        assert len(running) >= 4, "lithify, bubblewrap, the command and the daemon"
        assert ("fuse-overlayfs" in " ".join(running.values())) == (method == "fuse-overlayfs")
        handles = {process: os.pidfd_open(process) for process in running}
        child.kill()
        child.wait()
    left = dict(running)
    for process, handle in handles.items():
        if select.select([handle], [], [], 5)[0]:
            del left[process]
        else:
            os.kill(process, signal.SIGKILL)
        os.close(handle)
    assert left == {}
    assert processes_of(folder) == {}
    assert folder.name not in Path("/proc/self/mountinfo").read_text()
