"""Power losses: the cache is on a file system in a file, and what of it had not reached that file is lost.

At a moment of a command, or just after its end, everything is stopped and the file is copied: the copy is what a disk would
have. It is mounted, its journal is replayed, and the cache goes on from there. The file system writes nothing of its own
accord for five minutes, so what is not synced is lost more often than on any real machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from msgspec.structs import replace

from lithify.staging.syscalls import CLONE_NEWNS, MS_PRIVATE, MS_REC, mount, unshare
from tests.faults.crashes import BUILD, BUILD_ALL, GC, GC_ALL, LOCK, Task, store_faults
from tests.faults.killing import adopt_orphans, descendants, orphans
from tests.faults.parts import Extent, Tally
from tests.faults.workload import Workload, workload

IMAGE_SIZE = 256 << 20
OPTIONS = "loop,commit=300,noauto_da_alloc"
"""Data is written before the metadata that needs it, as ever on ext4; a rename is no reason to write anything."""
FIFTH = 5
"""Losses are a fifth of the kills that are asked for: 200 of 1,000."""


def run(extent: Extent) -> Tally:
    """Lose power as often as is asked for; see :mod:`tests.faults.parts`."""
    tally = Tally(say=extent.say)
    if os.geteuid() != 0:
        tally.outcomes["left out: only root mounts a file system"] += 1
        return tally
    adopt_orphans()
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    random = Random(extent.seed)
    began = time.monotonic()
    with workload(extent.folder, extent.variants) as made, _Disk(extent.folder).mounted() as disk:
        work = replace(made, program=replace(made.program, folder=disk.mounted_at))
        seconds = 2.0
        for number, (task, variant) in enumerate(_cycle(random, work.variants)):
            over = time.monotonic() > began + extent.most_minutes * 60
            if number * FIFTH >= extent.kills or len(tally.failures) > 20 or over:
                break
            seconds = _round(
                work, disk, tally, task, variant, random, seconds, f"seed {extent.seed}, {number}"
            )
            if number % 20 == 19:
                extent.say(f"{number + 1} losses of power, {len(tally.failures)} failures")
    return tally


def _cycle(random: Random, variants: int) -> Iterator[tuple[Task, int]]:
    while True:
        variant = random.randrange(variants)
        yield LOCK, variant
        yield random.choice((BUILD, BUILD, GC)), variant
        yield random.choice((BUILD, BUILD_ALL)), (variant + 1) % variants
        yield random.choice((GC, GC, GC_ALL)), variant


class _Disk:
    """A file system in a file, of which a power loss leaves what had been written."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "disk"
        self.mounted_at = folder / "power"

    @contextmanager
    def mounted(self) -> Iterator[_Disk]:
        """Make it, and have it mounted during the block."""
        self.mounted_at.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        self._mount()
        try:
            yield self
        finally:
            subprocess.run(["umount", str(self.mounted_at)], check=False)

    def lose_power(self, child: subprocess.Popen[str]) -> None:
        """Go on with what is in the file now; ``child`` and all that it started has ended, or is stopped, and is ended."""
        after = self.image.with_name("after")
        subprocess.run(["cp", "--sparse=always", str(self.image), str(after)], check=True)
        for process in (*descendants(child.pid), child.pid) if child.poll() is None else ():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        child.communicate()
        orphans()
        subprocess.run(["umount", str(self.mounted_at)], check=True)
        shutil.move(after, self.image)
        self._mount()

    def _mount(self) -> None:
        subprocess.run(
            ["mount", "-t", "ext4", "-o", OPTIONS, str(self.image), str(self.mounted_at)], check=True
        )


def _round(
    work: Workload,
    disk: _Disk,
    tally: Tally,
    task: Task,
    variant: int,
    random: Random,
    seconds: float,
    where: str,
) -> float:
    """Lose power once, and check; return how long the task took that was run to its end."""
    task.prepare(work, variant)
    child = work.program.start(*task.arguments)
    ended = False
    with suppress(subprocess.TimeoutExpired):
        child.communicate(timeout=random.uniform(0, seconds * 1.3))
        ended = True
    if not ended:
        for process in (child.pid, *descendants(child.pid)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
    disk.lose_power(child)
    when = "after its end" if ended else "in it"
    tally.outcomes[f"power lost: {task.name}, {when}"] += 1
    where = f"{where}: power lost {when} ({task.name}, variant {variant})"
    faults = store_faults(work.program.cache)
    tally.check(not faults, f"{where}: the store: {faults}")
    if ended and task in (BUILD, BUILD_ALL) and not faults:
        kept = work.expected[variant].system_key in work.stored()
        tally.check(kept, f"{where}: the system that was said to be built is gone")
    began = time.monotonic()
    said = work.program.run(*task.arguments)
    tally.check(said.status == 0, f"{where}: run again: status {said.status}: {said.stderr[-1500:]}")
    if said.status == 0:
        wrong = task.judge(work, variant, said)
        tally.check(not wrong, f"{where}: run again: {wrong}")
    for line in said.stderr.splitlines():
        if line.startswith("warning"):
            tally.outcomes[f"told: {line[:60]}"] += 1
    faults = store_faults(work.program.cache)
    tally.check(not faults, f"{where}: run again: the store: {faults}")
    return (seconds + time.monotonic() - began) / 2
