"""What a cache gives up, as laws: the cheapest first, never what is kept, and no less for a smaller limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lithify.schedule.eviction import Holding, alone, cheapest_first, evict, shares_of

SIZES = st.lists(st.integers(1, 1000), min_size=1, max_size=12)


@st.composite
def caches(draw: st.DrawFn) -> tuple[list[Holding], list[int]]:
    """Return holdings that share files, and the sizes of the files; each file is somebody's."""
    sizes = draw(SIZES)
    count = draw(st.integers(1, 6))
    parts: list[set[int]] = [set() for _ in range(count)]
    for part in range(len(sizes)):
        for owner in draw(st.sets(st.integers(0, count - 1), min_size=1)):
            parts[owner].add(part)
    holdings = [
        Holding(
            kind="build",
            name=f"n{number}",
            place=f"{number}",
            parts=sorted(parts[number]),
            seconds=draw(st.integers(0, 100)),
            made_at=draw(st.integers(0, 3)),
            kept_by=draw(st.sampled_from(["", "", "system"])),
            young=draw(st.booleans()),
        )
        for number in range(count)
    ]
    return holdings, sizes


def held(holdings: list[Holding], sizes: list[int]) -> int:
    """Return the bytes of the files that any of them holds: a plain second way to count."""
    return sum(sizes[part] for part in {part for holding in holdings for part in holding.parts})


@given(caches(), st.integers(0, 13_000), st.booleans(), st.integers(0, 50))
def test_the_limit_is_kept_or_all_that_frees_anything_is_gone(
    cache: tuple[list[Holding], list[int]], limit: int, sweep: bool, fixed: int
) -> None:
    holdings, sizes = cache
    found = evict(holdings, sizes, fixed=fixed, limit=limit, sweep=sweep)
    stays = [holding for holding in holdings if holding not in found.gone]
    assert found.left == fixed + held(stays, sizes)
    assert found.freed == held(holdings, sizes) - held(stays, sizes)
    if found.left > limit:
        assert held(stays, sizes) == held([one for one in holdings if one.kept_by], sizes)


@given(caches(), st.none() | st.integers(0, 13_000), st.booleans())
def test_nothing_that_is_kept_goes_and_nothing_goes_twice(
    cache: tuple[list[Holding], list[int]], limit: int | None, sweep: bool
) -> None:
    found = evict(*cache, fixed=0, limit=limit, sweep=sweep)
    places = [holding.place for holding in found.gone]
    assert len(places) == len(set(places))
    assert not any(holding.kept_by for holding in found.gone)
    assert limit is not None or sweep or not found.gone


@given(caches(), st.integers(0, 13_000), st.integers(0, 13_000), st.booleans())
def test_a_smaller_limit_takes_what_a_larger_one_takes_and_perhaps_more(
    cache: tuple[list[Holding], list[int]], one: int, other: int, sweep: bool
) -> None:
    more = evict(*cache, fixed=0, limit=min(one, other), sweep=sweep)
    fewer = evict(*cache, fixed=0, limit=max(one, other), sweep=sweep)
    assert more.gone[: len(fewer.gone)] == fewer.gone
    assert more.freed >= fewer.freed


@given(caches(), st.integers(0, 13_000))
def test_what_goes_costs_no_more_for_a_byte_than_what_might_have_gone_instead(
    cache: tuple[list[Holding], list[int]], limit: int
) -> None:
    holdings, sizes = cache
    gone = evict(holdings, sizes, fixed=0, limit=limit, sweep=False).gone
    share = shares_of(holdings, sizes)
    costs = [holding.seconds / share[holding.place] for holding in gone]
    assert costs == sorted(costs)
    others = [one for one in holdings if one not in gone and not one.kept_by and share[one.place]]
    assert all(one.seconds / share[one.place] >= max(costs, default=0) for one in others)


@given(caches())
def test_a_file_counts_once_however_many_hold_it(cache: tuple[list[Holding], list[int]]) -> None:
    holdings, sizes = cache
    kept = [holding for holding in holdings if holding.kept_by]
    counted = sum(shares_of(holdings, sizes).values())
    assert round(counted, 6) == held(holdings, sizes) - held(kept, sizes)


@given(caches())
def test_what_one_frees_alone_is_what_is_gone_without_it(cache: tuple[list[Holding], list[int]]) -> None:
    holdings, sizes = cache
    for holding in holdings:
        rest = [one for one in holdings if one is not holding]
        assert alone(holdings, sizes)[holding.place] == held(holdings, sizes) - held(rest, sizes)


def test_a_large_file_that_is_quickly_made_goes_before_a_small_one_that_takes_long() -> None:
    quick = Holding(kind="build", name="quick", place="q", parts=[0], seconds=5, made_at=9)
    slow = Holding(kind="build", name="slow", place="s", parts=[1], seconds=5, made_at=1)
    assert cheapest_first([slow, quick], [1000, 10]) == [quick, slow]
    assert evict([slow, quick], [1000, 10], fixed=0, limit=100, sweep=False).gone == (quick,)
