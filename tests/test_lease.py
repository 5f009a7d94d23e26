"""Who may use a cache, and who has it alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lithify.cache import hold_lock, open_cache, remove_unheld
from lithify.holders import describe_process, holders_in
from lithify.lease import Lease

LOCKS = """\
1: POSIX  ADVISORY  WRITE 77 08:01:5 0 EOF
2: FLOCK  ADVISORY  READ 11 08:01:5 0 EOF
2: -> FLOCK  ADVISORY  WRITE 12 08:01:5 0 EOF
3: FLOCK  ADVISORY  READ 13 08:01:5 0 EOF
4: FLOCK  ADVISORY  WRITE 14 00:1f:5 0 EOF
5: OFDLCK ADVISORY  WRITE -1 08:01:5 0 EOF
6: FLOCK  ADVISORY  WRITE 0 08:01:5 0 EOF
7: FLOCK  ADVISORY  WRITE 15 08:01:6 0 EOF
"""
HOLDER = """
import sys
from pathlib import Path
from lithify.cache import hold_lock
with hold_lock(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_holders_are_those_that_the_kernel_names() -> None:
    assert holders_in(LOCKS, (8, 1), 5) == [11, 13]
    assert holders_in(LOCKS, (0, 0x1F), 5) == [14]
    assert holders_in(LOCKS, (9, 9), 5) == [11, 13, 14], (
        "another device number than stat's: the inode decides"
    )
    assert holders_in(LOCKS, (8, 1), 4) == []


def test_many_share_and_one_has_it_alone(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    one, two, three = Lease(cache), Lease(cache), Lease(cache)
    one.share()
    one.share()
    two.share()
    with three.alone() as alone:
        assert not alone
    one.close()
    with three.alone() as alone:
        assert not alone
    two.close()
    told: list[str] = []
    with three.alone() as alone, three.alone() as again:
        assert (alone, again) == (True, True)
        three.share()  # it has it already
        waiting = threading.Thread(target=one.share, args=(told.append,))
        waiting.start()
        while not told:
            os.sched_yield()
    waiting.join()
    assert told == [f"process {os.getpid()}"]
    with three.alone() as alone:
        assert not alone


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_a_stopped_holder_is_named_to_those_who_wait(tmp_path: Path, kind: str) -> None:
    """Whether it shares the lock, which leaves nothing written, or has it alone; an earlier holder's name is never told."""
    lock = tmp_path / "lock"
    with hold_lock(lock):
        pass  # leaves our own number in the file
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        told: list[str] = []

        def go_on(text: str) -> None:
            told.append(text)
            holder.send_signal(signal.SIGCONT)
            assert holder.stdin is not None
            holder.stdin.close()

        with hold_lock(lock, on_wait=go_on):
            pass
    assert told == [
        f"process {holder.pid}, which is stopped (`kill -CONT {holder.pid}` lets it go on)",
    ]


def test_a_process_that_is_gone_is_told_by_its_number() -> None:
    assert describe_process(2**30) == f"process {2**30}"


def test_only_locks_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    held, free = tmp_path / "held", tmp_path / "free"
    free.touch()
    with hold_lock(held):
        remove_unheld(held)
        remove_unheld(free)
        remove_unheld(tmp_path / "none")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["held"]
    remove_unheld(held)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_look_at_the_file_system_left_goes(tmp_path: Path) -> None:
    (tmp_path / "cache" / ".probe").mkdir(parents=True)
    (tmp_path / "cache" / ".probe" / "one").touch()
    cache = open_cache(tmp_path / "cache")
    assert not (cache.root / ".probe").exists()


def test_an_emptied_cache_is_a_cache_again(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    cache.staging.rmdir()
    open_cache(tmp_path / "cache")
    assert cache.staging.stat().st_mode & 0o7777 == 0o700
