"""Chunks are built in parallel by threads, longest expected path first, and the system as soon as its chunks are in."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from lithify.build.chunk import ChunkOrder
from lithify.build.metadata import BuiltChunk
from lithify.cache import is_full_error, no_space
from lithify.errors import BuildFailed, Interrupted, LithifyError, NoSpace, SeveralFailed
from lithify.events import ComponentFailed, TimeLeft, timed
from lithify.graph.model import SystemGraph
from lithify.schedule.plan import Plan, expected_paths, time_left
from lithify.schedule.queue import Capacity, WorkQueue
from lithify.schedule.realising import (
    Undertaking,
    earlier_seconds,
    find_chunk,
    has_equal_build,
    known_order,
    known_tree,
    realise_chunk,
)
from lithify.sources.fetching import fetch_all
from lithify.store.writing import Store

FETCHES_AT_ONCE = 4
"""Chunks whose sources are fetched at the same time; each may open several connections."""


Choice = Literal["continue", "quit", "terminate", "retry"]
"""After a failure: go on with what does not depend on it; end what runs and no more; end at once; build it once more."""


class Policy(Struct, frozen=True, kw_only=True):
    """How a run goes on."""

    jobs: int
    """Chunks built at once."""
    processors: int = 1
    """For what chunks say of the jobs that they can use."""
    memory: int | None = None
    """Bytes, for what chunks say of the memory that they need."""
    keep_going: bool = False
    """Go on with what does not depend on a failure."""
    on_failure: Callable[[Undertaking, str, LithifyError], Choice] | None = None
    """Asked at each failure of a chunk how to go on, while others are being built; None: as ``keep_going`` says."""
    because: tuple[str, ...] = ()
    """Why so much is to be built, for who reads what the run reports."""


def run_plan(undertaking: Undertaking, plan: Plan, policy: Policy) -> dict[str, BuiltChunk]:
    """Make every chunk of the plan available and return them by name, the cached ones too.

    Raises the failure, or :class:`SeveralFailed`, once all that runs has ended; :class:`Interrupted` where the user asked
    to stop.
    """
    run = _Run(undertaking, plan, policy)
    store = undertaking.workshop.store
    # twice as many threads: those that wait for the disk make room for others
    with (
        undertaking.workshop.facts.gathering(),
        _told_by(store, run.makes_room if policy.jobs > 1 else store.before_sync),
        concurrent.futures.ThreadPoolExecutor(2 * policy.jobs, thread_name_prefix="build") as builders,
        concurrent.futures.ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="fetch") as fetchers,
        concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="look up") as lookups,
    ):
        try:
            run.go(builders, fetchers, lookups)
        except KeyboardInterrupt:
            undertaking.workshop.interrupt.set()
            for pool in (fetchers, lookups):
                pool.shutdown(wait=False, cancel_futures=True)
            builders.shutdown(wait=True, cancel_futures=True)
            raise Interrupted from None
    if undertaking.workshop.interrupt.is_set() and not run.terminated:
        raise Interrupted
    if len(run.failures) == 1:
        raise run.failures[0]
    if run.failures:
        raise SeveralFailed(run.failures)
    return run.available


@contextmanager
def _told_by(store: Store, before_sync: Callable[[], None]) -> Iterator[None]:
    """Have the store call a function before each wait for the disk, during the block."""
    before, store.before_sync = store.before_sync, before_sync
    try:
        yield
    finally:
        store.before_sync = before


class _Run:
    """The state of one run: what is available, what runs, what waits, what failed."""

    def __init__(self, undertaking: Undertaking, plan: Plan, policy: Policy) -> None:
        self.undertaking = undertaking
        self.plan = plan
        self.policy = policy
        self.available: dict[str, BuiltChunk] = {}
        self.failures: list[LithifyError] = []
        self.waiting = dict.fromkeys(plan.to_build)
        self.running: dict[concurrent.futures.Future[BuiltChunk], str] = {}
        self.looked_up: dict[concurrent.futures.Future[BuiltChunk | None], str] = {}
        """Chunks that have no room yet, and may need none."""
        self.orders: dict[str, ChunkOrder] = {}
        """What is known of those that were looked up in vain."""
        self.fetches: dict[str, concurrent.futures.Future[None]] = {}
        self.seconds = earlier_seconds(undertaking, plan.to_build)
        self.paths = expected_paths(plan, self.seconds)
        self.started: dict[str, float] = {}
        chunks = undertaking.graph.chunks
        self.queue = WorkQueue(
            plan,
            self.paths,
            Capacity(builds=policy.jobs, processors=policy.processors, memory=policy.memory),
            {name: chunks[name].resources for name in plan.to_build},
        )
        self._named = threading.local()
        self._room: concurrent.futures.Future[None] = concurrent.futures.Future()
        """Done where there is room again, though nothing has ended."""
        self._making_room: collections.deque[str] = collections.deque()
        self.stopping = False
        """Nothing more is started."""
        self._failed: set[str] = set()
        self.terminated = False
        """The user chose to end at once, at a failure."""

    def go(
        self,
        builders: concurrent.futures.ThreadPoolExecutor,
        fetchers: concurrent.futures.ThreadPoolExecutor,
        lookups: concurrent.futures.ThreadPoolExecutor,
    ) -> None:
        for name in self.plan.cached:
            found = find_chunk(self.undertaking, name)
            if found is None:
                raise LithifyError(
                    f"{name}: it was in the store and is gone", hints=["run the command again"]
                )
            self.available[name] = found
        for name in sorted(self.plan.to_build, key=lambda name: -self.paths[name]):
            if known_tree(self.undertaking, name) is None:
                self.fetches[name] = fetchers.submit(self._fetch, name)
        changed = True
        while True:
            self._start_ready(builders, lookups)
            if not self.running and not self.looked_up:
                break
            if changed:
                self._tell_time_left()
            # with a time-out: a signal that another thread took is seen only when this one comes round
            under_way: list[concurrent.futures.Future[Any]] = [*self.running, *self.looked_up, self._room]
            done, _ = concurrent.futures.wait(
                under_way, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED
            )
            changed = any(future in self.running for future in done)
            for future in done:
                if future is self._room:
                    self._take_room()
                elif future in self.running:
                    self._ended(future, self.running.pop(future))
                else:
                    self._was_looked_up(future, self.looked_up.pop(future))
        for fetch in self.fetches.values():
            fetch.cancel()

    def makes_room(self) -> None:
        """Let another chunk be built while this thread, which has built one, waits for the disk."""
        name = getattr(self._named, "name", None)
        if name is not None:
            self._named.name = None
            self._making_room.append(name)
            with suppress(concurrent.futures.InvalidStateError):
                self._room.set_result(None)

    def _take_room(self) -> None:
        self._room = concurrent.futures.Future()
        while self._making_room:
            name = self._making_room.popleft()
            if name in self.running.values():
                self.queue.makes_room(name)

    def _start_ready(
        self,
        builders: concurrent.futures.ThreadPoolExecutor,
        lookups: concurrent.futures.ThreadPoolExecutor,
    ) -> None:
        if self.stopping or self.undertaking.workshop.interrupt.is_set():
            return
        while (name := self.queue.next()) is not None:
            del self.waiting[name]
            self.started[name] = time.monotonic()
            self.running[builders.submit(self._realise, name, self.orders.pop(name, None))] = name
        for name in self.queue.set_aside():
            self.looked_up[lookups.submit(self._reuse, name)] = name

    def _realise(self, name: str, order: ChunkOrder | None) -> BuiltChunk:
        fetch = self.fetches.get(name)
        if fetch is not None:
            with timed(self.undertaking.workshop.report, "wait", name, "sources"):
                fetch.result()
        self._named.name = name
        try:
            return realise_chunk(self.undertaking, name, self.available, order)
        finally:
            self._named.name = None

    def _reuse(self, name: str) -> BuiltChunk | None:
        """Return a chunk for which there is no room, where an equal build is there: what waits for it need not wait longer."""
        order = known_order(self.undertaking, name, self.available)
        if order is None:
            return None
        if has_equal_build(self.undertaking, order):
            return realise_chunk(self.undertaking, name, self.available, order)
        self.orders[name] = order
        return None

    def _was_looked_up(self, future: concurrent.futures.Future[BuiltChunk | None], name: str) -> None:
        try:
            found = future.result()
        except (LithifyError, OSError):
            found = None  # its turn comes, and tells
        if found is None:
            self.queue.again(name)
            return
        del self.waiting[name]
        self.available[name] = found
        self.queue.ended(name, available=True)

    def _fetch(self, name: str) -> None:
        with timed(self.undertaking.workshop.report, "fetch", name):
            fetch_all(self.undertaking.pins_of(name), self.undertaking.workshop.sources, chunk=name)

    def _ended(self, future: concurrent.futures.Future[BuiltChunk], name: str) -> None:
        try:
            self.available[name] = future.result()
            self.queue.ended(name, available=True)
        except (LithifyError, OSError, subprocess.SubprocessError) as error:
            self.queue.ended(name, available=False)
            failure = self._failure(name, error)
            if not isinstance(failure, Interrupted):
                self.failures.append(failure)
                self._failed.add(name)
                self._tell(name, failure)
                self._go_on(name, failure)

    def _failure(self, name: str, error: Exception) -> LithifyError:
        """Return a failure as the user is to be told it."""
        if isinstance(error, OSError) and is_full_error(error):
            written = error.filename2 or error.filename
            place = Path(os.fsdecode(written)) if written else self.undertaking.workshop.cache.root
            error = no_space(place, error)
        if isinstance(error, NoSpace):
            return NoSpace(f"{name}: {error.message}", hints=error.hints)
        if isinstance(error, LithifyError):
            return error
        return LithifyError(f"{name}: {error}")

    def _go_on(self, name: str, failure: LithifyError) -> None:
        """Do what the policy, or the user, says about a failure."""
        ask = self.policy.on_failure
        if self.policy.keep_going or self.stopping or ask is None:
            self.stopping = self.stopping or not self.policy.keep_going
            return
        choice = ask(self.undertaking, name, failure)
        if choice == "retry":
            self.failures.remove(failure)
            self._failed.discard(name)
            self.waiting[name] = None
            self.queue.again(name)
        elif choice != "continue":
            self.stopping = True
        if choice == "terminate":
            self.terminated = True
            self.undertaking.workshop.interrupt.set()

    def _tell_time_left(self) -> None:
        """Report how long all that waits or runs still takes; nothing where no earlier timing is known."""
        if not self.seconds:
            return
        usual = sum(self.seconds.values()) / len(self.seconds)
        now = time.monotonic()
        remaining = {
            name: self.seconds.get(name, usual)
            for name in (*self.waiting, *self.running.values())
            if not self._is_lost(name)
        }
        ran = {name: now - self.started[name] for name in self.running.values()}
        left = time_left(remaining, self.paths, ran, self.policy.jobs)
        self.undertaking.workshop.report(TimeLeft(seconds=round(left, 1)))

    def _is_lost(self, name: str) -> bool:
        """Return whether a chunk is not built any more, since something that it waits for has failed."""
        return name in self.waiting and (
            self.stopping or not self._failed.isdisjoint(self.plan.waits_for[name])
        )

    def _tell(self, name: str, failure: LithifyError) -> None:
        built = isinstance(failure, BuildFailed)
        self.undertaking.workshop.report(
            ComponentFailed(
                name=name,
                kind="chunk",
                key=self.undertaking.key(name),
                step=failure.step if isinstance(failure, BuildFailed) else "",
                reason=failure.reason if isinstance(failure, BuildFailed) else failure.message,
                log=failure.log if isinstance(failure, BuildFailed) and built else "",
            )
        )


def selected_chunks(graph: SystemGraph) -> Mapping[str, None]:
    """Return the chunks that have a selected artifact, in order."""
    return dict.fromkeys(selected.chunk for selected in graph.system.selected)
