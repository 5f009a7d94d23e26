"""Kills: lithify, and what it starts, at every named step and at random moments of everything that changes a cache.

One cache lives through all kills. Each step of a cycle (edit and build, deploy, check out, collect garbage, lock) is killed
once and then run again, with nothing in between; what it should come to is known from clean runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

from msgspec import Struct, field
from msgspec.structs import replace

from lithify.cache import remove_tree
from lithify.store.reading import Repository
from lithify.store.verifying import verify
from tests.faults.killing import adopt_orphans, held_locks, kill_after, kill_descendant, mounted, orphans
from tests.faults.parts import Extent, Tally
from tests.faults.workload import Workload, workload
from tests.inside import run_inside
from tests.program import Said

LONGEST = 120.0
"""Seconds after which a command counts as hanging."""
_KILLED_AT = re.compile(r"^killed at (\S+)$", re.MULTILINE)
_LEFT_BY_RUNS = (
    "definitions/.*.partial",
    "definitions/.*.lock",
    "cache/.probe*",
    "cache/layers/.*",
    "cache/sources/*/.*",
    "cache/sources/git/*/**/*.lock",
    "cache/sources/git/*/objects/**/tmp_*",
    "cache/staging/*-*",
    "cache/ostree/tmp/lithify-*",
    "cache/standing/.*",
    "tmp/*",
)
"""Where nothing may lie after a command that went well."""
_LEFT_BY_GC = (
    "cache/locks/bench-*",
    "cache/ostree/tmp/staging-*",
    "cache/ostree/state/*.commitpartial",
)
"""Where, besides, nothing may lie after ``gc``."""


class Task(Struct, frozen=True, kw_only=True):
    """One command that is killed and run again."""

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Workload, int], None]
    """Makes sure that the command has something to do in a variant."""
    judge: Callable[[Workload, int, Said], str]
    """Returns what is wrong after the second run, or ""."""
    clears: bool = False
    """What killed transactions left must be gone afterwards too."""


def _judge_build(work: Workload, variant: int, said: Said) -> str:
    expected = work.expected[variant]
    stored = work.stored()
    missing = expected.contents.keys() - stored.keys()
    if missing:
        return f"not in the store: {sorted(expected.contents[key][0] for key in missing)}"
    if said.stdout.partition(".")[0] != expected.system_key:
        return f"said {said.stdout!r}"
    return ""


def _judge_deployment(work: Workload, variant: int, said: Said) -> str:
    same = hashlib.sha256(work.tar.read_bytes()).hexdigest() == work.expected[variant].tar
    return "" if same else "the tar file is another"


def _nothing_wrong(work: Workload, variant: int, said: Said) -> str:
    return ""


def _judge_lock(work: Workload, variant: int, said: Said) -> str:
    return "" if work.locked() == work.locks[variant] else "the lock file is another"


def _judge_emptied(work: Workload, variant: int, said: Said) -> str:
    left = sorted(path.name for path in work.program.cache.iterdir())
    return "" if left in ([], ["locks"]) else f"left: {left}"


def _prepare_deployment(work: Workload, variant: int) -> None:
    work.remove_deployment()


def _prepare_lock(work: Workload, variant: int) -> None:
    work.choose((variant + 1) % work.variants)
    work.move_branch(variant)


def _as_it_is(work: Workload, variant: int) -> None:
    pass


BUILD = Task(
    name="build after an edit",
    arguments=("build", "small"),
    prepare=Workload.choose,
    judge=_judge_build,
)
BUILD_ALL = replace(BUILD, name="build from nothing")
DEPLOY = Task(
    name="deploy",
    arguments=("deploy", "small", "tar"),
    prepare=_prepare_deployment,
    judge=_judge_deployment,
)
CHECKOUT = Task(
    name="checkout",
    arguments=("checkout", "small", "out.tar", "--tar"),
    prepare=lambda work, _: (work.program.definitions / "out.tar").unlink(missing_ok=True),
    judge=_nothing_wrong,
)
GC = Task(name="gc", arguments=("gc", "--gc-keep", "0"), prepare=_as_it_is, judge=_nothing_wrong, clears=True)
GC_ALL = Task(name="gc --all", arguments=("gc", "--all"), prepare=_as_it_is, judge=_judge_emptied)
LOCK = Task(name="lock", arguments=("lock", "--update"), prepare=_prepare_lock, judge=_judge_lock)


def cycle(variants: int) -> Iterator[tuple[Task, int]]:
    """Yield tasks for ever, each with the variant that it is done in, so that each has something to do."""
    for number in count():
        variant = number % variants
        if number % 3 == 0:
            yield GC_ALL, variant
            yield LOCK, variant
            yield BUILD_ALL, variant
        else:
            yield LOCK, variant
            yield BUILD, variant
        yield DEPLOY, variant
        yield CHECKOUT, variant
        yield GC, variant


def run(extent: Extent) -> Tally:
    """Kill as often as is asked for; see :mod:`tests.faults.parts`."""
    adopt_orphans()
    tally = Tally(say=extent.say)
    with workload(extent.folder, extent.variants) as work:
        bench = _Bench(work=work, tally=tally, random=Random(extent.seed), seed=extent.seed)
        began = time.monotonic()
        for task, variant in cycle(work.variants):
            over = time.monotonic() > began + extent.most_minutes * 60
            if bench.kills >= extent.kills or len(tally.failures) > 20 or over:
                break
            bench.round(task, variant)
            if bench.rounds % 50 == 0:
                extent.say(f"{bench.kills} kills, {len(tally.failures)} failures")
    tally.figures["kills"] = bench.kills
    tally.figures["named_steps"] = {
        name: f"{len(hit)} of {len(bench.points[name])}" for name, hit in sorted(bench.hit.items())
    }
    return tally


class _Bench(Struct, kw_only=True):
    """The state of a run: what was killed where, what the points of each task are, how long each takes."""

    work: Workload
    tally: Tally
    random: Random
    seed: int
    kills: int = 0
    rounds: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    sequences: dict[str, list[str]] = field(default_factory=dict)
    """Task → the points that it came to when it was not killed."""
    points: dict[str, set[str]] = field(default_factory=dict)
    hit: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def round(self, task: Task, variant: int) -> None:
        """Kill a task once, look around, run it to its end, and judge."""
        self.rounds += 1
        task.prepare(self.work, variant)
        if task.name not in self.sequences:
            self.record(task)
            self.look(task, "nothing was killed", variant, self.again(task))
            return
        how = self.kill(task)
        if how is None:
            self.tally.outcomes[f"{task.name}: it ended before it was killed"] += 1
        else:
            self.kills += 1
            self.tally.outcomes[f"killed in {task.name}: {how.partition(' after')[0]}"] += 1
            self.look_at_once(task, how)
        said = self.again(task)
        self.look(task, how or "nothing was killed", variant, said)

    def record(self, task: Task) -> None:
        """Run a task to its end once, and note its points and its time."""
        file = self.work.program.folder / "points"
        began = time.monotonic()
        replace(self.work.program, module=f"tests.faults.armed record {file}").done(*task.arguments)
        self.seconds[task.name] = time.monotonic() - began
        self.sequences[task.name] = file.read_text().split()
        self.points[task.name] = set(self.sequences[task.name])
        file.unlink()
        if task is CHECKOUT:
            (self.work.program.definitions / "out.tar").unlink()

    def kill(self, task: Task) -> str | None:
        """Start a task and kill it or one of its children; return where, or None where it had ended before."""
        sequence = self.sequences[task.name]
        missing = self.points[task.name] - self.hit[task.name]
        way = self.random.choices(
            ("step", "moment", "child"), (100 if missing else 4 if sequence else 0, 4, 3)
        )[0]
        if way == "step":
            wanted = self.random.choice(sorted(missing)) if missing else self.random.choice(sequence)
            places = [number for number, name in enumerate(sequence, 1) if name == wanted]
            armed = replace(self.work.program, module=f"tests.faults.armed kill {self.random.choice(places)}")
            _, stderr = self.ended(task, armed.start(*task.arguments))
            found = _KILLED_AT.search(stderr)
            if found is None:
                self.hit[task.name].add(wanted)  # fewer steps this time: others are tried in their turn
                return None
            self.hit[task.name].add(found[1])
            return f"at step {found[1]}"
        moment = self.random.uniform(0.02, self.seconds[task.name])
        child = self.work.program.start(*task.arguments)
        if way == "moment":
            killed = kill_after(child, moment)
            self.ended(task, child)
            return f"at a moment after {moment:.3f} s" if killed else None
        name = kill_descendant(child, moment, self.random.random())
        _, stderr = self.ended(task, child)
        self.tally.check(
            "Traceback" not in stderr, f"{task.name}: {name} killed: a traceback:\n{stderr[-2000:]}"
        )
        return f"its child {name} after {moment:.3f} s" if name else None

    def ended(self, task: Task, child: subprocess.Popen[str]) -> tuple[str, str]:
        """Return what a command said once it has ended."""
        try:
            return child.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            child.kill()
            self.tally.fail(f"{task.name}: it hangs")
            return child.communicate()

    def again(self, task: Task) -> Said:
        """Run a task to its end; a whole result of a killed run may stand in its way, and is the same."""
        out = self.work.program.definitions / "out.tar"
        if task is CHECKOUT and out.exists():
            made = out.read_bytes()
            out.unlink()
            said = self.work.program.run(*task.arguments)
            self.tally.check(out.read_bytes() == made, "checkout: what a killed run left is not whole")
            return said
        return self.work.program.run(*task.arguments)

    def look_at_once(self, task: Task, how: str) -> None:
        """Check what must hold as soon as something was killed."""
        where = f"seed {self.seed}, round {self.rounds}: {task.name} killed {how}"
        folder = self.work.program.folder
        left = orphans()
        self.tally.check(not left, f"{where}: still running: {left}")
        self.tally.check(not mounted(folder), f"{where}: mounts in {mounted(folder)}")
        locked = held_locks(self.work.program.cache / "locks")
        self.tally.check(not locked, f"{where}: locked: {locked}")
        wrong = store_faults(self.work.program.cache)
        self.tally.check(not wrong, f"{where}: the store: {wrong}")

    def look(self, task: Task, how: str, variant: int, said: Said) -> None:
        """Check what must hold when the task has been run again."""
        where = f"seed {self.seed}, round {self.rounds}: {task.name} run again ({how})"
        if not self.tally.check(said.status == 0, f"{where}: status {said.status}: {said.stderr[-2000:]}"):
            return
        wrong = task.judge(self.work, variant, said)
        self.tally.check(not wrong, f"{where}: {wrong}")
        known = {key: value for one in self.work.expected for key, value in one.contents.items()}
        for key, value in self.work.stored().items():
            self.tally.check(known.get(key) == value, f"{where}: {value} is not {known.get(key)}")
        faults = store_faults(self.work.program.cache)
        self.tally.check(not faults, f"{where}: the store: {faults}")
        patterns = (*_LEFT_BY_RUNS, *(_LEFT_BY_GC if task.clears else ()))
        left = [
            str(path.relative_to(self.work.program.folder))
            for pattern in patterns
            for path in self.work.program.folder.glob(pattern)
        ]
        self.tally.check(not left, f"{where}: left behind: {left}")
        for name in left:  # each is told once
            with suppress(OSError):
                remove_tree(self.work.program.folder / name)


def store_faults(cache: Path) -> str:
    """Return what ``ostree fsck`` and lithify's own verification find wrong in a cache's store, or ""."""
    if not (cache / "ostree" / "config").exists():
        return ""
    found: str = faults_inside(str(cache)) if os.geteuid() == 0 else run_inside(faults_inside, str(cache))
    return found


def faults_inside(cache: str) -> str:
    """Do the work of :func:`store_faults`, where files have their true owners."""
    repository = Path(cache, "ostree")
    done = subprocess.run(
        ["ostree", "fsck", "--quiet", f"--repo={repository}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return done.stderr.strip().splitlines()[-1]
    damaged = verify(Repository(repository)).damaged
    return ", ".join(f"{fault.kind} {fault.checksum}" for fault in damaged)
