"""What a build has to do, and what to start first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from lithify.errors import Place
from lithify.graph.keys import Keys, definition_keys
from lithify.graph.model import Chunk, Stratum, System, SystemGraph
from lithify.schedule.plan import Plan, expected_paths, plan_chunks, time_left


def keys_of(depends: Mapping[str, Sequence[str]]) -> Keys:
    """Return the keys of a system whose one stratum has these chunks, each listed after what it needs."""
    place = Place("strata/s.morph")
    chunks = {
        name: Chunk(name=name, stratum="s", file="s", place=place, arch="x86_64", build_depends=tuple(below))
        for name, below in depends.items()
    }
    graph = SystemGraph(
        format=9,
        system=System(name="sys", file="systems/sys.morph", place=place, arch="x86_64"),
        strata={"s": Stratum(name="s", file="strata/s.morph", place=place, chunks=tuple(depends))},
        chunks=chunks,
        needed=frozenset(depends),
    )
    return definition_keys(graph, {})


CHAIN = {"a": [], "b": ["a"], "c": ["b"], "alone": []}


def test_what_a_cached_chunk_needs_is_not_asked_for() -> None:
    plan = plan_chunks(keys_of(CHAIN), ["c", "alone"], lambda name: name == "c")
    assert plan.cached == ("c",)
    assert plan.to_build == ("alone",)


def test_everything_below_a_missing_chunk_is_asked_for() -> None:
    plan = plan_chunks(keys_of(CHAIN), ["c"], lambda name: name == "a")
    assert plan.cached == ("a",)
    assert plan.to_build == ("b", "c")
    assert plan.waits_for == {"b": frozenset(), "c": frozenset({"b"})}


def test_the_longest_way_to_the_end_starts_first() -> None:
    plan = plan_chunks(keys_of(CHAIN), ["c", "alone"], lambda name: False)
    paths = expected_paths(plan, {"a": 1.0, "b": 5.0, "c": 1.0, "alone": 6.0})
    assert paths == {"a": 7.0, "b": 6.0, "c": 1.0, "alone": 6.0}


def test_a_chunk_never_built_counts_as_the_mean() -> None:
    plan = Plan(cached=(), to_build=("x", "y"), waits_for={"x": frozenset(), "y": frozenset()})
    assert expected_paths(plan, {"x": 4.0})["y"] == 4.0
    assert expected_paths(plan, {})["y"] == 1.0


def test_what_is_left_is_the_longest_chain_or_all_of_it_shared() -> None:
    paths = {"a": 7.0, "b": 6.0, "c": 1.0, "alone": 6.0}
    remaining = {"a": 1.0, "b": 5.0, "c": 1.0, "alone": 6.0}
    assert time_left(remaining, paths, {}, jobs=1) == 13.0
    assert time_left(remaining, paths, {}, jobs=8) == 7.0
    assert time_left(remaining, paths, {"a": 0.5, "alone": 2.0}, jobs=8) == 6.5
    assert time_left({"c": 1.0}, paths, {"c": 90.0}, jobs=2) == 0.0
    assert time_left({}, paths, {}, jobs=2) == 0.0


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, list[str]], set[str]]:
    names = [f"c{number}" for number in range(draw(st.integers(1, 8)))]
    depends = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    return depends, draw(st.sets(st.sampled_from(names)))


@given(graphs())
def test_a_plan_is_complete_and_can_be_carried_out(drawn: tuple[dict[str, list[str]], set[str]]) -> None:
    depends, cached = drawn
    plan = plan_chunks(keys_of(depends), depends, lambda name: name in cached)
    assert set(plan.to_build) == set(depends) - cached
    there = set(plan.cached)
    for name in plan.to_build:
        assert plan.waits_for[name] <= there
        assert set(depends[name]) <= there
        there.add(name)
