"""Which chunk is built next: the one on which the longest way to the end hangs, where there is room for it. Pure.

What each chunk waits for is counted down, so that a build of n chunks takes time by its edges, not by n times n.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from msgspec import Struct

from lithify.graph.model import Resources
from lithify.schedule.plan import Plan


class Capacity(Struct, frozen=True, kw_only=True):
    """What all builds of a run may take together."""

    builds: int
    """Chunks at once."""
    processors: int
    """The sum of what chunks say of ``jobs``; one that says nothing counts as one."""
    memory: int | None = None
    """Bytes: the sum of what chunks say of ``memory``."""


class WorkQueue:
    """Chunks that wait, are ready, and run; used in one thread.

    A chunk that needs more than there is runs alone. One that does not fit now is not overtaken: else small ones could keep
    it waiting to the end, which hangs on it.
    """

    def __init__(
        self,
        plan: Plan,
        paths: Mapping[str, float],
        capacity: Capacity,
        needs: Mapping[str, Resources] | None = None,
    ) -> None:
        """Begin with every chunk of the plan waiting; ``paths``: see :func:`~lithify.schedule.plan.expected_paths`."""
        self._capacity = capacity
        self._needs = needs or {}
        self._rank = {
            name: (-paths[name], position) for position, name in enumerate(plan.to_build)
        }  # ties in build order
        self._missing = {name: len(plan.waits_for[name]) for name in plan.to_build}
        self._waited_for_by: dict[str, list[str]] = {name: [] for name in plan.to_build}
        for name in plan.to_build:
            for dependency in plan.waits_for[name]:
                self._waited_for_by[dependency].append(name)
        self._ready = [(*self._rank[name], name) for name in plan.to_build if not self._missing[name]]
        heapq.heapify(self._ready)
        self._running: dict[str, tuple[int, int]] = {}
        self._set_aside: set[str] = set()

    def next(self) -> str | None:
        """Return the chunk to start now, which runs from then on; None where none is ready or there is no room."""
        if not self._ready or len(self._running) >= self._capacity.builds:
            return None
        name = self._ready[0][-1]
        processors, memory = self._share_of(name)
        if self._running:
            taken = [sum(share) for share in zip(*self._running.values(), strict=True)]
            limit = self._capacity.memory
            if taken[0] + processors > max(self._capacity.processors, self._capacity.builds):
                return None
            if limit is not None and taken[1] + memory > limit:
                return None
        heapq.heappop(self._ready)
        self._running[name] = (processors, memory)
        return name

    def set_aside(self) -> list[str]:
        """Return the chunks that are ready and were not set aside before: they are not started until they come :meth:`again`.

        So somebody can see whether an equal build of one is there, for which no room is needed.
        """
        new = [entry for entry in sorted(self._ready) if entry[-1] not in self._set_aside]
        self._ready = [entry for entry in self._ready if entry[-1] in self._set_aside]
        heapq.heapify(self._ready)
        self._set_aside.update(entry[-1] for entry in new)
        return [entry[-1] for entry in new]

    def ended(self, name: str, *, available: bool) -> None:
        """Take in that a chunk runs no more, or need not; where it is ``available``, what waited for it alone is ready."""
        self._running.pop(name, None)
        if not available:
            return
        for waiting in self._waited_for_by[name]:
            self._missing[waiting] -= 1
            if not self._missing[waiting]:
                heapq.heappush(self._ready, (*self._rank[waiting], waiting))

    def makes_room(self, name: str) -> None:
        """Take in that a chunk only waits for the disk from now on: another one may run in its place."""
        self._running.pop(name, None)

    def again(self, name: str) -> None:
        """Have a chunk ready once more that has ended, and is not available, or that was set aside."""
        heapq.heappush(self._ready, (*self._rank[name], name))

    def _share_of(self, name: str) -> tuple[int, int]:
        needs = self._needs.get(name, Resources())
        return min(needs.jobs or 1, self._capacity.processors), needs.memory or 0
