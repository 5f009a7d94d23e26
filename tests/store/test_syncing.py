"""Threads that wait for the disk share syncs, and none is told that something is there by a sync that began before."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lithify.store.syncing import Syncing


def test_a_real_folder_is_synced(tmp_path: Path) -> None:
    Syncing(tmp_path)()


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Syncing(tmp_path / "none")()


class SlowDisk:
    """Lets each sync begin when it is told, and can fail."""

    def __init__(self) -> None:
        self.begun: list[threading.Event] = []
        self.changed = threading.Condition()
        self.fails: set[int] = set()

    def __call__(self, folder: Path) -> None:
        may_end = threading.Event()
        with self.changed:
            number = len(self.begun)
            self.begun.append(may_end)
            self.changed.notify_all()
        assert may_end.wait(20)
        if number in self.fails:
            raise OSError(5, "the disk is broken")

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.begun) >= count, 20)


def all_at_once(tmp_path: Path, disk: SlowDisk) -> list[Future[None]]:
    """Return the outcomes of a sync, and of four that were wanted while it ran."""
    syncing = Syncing(tmp_path, disk)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(syncing)
        disk.wait_for(1)
        others = [pool.submit(syncing) for _ in range(4)]
        while syncing.waiting < 4:
            threading.Event().wait(0.001)
        disk.begun[0].set()
        if not disk.fails:
            disk.wait_for(2)
            assert not any(other.done() for other in others)
            disk.begun[1].set()
    return [first, *others]


def test_those_who_come_meanwhile_share_the_next_one(tmp_path: Path) -> None:
    disk = SlowDisk()
    for outcome in all_at_once(tmp_path, disk):
        outcome.result()
    assert len(disk.begun) == 2


def test_a_broken_disk_is_said_to_all(tmp_path: Path) -> None:
    """It tells of lost data once, and whose they were it does not say."""
    disk = SlowDisk()
    disk.fails = {0}
    for outcome in all_at_once(tmp_path, disk):
        with pytest.raises(OSError, match="broken"):
            outcome.result()
    assert len(disk.begun) == 1
