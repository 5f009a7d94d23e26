"""Medians, ratios and exponents are what they are called."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.statistics import exponent, paired_ratio, spread

positive = st.floats(min_value=1e-3, max_value=1e3)


@settings(deadline=None)
@given(st.lists(positive, min_size=1, max_size=20))
def test_a_median_lies_between_the_ends_whatever_the_order(numbers: list[float]) -> None:
    found = spread(numbers)
    assert found.least <= found.median <= found.most
    assert found == spread(numbers[::-1])


def test_the_median_is_no_mean() -> None:
    assert spread([1, 2, 100]).median == 2


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="no numbers"):
        spread([])


@settings(deadline=None)
@given(st.lists(positive, min_size=1, max_size=9), st.floats(min_value=0.1, max_value=50))
def test_a_busy_machine_does_not_change_a_ratio(ours: list[float], times: float) -> None:
    """Each round is slowed down by another factor, both of a pair by the same."""
    slowed = [one * (1 + number) for number, one in enumerate(ours)]
    found = paired_ratio([one * times for one in slowed], slowed)
    assert found.least == pytest.approx(times)
    assert found.most == pytest.approx(times)


def test_ratios_need_pairs_and_time() -> None:
    with pytest.raises(ValueError):
        paired_ratio([1, 2], [1])
    with pytest.raises(ValueError, match="not positive"):
        paired_ratio([1.0], [0.0])


@settings(deadline=None)
@given(
    st.lists(st.integers(min_value=1, max_value=10**6), min_size=2, max_size=6, unique=True),
    st.floats(min_value=-2, max_value=3),
    st.floats(min_value=0.01, max_value=100),
)
def test_the_exponent_of_a_power_law_is_found(sizes: list[int], power: float, factor: float) -> None:
    assert exponent(sizes, [factor * size**power for size in sizes]) == pytest.approx(power, abs=1e-6)


def test_a_constant_part_makes_it_less_than_linear() -> None:
    assert 0 < exponent([10, 100, 1000], [100 + size for size in (10, 100, 1000)]) < 1


@pytest.mark.parametrize(
    ("sizes", "times"), [([10], [1.0]), ([5, 5], [1.0, 2.0]), ([1, 0], [1.0, 1.0]), ([], [])]
)
def test_what_has_no_exponent_is_refused(sizes: list[int], times: list[float]) -> None:
    with pytest.raises(ValueError):
        exponent(sizes, times)
