"""What a build has to do: which chunks are there, which must be made, in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from lithify.graph.keys import Keys


class Plan(Struct, frozen=True, kw_only=True):
    """What a build is going to do."""

    cached: tuple[str, ...]
    """Chunks that are wanted and in the store."""
    to_build: tuple[str, ...]
    """Chunks that are not, in build order; some of them may turn out to be equal to an earlier build."""
    waits_for: Mapping[str, frozenset[str]]
    """Chunk to build → those of ``to_build`` that it stages."""


def plan_chunks(keys: Keys, wanted: Iterable[str], is_cached: Callable[[str], bool]) -> Plan:
    """Return the plan that makes ``wanted`` available: what a cached chunk depends on is not asked for."""
    cached: set[str] = set()
    missing: dict[str, frozenset[str]] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in cached or name in missing:
            continue
        if is_cached(name):
            cached.add(name)
            continue
        dependencies = frozenset(member for group in keys.staged(name) for member in group.chunks)
        missing[name] = dependencies
        waiting.extend(dependencies)
    graph = keys.graph
    order = [name for name in graph.chunks if name in missing]
    return Plan(
        cached=tuple(name for name in graph.chunks if name in cached),
        to_build=tuple(order),
        waits_for={name: missing[name] & missing.keys() for name in order},
    )


def expected_paths(plan: Plan, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return, for each chunk to build, the seconds from its start to the end of all that waits for it.

    ``seconds`` are earlier timings; a chunk that was never built counts as the mean of those that were.
    """
    known = [seconds[name] for name in plan.to_build if name in seconds]
    usual = sum(known) / len(known) if known else 1.0
    longest_after: dict[str, float] = dict.fromkeys(plan.to_build, 0.0)
    paths: dict[str, float] = {}
    for name in reversed(plan.to_build):
        paths[name] = seconds.get(name, usual) + longest_after[name]
        for dependency in plan.waits_for[name]:
            longest_after[dependency] = max(longest_after[dependency], paths[name])
    return paths


def time_left(
    remaining: Mapping[str, float], paths: Mapping[str, float], ran: Mapping[str, float], jobs: int
) -> float:
    """Return the seconds until all is done: at least the longest chain, and at least all of it shared among the jobs.

    ``remaining``: chunks that wait or run → how long they take; ``paths``: see :func:`expected_paths`; ``ran``: those that
    run → for how long already.
    """
    chains = [paths[name] - min(ran.get(name, 0.0), seconds) for name, seconds in remaining.items()]
    work = sum(seconds - min(ran.get(name, 0.0), seconds) for name, seconds in remaining.items())
    return max([*chains, work / max(jobs, 1)], default=0.0)
