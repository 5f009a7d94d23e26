"""The paths by which one thing of a graph needs another: what ``lithify why-depends A B`` shows.

A path goes over declared edges from chunk to chunk, and over strata where a stratum as a whole is needed: so that ``bash``
needs ``gcc`` by ``bash → stratum core → stratum build-essential → gcc``, once, and not by each of a thousand chunks.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from lithify.graph.model import SystemGraph


class Node(Struct, frozen=True, order=True):
    """A station of a path."""

    kind: Literal["system", "stratum", "chunk"]
    name: str

    def __str__(self) -> str:
        """Return the name, with the kind before it unless it is a chunk."""
        return self.name if self.kind == "chunk" else f"{self.kind} {self.name}"


Path = tuple[Node, ...]


class Paths(Struct, frozen=True, kw_only=True):
    """Paths from one node to another, the shortest first."""

    paths: tuple[Path, ...]
    more: bool
    """Whether there are more than were asked for."""


def find_nodes(graph: SystemGraph, name: str) -> tuple[Node, ...]:
    """Return what ``name`` may mean in a graph: a chunk, a stratum, the system; in this order."""
    found = []
    if name in graph.chunks:
        found.append(Node("chunk", name))
    if name in graph.strata:
        found.append(Node("stratum", name))
    if name == graph.system.name:
        found.append(Node("system", name))
    return tuple(found)


def find_paths(graph: SystemGraph, start: Node, end: Node, *, limit: int = 20) -> Paths:
    """Return up to ``limit`` paths from ``start`` to ``end``, the shortest first, equals in the order of their names."""
    steps = _Steps(graph)
    distance = _distances(steps, (start, False), end)
    queue: list[tuple[int, Path, bool]] = []
    if (start, False) in distance:
        queue.append((distance[start, False], (start,), False))
    found: list[Path] = []
    while queue and len(found) <= limit:
        _, path, inside = heapq.heappop(queue)
        if path[-1] == end and len(path) > 1:
            found.append(path)
            continue
        for state in steps.below((path[-1], inside)):
            if state in distance:
                heapq.heappush(queue, (len(path) + distance[state], (*path, state[0]), state[1]))
    return Paths(paths=tuple(found[:limit]), more=len(found) > limit)


_State = tuple[Node, bool]
"""A node, and whether it was come to as a member of a stratum: what that stratum brings anyway is then no step."""


class _Steps:
    """The steps that a path may take."""

    def __init__(self, graph: SystemGraph) -> None:
        self._graph = graph
        self._staged = {
            name: frozenset(c for c in stratum.chunks if graph.chunks[c].build_mode != "bootstrap")
            for name, stratum in graph.strata.items()
        }

    def below(self, state: _State) -> Iterator[_State]:
        node, inside = state
        if node.kind == "system":
            for name in self._graph.system.strata:
                yield Node("stratum", name), False
        elif node.kind == "stratum":
            for name in self._graph.strata[node.name].build_depends:
                yield Node("stratum", name), False
            for name in self._graph.strata[node.name].chunks:
                if name in self._staged[node.name]:
                    yield Node("chunk", name), True
        else:
            chunk = self._graph.chunks[node.name]
            for name in chunk.build_depends:
                if not inside or name not in self._staged[chunk.stratum]:
                    yield Node("chunk", name), inside
            for name in () if inside else chunk.stratum_depends:
                yield Node("stratum", name), False


def _distances(steps: _Steps, start: _State, end: Node) -> Mapping[_State, int]:
    """Return how many steps it takes from each state that can be come to from ``start`` to ``end``, where it can."""
    above: dict[_State, list[_State]] = {start: []}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        for other in steps.below(state):
            if other not in above:
                above[other] = []
                todo.append(other)
            above[other].append(state)
    distance = {state: 0 for state in ((end, False), (end, True)) if state in above}
    todo = deque(distance)
    while todo:
        state = todo.popleft()
        for other in above[state]:
            if other not in distance:
                distance[other] = distance[state] + 1
                todo.append(other)
    return distance
