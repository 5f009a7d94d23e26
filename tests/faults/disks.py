"""Disks that fail: full, without inodes, read-only, broken at the n-th call; and what a build does then.

Whatever fails, the build says so with one clear error, and the same command works once the disk does: with the same result,
and a cache in which ``fsck`` finds nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from tests.build.definitions import small_tree
from tests.faults.parts import Extent, Tally
from tests.inside import as_owner
from tests.program import Program, Said

SHIM = Path(__file__).with_name("shim.c")
"""Lets calls fail; it is loaded before the C library."""

Trial = Callable[[], tuple[str, str]]
"""Does one thing to a disk; returns what was done, by which it is counted, and what is wrong, if anything."""
NO_SPACE_KEPT = ("--cachedir-min-space", "0", "--tempdir-min-space", "0")
"""Settings without which a build on a small disk would not begin."""


class Bench(Struct, frozen=True, kw_only=True):
    """A small system whose builds are made to fail, and what they give where they do not."""

    folder: Path
    shim: Path | None
    """None where there is no compiler."""
    result: str
    """What a build prints."""

    def program(self, cache: Path) -> Program:
        """Return the program with a cache, which is ``cache/cache``; what is built is in ``cache/tmp``."""
        return Program(folder=cache, definitions=self.folder / "definitions", settings=NO_SPACE_KEPT)

    def run(
        self, cache: Path, *words: str, faults: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> Said:
        """Run the program, with the shim where faults are wanted; ``before`` stands before its command line."""
        program = self.program(cache)
        (cache / "tmp").mkdir(exist_ok=True)
        environment = dict(program.environment(str(self.folder)))
        if faults is not None:
            environment |= {"LD_PRELOAD": str(self.shim), "FAULT_ROOT": str(program.cache), **faults}
        done = subprocess.run(
            [*before, sys.executable, "-m", "lithify", "--no-default-configs", *NO_SPACE_KEPT, *words],
            cwd=program.definitions,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def wrong_with(self, said: Said, *, told: Sequence[str] = ()) -> str:
        """Return what is wrong with how a failed command ended; empty where nothing is."""
        if "Traceback" in said.stderr or "Exception ignored" in said.stderr:
            return f"a traceback: {said.stderr[-3000:]}"
        if said.status == 0:
            return "" if said.stdout == self.result else f"another result: {said.stdout}"
        if said.status != 1 or "ERROR: " not in said.stderr:
            return f"it ended with {said.status}: {said.stderr[-2000:]}"
        missing = [text for text in told if text not in said.stderr]
        return f"nothing is said of {missing}: {said.stderr[-2000:]}" if missing else ""

    def wrong_after(self, cache: Path) -> str:
        """Return what is wrong with the same command on the same cache, now that the disk works; empty where nothing is."""
        again = self.run(cache, "build", "small")
        if again.status != 0 or again.stdout != self.result or "Traceback" in again.stderr:
            return f"the same command, then: {again.status}, {again.stdout!r}: {again.stderr[-2000:]}"
        checked = self.run(cache, "fsck")
        return "" if checked.status == 0 else f"fsck, then: {checked.stdout[-2000:]}{checked.stderr[-2000:]}"


def make_bench(folder: Path) -> Bench:
    """Make the definitions and the shim below ``folder``, and build once."""
    small_tree(folder / "definitions")
    shim: Path | None = None
    compiler = shutil.which("cc")
    if compiler is not None:
        shim = folder / "shim.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(shim), str(SHIM), "-ldl"],
            check=True,
        )
    bench = Bench(folder=folder, shim=shim, result="")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        said = bench.run(Path(name), "build", "small")
        assert said.status == 0, said
    return Bench(folder=folder, shim=shim, result=said.stdout)


def calls_of_a_build(bench: Bench) -> int:
    """Return by how many calls a whole build writes to its cache."""
    with place(bench) as cache:
        said = bench.run(cache, "build", "small", faults={"FAULT_COUNT": str(bench.folder / "count")})
        assert said.status == 0, said
    return int((bench.folder / "count").read_text())


@contextmanager
def place(bench: Bench, kind: str = "") -> Iterator[Path]:
    """Yield an empty folder for a cache; ``kind``: options of a tmpfs to mount there, for root."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    if kind:
        subprocess.run(["mount", "-t", "tmpfs", "-o", kind, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        if kind:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Give a mounted tmpfs other options."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


class Used(Struct, frozen=True, kw_only=True):
    """A cache in which a system was built, and another state of the definitions, which needs much of it."""

    bench: Bench
    """With what a build of the changed definitions prints."""
    reads: int
    """By how many calls that build reads its cache."""

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """Yield a place with the cache as it was before the change."""
        with place(self.bench) as there:
            used = self.bench.folder / "used" / "cache"
            subprocess.run([*as_owner(), "cp", "-a", str(used), str(there)], check=True)
            yield there


def make_used(bench: Bench) -> Used:
    """Build once, and change what the system's program is made from."""
    own = replace(bench, folder=bench.folder / "reading")
    small_tree(own.folder / "definitions")
    used = own.folder / "used"
    used.mkdir()
    assert own.run(used, "build", "small").status == 0
    (own.folder / "definitions" / "app" / "main").write_text("#!/bin/sh\n# another\n")
    made = Used(bench=own, reads=0)
    with made.copied() as cache:
        count = own.folder / "count"
        said = own.run(cache, "build", "small", faults={"FAULT_READS": "1", "FAULT_COUNT": str(count)})
        assert said.status == 0, said
        return Used(bench=replace(own, result=said.stdout), reads=int(count.read_text()))


def unreadable_at(used: Used, number: int, *, once: bool = False) -> str:
    """Let the n-th read of the cache, and all that follow, fail with EIO, and return what is wrong with that."""
    faults = {"FAULT_READS": "1", "FAULT_FROM": str(number), "FAULT_ERRNO": str(errno.EIO)}
    if once:
        faults["FAULT_LAST"] = str(number)
    with used.copied() as cache:
        said = used.bench.run(cache, "build", "small", faults=faults)
        wrong = used.bench.wrong_with(said) or used.bench.wrong_after(cache)
    return f"read {number}{' alone' if once else ''}: {wrong}" if wrong else ""


BROKEN = {
    errno.EIO: "Input/output error",
    errno.ENOSPC: "no space left in",
    errno.EDQUOT: "no space left in",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
}
"""What fails, and what is to be said of it."""


def broken_at(bench: Bench, code: int, number: int, *, once: bool = False) -> str:
    """Let the n-th write and all that follow fail, and return what is wrong with that; empty where nothing is."""
    faults = {"FAULT_FROM": str(number), "FAULT_ERRNO": str(code)}
    if once:
        faults["FAULT_LAST"] = str(number)
    with place(bench) as cache:
        said = bench.run(cache, "build", "small", faults=faults)
        wrong = bench.wrong_with(said, told=[] if once else [BROKEN[code]]) or bench.wrong_after(cache)
    return f"{errno.errorcode[code]} from call {number}{' alone' if once else ''}: {wrong}" if wrong else ""


def full_at(bench: Bench, options: str) -> tuple[bool, str]:
    """Build on a small disk, then on the same one enlarged; return whether it was too small, and what is wrong."""
    with place(bench, options) as cache:
        said = bench.run(cache, "build", "small")
        wrong = bench.wrong_with(said, told=["no space left in", "MiB free", "lithify gc"])
        remount(cache, "size=1g,nr_inodes=1m")
        wrong = wrong or bench.wrong_after(cache)
    return said.status != 0, f"a disk of {options}: {wrong}" if wrong else ""


@contextmanager
def disk_with_quotas(bench: Bench) -> Iterator[Path]:
    """Yield a folder on a disk of 300 MB that can have a quota: btrfs, for root."""
    with place(bench) as folder:
        image, mounted = folder / "disk", folder / "mounted"
        mounted.mkdir()
        with open(image, "wb") as file:
            file.truncate(300 << 20)
        subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True)
        try:
            for line in (["quota", "enable", str(mounted)], ["subvolume", "create", str(mounted / "own")]):
                subprocess.run(["btrfs", *line], check=True, capture_output=True)
            yield mounted / "own"
        finally:
            subprocess.run(["umount", "-l", str(mounted)], check=True)


def over_quota(bench: Bench, disk: Path, quota: str) -> tuple[bool, str]:
    """Build with a quota on a disk, then without; return whether it was too small, and what is wrong."""
    cache = Path(tempfile.mkdtemp(dir=disk))
    try:
        subprocess.run(["btrfs", "qgroup", "limit", quota, str(disk)], check=True)
        said = bench.run(cache, "build", "small")
        wrong = bench.wrong_with(
            said, told=["no space left in", "a disk quota is used up", "MiB free", "lithify gc"]
        )
        subprocess.run(["btrfs", "qgroup", "limit", "none", str(disk)], check=True)
        wrong = wrong or bench.wrong_after(cache)
    finally:
        subprocess.run(["rm", "-rf", str(cache)], check=True)
        subprocess.run(["btrfs", "filesystem", "sync", str(disk)], check=True)
    return said.status != 0, f"a quota of {quota}: {wrong}" if wrong else ""


def full_target(bench: Bench, name: str, size: str) -> tuple[bool, str]:
    """Deploy to a small disk, then to the same one enlarged; return whether it was too small, and what is wrong."""
    with place(bench) as cache, place(bench, f"size={size}") as target:
        bench.run(cache, "build", "small")
        whole = cache / "whole"
        line = ("deploy", "small", name)
        bench.run(cache, *line, f"{name}.location={whole}")
        expected = whole.read_bytes()
        made = target / "made"
        said = bench.run(cache, *line, f"{name}.location={made}")
        wrong = "" if said.status == 0 else bench.wrong_with(said, told=["no space left in", "MiB free"])
        left = sorted(path.name for path in target.iterdir() if said.status != 0)
        wrong = wrong or (f"it left {left}" if left else "")
        remount(target, "size=1g")
        if made.exists():
            made.unlink()
        again = bench.run(cache, *line, f"{name}.location={made}")
        if not wrong and (again.status != 0 or made.read_bytes() != expected):
            wrong = f"the same command, then: {again.status}: {again.stderr[-2000:]}"
    return said.status != 0, f"{name} to a disk of {size}: {wrong}" if wrong else ""


def read_only(bench: Bench) -> str:
    """Build, have the disk become read-only, and ask for more; return what is wrong."""
    with place(bench, "size=1g") as cache:
        bench.run(cache, "build", "small", "lib")
        remount(cache, "ro")
        said = bench.run(cache, "build", "small")
        wrong = bench.wrong_with(said, told=["Read-only file system"])
        remount(cache, "rw")
        return wrong or bench.wrong_after(cache)


def without_descriptors(bench: Bench, number: int) -> str:
    """Build with few open files allowed; return what is wrong."""
    with place(bench) as cache:
        said = bench.run(cache, "build", "small", before=["sh", "-c", f'ulimit -n {number}; exec "$@"', "sh"])
        return bench.wrong_with(said) or bench.wrong_after(cache)


def disks(extent: Extent) -> Tally:
    """Break the disk at every n-th write with each error, and fill it in steps of 256 KiB and of 20 inodes.

    That is done in an order by chance: where time runs out before all is, there is some of each.
    """
    tally = Tally(say=extent.say)
    bench = make_bench(extent.folder)
    if bench.shim is None:
        tally.fail("there is no C compiler (cc): no call can be made to fail")
        return tally
    with ExitStack() as stack:
        trials = [*_broken(bench, extent, tally), *_with_few_descriptors(bench)]
        if os.geteuid() == 0:
            trials += [*_small(bench), *_over_quotas(bench, stack)]
        Random(extent.seed).shuffle(trials)
        until = time.monotonic() + extent.most_minutes * 60
        for number, trial in enumerate(trials):
            if time.monotonic() > until:
                break
            if number % 50 == 0:
                extent.say(f"{number} of {len(trials)}, {len(tally.failures)} failures")
            outcome, wrong = trial()
            tally.outcomes[outcome] += 1
            tally.check(not wrong, f"{outcome}: {wrong}")
        tally.figures["of all that there is to try"] = f"{tally.outcomes.total()} of {len(trials)}"
    return tally


def _broken(bench: Bench, extent: Extent, tally: Tally) -> Iterator[Trial]:
    """Yield the calls that fail: every n-th, so that about as many builds are broken as kills are asked for."""
    calls = calls_of_a_build(bench)
    used = make_used(bench)
    tally.figures["writes of a build"] = calls
    tally.figures["reads of a build that needs little"] = used.reads
    for code in BROKEN:
        for number in range(1, calls + 1, max(1, calls * 2 * len(BROKEN) // max(extent.kills, 1))):
            for once in (False, True):
                yield partial(_unwritten, bench, code, number, once=once)
    for number in range(1, used.reads + 1, max(1, used.reads * 20 // max(extent.kills, 1))):
        for once in (False, True):
            yield partial(_unread, used, number, once=once)


def _unwritten(bench: Bench, code: int, number: int, *, once: bool) -> tuple[str, str]:
    return errno.errorcode[code], broken_at(bench, code, number, once=once)


def _unread(used: Used, number: int, *, once: bool) -> tuple[str, str]:
    return "EIO from reading", unreadable_at(used, number, once=once)


def _small(bench: Bench) -> Iterator[Trial]:
    """Yield the small disks, and the one that becomes read-only; for root, who may mount."""
    sizes = [f"size={size * 256}k" for size in range(4, 37)]
    for options in (*sizes, *(f"nr_inodes={number}" for number in range(20, 1000, 20))):
        yield partial(_told, "disk", full_at, bench, options)
    for name, numbers in (("tar", range(128, 24 * 128, 128)), ("image", range(1024, 64 * 1024, 4096))):
        for kibibytes in numbers:
            yield partial(_told, f"disk for the {name}", full_target, bench, name, f"{kibibytes}k")
    yield lambda: ("a disk that becomes read-only", read_only(bench))


def _over_quotas(bench: Bench, stack: ExitStack) -> Iterator[Trial]:
    """Yield the quotas, on a disk that is there until ``stack`` is closed."""
    if shutil.which("mkfs.btrfs") is None:
        yield lambda: ("left out: quotas need btrfs-progs", "")
        return
    disk = stack.enter_context(disk_with_quotas(bench))
    for kibibytes in range(200, 6000, 200):
        yield partial(_told, "quota", over_quota, bench, disk, f"{kibibytes}K")


def _told(what: str, act: Callable[..., tuple[bool, str]], *given: object) -> tuple[str, str]:
    full, wrong = act(*given)
    return f"too small a {what}" if full else f"a {what} that was enough", wrong


def _with_few_descriptors(bench: Bench) -> Iterator[Trial]:
    for number in (8, 12, 16, 20, 24, 32, 48, 64):
        yield partial(_short_of_descriptors, bench, number)


def _short_of_descriptors(bench: Bench, number: int) -> tuple[str, str]:
    wrong = without_descriptors(bench, number)
    return "few open files", f"{number}: {wrong}" if wrong else ""
