"""Eight commands at once on one cache, for as long as is asked for: nobody fails, each key is built once, nothing hangs.

Each has definitions of its own, which change all the time and overlap with those of the others. Now and then all hold still,
and garbage is collected just when all go on: that is when it has something to take, and others begin to need it.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from msgspec import Struct, field
from msgspec.structs import replace

from tests import stuck
from tests.faults.crashes import store_faults
from tests.faults.killing import held_locks
from tests.faults.parts import Extent, Tally
from tests.faults.workload import Workload, workload
from tests.program import Said, write_files

HANGING = 300.0
"""Seconds after which a command counts as hanging; eight share two processors."""
WORKERS = ("build", "build", "build", "build", "deploy", "checkout", "look")
"""What the seven do that work beside the one that collects garbage."""
OTHER_SYSTEM = """\
name: other
kind: system
arch: x86_64
strata:
- name: base
  morph: strata/base.morph
- name: work
  morph: strata/work.morph
  artifacts: [work-runtime]
"""
COLLECTED = "is not built yet"
"""What a command may say that comes after garbage was collected by somebody whose definitions do not need its system."""
UNSOUND = ("Traceback", "damaged", "changed from outside")
"""What no command may have to say here: nobody damages anything."""
LULL_SECONDS = 8.0
"""Between two times at which all hold still."""


class _Company(Struct, kw_only=True):
    """What the eight share."""

    work: Workload
    tally: Tally
    until: float
    seed: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    built: Counter[str] = field(default_factory=Counter)
    """Key → how often it was built."""
    collected: Counter[str] = field(default_factory=Counter)
    """Key → how often garbage collection took it."""
    still: threading.Event = field(default_factory=threading.Event)
    """Set: nobody begins anything."""
    running: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    longest: dict[str, float] = field(default_factory=dict)

    def go_on(self) -> bool:
        return time.monotonic() < self.until and len(self.tally.failures) < 20

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run one command, unless all are to hold still: then wait before."""
        with self.changed:
            while self.still.is_set():
                self.changed.wait()
            self.running += 1
        try:
            yield
        finally:
            with self.changed:
                self.running -= 1
                self.changed.notify_all()

    def command(self, work: Workload, *arguments: str, may_be_gone: bool = False) -> Said:
        """Run a command that must succeed; ``may_be_gone``: or find that its system was collected."""
        began = time.monotonic()
        child = work.program.start(*arguments)
        name = arguments[0]
        try:
            stdout, stderr = child.communicate(timeout=HANGING)
        except Exception:  # noqa: BLE001 - whatever it is, the others go on
            stdout, stderr = stuck.abort(child)
            stderr += "\nit hangs"
        said = Said(child.returncode, stdout, stderr)
        with self.lock:
            self.longest[name] = round(max(self.longest.get(name, 0), time.monotonic() - began), 1)
            if may_be_gone and said.status == 1 and COLLECTED in stderr:
                self.tally.outcomes[f"{name}: its system was collected before"] += 1
                return said
            waits = stderr.count("waiting for")
            if waits:
                self.tally.outcomes[f"{name}: waits told"] += waits
            self.tally.outcomes[f"{name}: done"] += said.status == 0
            self.tally.check(
                said.status == 0 and not any(text in stderr for text in UNSOUND),
                f"seed {self.seed}: {' '.join(arguments)} ended with {said.status}: {stderr[-1500:]}",
            )
        return said

    def build(self, work: Workload, variant: int, system: str) -> None:
        """Build a variant, and count what was built anew."""
        work.choose(variant)
        events = work.program.definitions.parent / "events"
        said = self.command(work, "build", system, "--events", str(events))
        with self.lock:
            for line in events.read_text().splitlines() if events.exists() else ():
                event = json.loads(line)
                if event["event"] == "component-finished":
                    self.tally.outcomes[f"a key: {event['outcome']}"] += 1
                    self.built[event["key"]] += event["outcome"] == "built"
                elif event["event"] == "waiting":
                    self.tally.outcomes["build: waits for another command"] += 1
            key = said.stdout.partition(".")[0]
            right = system != "small" or key == work.expected[variant].system_key
            self.tally.check(said.status != 0 or right, f"build: variant {variant} said {said.stdout!r}")
        events.unlink(missing_ok=True)


def run(extent: Extent) -> Tally:
    """Keep eight commands going; see :mod:`tests.faults.parts`."""
    tally = Tally(say=extent.say)
    with workload(extent.folder, extent.variants) as work:
        write_files(work.program.definitions, {"systems/other.morph": OTHER_SYSTEM})
        company = _Company(
            work=work, tally=tally, until=time.monotonic() + extent.minutes * 60, seed=extent.seed
        )
        people = [_with_own_definitions(work, number) for number in range(len(WORKERS) + 1)]
        threads = [
            threading.Thread(target=_work, args=(company, people[number], what, extent.seed + number))
            for number, what in enumerate(WORKERS)
        ]
        for thread in threads:
            thread.start()
        _collect(company, people[-1], extent)
        for thread in threads:
            thread.join()
        _judge(company, work)
    tally.figures["longest_seconds"] = dict(sorted(company.longest.items()))
    tally.figures["keys_built"] = sum(company.built.values())
    tally.figures["keys_collected"] = sum(company.collected.values())
    return tally


def _with_own_definitions(work: Workload, number: int) -> Workload:
    folder = work.program.folder / f"own{number}" / "definitions"
    shutil.copytree(work.program.definitions, folder, symlinks=True)
    return replace(work, program=replace(work.program, definitions=folder))


def _work(company: _Company, work: Workload, what: str, seed: int) -> None:
    random = Random(seed)
    while company.go_on():
        with company.turn():
            variant = random.randrange(work.variants)
            company.build(work, variant, random.choice(("small", "small", "other")))
        with company.turn():
            _beside(company, work, what)


def _beside(company: _Company, work: Workload, what: str) -> None:
    """Do what one does besides building."""
    if what == "deploy":
        work.remove_deployment()
        company.command(work, "deploy", "small", "tar", may_be_gone=True)
    elif what == "checkout":
        out = work.program.definitions / "out.tar"
        out.unlink(missing_ok=True)
        company.command(work, "checkout", "small", str(out), "--tar", may_be_gone=True)
    elif what == "look":
        company.command(work, "list-artifacts", "--cached")
        company.command(work, "fsck")


def _collect(company: _Company, work: Workload, extent: Extent) -> None:
    """Collect garbage: while others work, and at the very moment when all go on after a pause."""
    random = Random(extent.seed - 1)
    while company.go_on():
        work.choose(random.randrange(work.variants))
        began = time.monotonic()
        while time.monotonic() < began + LULL_SECONDS and company.go_on():
            _gc(company, work, release=False)
            time.sleep(1)
        company.still.set()
        with company.changed:
            company.changed.wait_for(lambda: company.running == 0, timeout=HANGING)
        _gc(company, work, release=True)
        extent.say(f"{sum(company.built.values())} keys built, {len(company.tally.failures)} failures")


def _gc(company: _Company, work: Workload, *, release: bool) -> None:
    """Run ``gc``; with ``release`` all others go on when it has begun."""

    def let_go() -> None:
        company.still.clear()
        with company.changed:
            company.changed.notify_all()

    timer = threading.Timer(0.3, let_go)  # gc needs as long to begin as they do
    if release:
        timer.start()
    said = company.command(work, "gc", "--gc-keep", "0", "--json")
    if release:
        timer.join()
    with company.lock:
        busy = "another command works" in said.stderr
        company.tally.outcomes["gc: others were at work" if busy else "gc: had the cache alone"] += 1
        if said.status == 0:
            gone = json.loads(said.stdout)["gone"]
            company.collected.update(one["key"] for one in gone if "key" in one)


def _judge(company: _Company, work: Workload) -> None:
    """Check what must hold when all have ended."""
    tally = company.tally
    for key, times in company.built.items():
        most = 1 + company.collected[key]
        tally.check(times <= most, f"{key} was built {times} times, and collected {most - 1} times")
    faults = store_faults(work.program.cache)
    tally.check(not faults, f"the store: {faults}")
    known = {key: value for one in work.expected for key, value in one.contents.items()}
    for key, value in work.stored().items():
        if value[0] != "other":
            tally.check(known.get(key) == value, f"{value} is not {known.get(key)}")
    tally.check(not held_locks(work.program.cache / "locks"), "a lock is still held")
    left = [*(work.program.cache / "staging").glob("*-*-*"), *(work.program.folder / "tmp").iterdir()]
    tally.check(not left, f"left behind: {_names(left)}")


def _names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]
