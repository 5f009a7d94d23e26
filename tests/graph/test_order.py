from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.graph.order import Cycle, cycles, in_order

relations = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=8
).map(lambda relation: {name: relation.get(name, []) for name in "abcdefgh"})


@settings(deadline=None)
@given(relations)
def test_it_is_an_order_or_a_cycle(relation: dict[str, list[str]]) -> None:
    try:
        found = in_order("abcdefgh", relation.__getitem__)
    except Cycle as cycle:
        ring = (*cycle.names, cycle.names[0])
        assert all(after in relation[before] for before, after in pairwise(ring))
        assert len(set(cycle.names)) == len(cycle.names)
        assert cycles("abcdefgh", relation.__getitem__)[0].names == cycle.names
    else:
        assert sorted(found) == list("abcdefgh")
        assert all(found.index(other) < found.index(name) for name in found for other in relation[name])
        assert cycles("abcdefgh", relation.__getitem__) == ()


def test_equals_stand_as_they_come() -> None:
    below = {"top": ["b", "a"], "a": ["base"], "b": ["base"], "base": []}
    assert in_order(["top"], below.__getitem__) == ("base", "b", "a", "top")


def test_a_cycle_is_the_cycle_and_not_the_way_to_it() -> None:
    below = {"start": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}
    with pytest.raises(Cycle, match="a → b → c → a"):
        in_order(["start"], below.__getitem__)


def test_every_cycle_is_found() -> None:
    below = {"a": ["a"], "b": ["c"], "c": ["b"], "d": []}
    assert [cycle.names for cycle in cycles("abcd", below.__getitem__)] == [("a",), ("b", "c")]


def test_no_chain_is_too_long() -> None:
    end = 50_000
    assert len(in_order(["0"], lambda name: [str(int(name) + 1)] if int(name) < end else [])) == end + 1
