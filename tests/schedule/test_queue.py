"""What starts next: the longest way first, within what there is room for, and everything in the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from lithify.build.chunk import parallel_jobs
from lithify.errors import Place
from lithify.graph.model import Chunk, Resources
from lithify.schedule.plan import Plan, expected_paths
from lithify.schedule.queue import Capacity, WorkQueue


def plan_of(waits_for: Mapping[str, Sequence[str]]) -> Plan:
    return Plan(
        cached=(),
        to_build=tuple(waits_for),
        waits_for={name: frozenset(below) for name, below in waits_for.items()},
    )


def queue_of(
    waits_for: Mapping[str, Sequence[str]],
    seconds: Mapping[str, float],
    capacity: Capacity,
    needs: Mapping[str, Resources] | None = None,
) -> WorkQueue:
    plan = plan_of(waits_for)
    return WorkQueue(plan, expected_paths(plan, seconds), capacity, needs)


def started(queue: WorkQueue) -> list[str]:
    """Return all that starts now."""
    found = []
    while (name := queue.next()) is not None:
        found.append(name)
    return found


TWO = Capacity(builds=2, processors=2)


def test_the_longest_way_to_the_end_starts_first() -> None:
    queue = queue_of({"a": [], "b": [], "c": [], "end": ["a"]}, {"a": 1, "b": 3, "c": 5, "end": 9}, TWO)
    assert started(queue) == ["a", "c"]
    queue.ended("a", available=True)
    assert started(queue) == ["end"]
    queue.ended("c", available=True)
    assert started(queue) == ["b"]


def test_what_only_waits_for_the_disk_makes_room_and_nothing_that_needs_it_starts() -> None:
    queue = queue_of({"a": [], "b": [], "c": [], "end": ["a"]}, {"a": 5, "b": 4, "c": 3}, TWO)
    assert started(queue) == ["a", "b"]
    queue.makes_room("a")
    assert started(queue) == ["c"]
    queue.makes_room("b")
    assert started(queue) == []
    queue.ended("a", available=True)
    assert started(queue) == ["end"]
    queue.ended("b", available=True)
    queue.ended("c", available=True)
    assert started(queue) == []


def test_equal_ways_start_in_build_order() -> None:
    queue = queue_of({"z": [], "y": [], "x": []}, {}, Capacity(builds=3, processors=3))
    assert started(queue) == ["z", "y", "x"]


def test_what_waits_for_a_failure_never_starts() -> None:
    queue = queue_of({"a": [], "b": ["a"], "c": []}, {}, TWO)
    assert started(queue) == ["a", "c"]
    queue.ended("a", available=False)
    queue.ended("c", available=True)
    assert started(queue) == []


def test_what_failed_may_be_tried_again() -> None:
    queue = queue_of({"a": [], "b": ["a"]}, {}, TWO)
    assert started(queue) == ["a"]
    queue.ended("a", available=False)
    queue.again("a")
    assert started(queue) == ["a"]
    queue.ended("a", available=True)
    assert started(queue) == ["b"]


def test_what_has_no_room_can_be_looked_at_once_meanwhile() -> None:
    queue = queue_of(
        {"a": [], "b": [], "c": [], "end": ["b"]},
        {"a": 9, "b": 3, "c": 1, "end": 1},
        Capacity(builds=1, processors=1),
    )
    assert started(queue) == ["a"]
    assert queue.set_aside() == ["b", "c"]
    queue.ended("b", available=True)
    assert queue.set_aside() == ["end"]
    queue.again("c")
    queue.again("end")
    assert queue.set_aside() == []
    queue.ended("a", available=True)
    assert started(queue) == ["c"]
    queue.ended("c", available=True)
    assert started(queue) == ["end"]


def test_a_chunk_waits_until_there_is_memory_for_it() -> None:
    needs = {"big": Resources(memory=6), "small": Resources(memory=5)}
    capacity = Capacity(builds=4, processors=4, memory=10)
    queue = queue_of({"big": [], "small": [], "tiny": []}, {"big": 9, "small": 5, "tiny": 1}, capacity, needs)
    assert started(queue) == ["big"], "small does not fit, and tiny does not overtake it"
    queue.ended("big", available=True)
    assert started(queue) == ["small", "tiny"]


def test_a_chunk_that_needs_more_than_there_is_runs_alone() -> None:
    needs = {"huge": Resources(memory=100, jobs=64)}
    capacity = Capacity(builds=4, processors=4, memory=10)
    queue = queue_of({"small": [], "huge": []}, {"small": 9, "huge": 1}, capacity, needs)
    assert started(queue) == ["small"]
    queue.ended("small", available=True)
    assert started(queue) == ["huge"]


def test_what_can_use_many_processors_leaves_none_to_others() -> None:
    needs = {"wide": Resources(jobs=3)}
    queue = queue_of(
        {"wide": [], "a": [], "b": []}, {"wide": 9, "a": 2, "b": 1}, Capacity(builds=3, processors=4), needs
    )
    assert started(queue) == ["wide", "a"]
    queue.ended("a", available=True)
    assert started(queue) == ["b"]


def test_more_builds_than_processors_are_the_users_choice() -> None:
    queue = queue_of({name: [] for name in "abcd"}, {}, Capacity(builds=4, processors=1))
    assert started(queue) == [*"abcd"]


def chunk(**more: object) -> Chunk:
    return Chunk(name="x", stratum="s", file="f", place=Place("f"), arch="x86_64", **more)  # type: ignore[arg-type]


def test_make_gets_no_more_jobs_than_a_chunk_can_use() -> None:
    assert parallel_jobs(chunk(), 8) == 8
    assert parallel_jobs(chunk(resources=Resources(jobs=3)), 8) == 3
    assert parallel_jobs(chunk(resources=Resources(jobs=16)), 8) == 8
    assert parallel_jobs(chunk(max_jobs=1, resources=Resources(jobs=4)), 8) == 1
    assert parallel_jobs(chunk(max_jobs=12), 8) == 12


@st.composite
def works(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, Resources], Capacity]:
    names = [f"c{number}" for number in range(draw(st.integers(1, 10)))]
    waits_for = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    amounts = st.none() | st.integers(1, 12)
    needs = {name: Resources(memory=draw(amounts), jobs=draw(amounts)) for name in names}
    capacity = Capacity(
        builds=draw(st.integers(1, 4)),
        processors=draw(st.integers(1, 4)),
        memory=draw(st.none() | st.just(10)),
    )
    return waits_for, needs, capacity


@given(works(), st.randoms(use_true_random=False))
def test_everything_is_built_once_after_what_it_needs_and_within_the_limits(
    work: tuple[dict[str, list[str]], dict[str, Resources], Capacity], random: object
) -> None:
    waits_for, needs, capacity = work
    queue = queue_of(waits_for, {}, capacity, needs)
    running: list[str] = []
    done: list[str] = []
    while len(done) < len(waits_for):
        running += started(queue)
        aside = queue.set_aside() if random.random() < 0.5 else []  # type: ignore[attr-defined]
        for name in aside:
            assert set(waits_for[name]) <= set(done)
            if random.random() < 0.5:  # type: ignore[attr-defined]
                queue.ended(name, available=True)  # an equal build was there
                done.append(name)
            else:
                queue.again(name)
        running += started(queue)
        if len(done) == len(waits_for):
            break
        assert running, "there is always something that may run"
        assert len(running) <= capacity.builds
        if capacity.memory is not None and len(running) > 1:
            assert sum(needs[name].memory or 0 for name in running) <= capacity.memory
        assert all(set(waits_for[name]) <= set(done) for name in running)
        ended = running.pop(random.randrange(len(running)))  # type: ignore[attr-defined]
        queue.ended(ended, available=True)
        done.append(ended)
    assert sorted(done) == sorted(waits_for)


def test_time_to_choose_grows_with_the_edges() -> None:
    """A thousand chunks, each on the ten before it, take a thousandth of a million looks."""

    def processor_time(count: int) -> float:
        names = [f"c{number:05}" for number in range(count)]
        waits_for = {name: names[max(0, index - 10) : index] for index, name in enumerate(names)}
        queue = queue_of(waits_for, {}, TWO)
        began = time.process_time()
        while (name := queue.next()) is not None:
            queue.ended(name, available=True)
        return time.process_time() - began

    small, big = (min(processor_time(count) for _ in range(3)) for count in (1000, 8000))
    assert big < 8 * 4 * small, "eight times as many, not sixty-four times as long"
