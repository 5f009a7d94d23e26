"""What a cache gives up, decided on plain data: what nothing keeps, and then what is cheapest to have again. Pure.

A file that several builds hold counts for each of them in equal parts, and for none of them where one that is kept holds it
too. For the sake of a limit nothing goes that frees nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

HoldingKind = Literal["build", "git mirror", "archive", "Debian package", "definitions"]


class Holding(Struct, frozen=True, kw_only=True):
    """Something in the cache that can be given up, and what it takes to have it again."""

    kind: HoldingKind
    name: str
    place: str
    """What tells it from all others: a build's definition key, or a path below the cache folder."""
    parts: Sequence[int]
    """Files that go with it, each once, as indices of their sizes."""
    seconds: float
    """How long it takes to have it again."""
    made_at: float
    """Seconds since 1970."""
    kept_by: str = ""
    """Why it stays whatever the size of the cache; empty where it may go."""
    young: bool = False
    """Whether it stays unless a limit asks for more."""


class Eviction(Struct, frozen=True, kw_only=True):
    """What goes, and what that does."""

    gone: tuple[Holding, ...]
    """In the order in which it was chosen."""
    frees: tuple[int, ...]
    """Bytes that each of it frees when what comes before it is gone."""
    left: int
    """Bytes of all that stays."""

    @property
    def freed(self) -> int:
        """Bytes that all of it frees."""
        return sum(self.frees)

    @property
    def seconds(self) -> float:
        """How long it takes to have all of it again."""
        return sum(holding.seconds for holding in self.gone)


def unkept(holdings: Sequence[Holding]) -> list[Holding]:
    """Return what nothing keeps, neither a name nor its age; the oldest first."""
    found = [holding for holding in holdings if not holding.kept_by and not holding.young]
    return sorted(found, key=lambda holding: (holding.made_at, holding.name, holding.place))


def cheapest_first(holdings: Sequence[Holding], sizes: Sequence[int]) -> list[Holding]:
    """Return what may go and frees something, by the seconds that having it again takes for each byte that it frees."""
    shares = shares_of(holdings, sizes)
    costs = {
        holding.place: holding.seconds / shares[holding.place]
        for holding in holdings
        if not holding.kept_by and shares[holding.place]
    }
    found = [holding for holding in holdings if holding.place in costs]
    return sorted(found, key=lambda holding: (costs[holding.place], holding.made_at, holding.place))


def shares_of(holdings: Sequence[Holding], sizes: Sequence[int]) -> Mapping[str, float]:
    """Return the bytes that count for each holding, by its place: files shared in equal parts, kept ones for nobody."""
    holders = _holders(holdings, len(sizes))
    for holding in holdings:
        if holding.kept_by:
            for part in holding.parts:
                holders[part] = 0
    return {
        holding.place: sum(sizes[part] / holders[part] for part in holding.parts if holders[part])
        for holding in holdings
    }


def evict(
    holdings: Sequence[Holding], sizes: Sequence[int], *, fixed: int, limit: int | None, sweep: bool
) -> Eviction:
    """Return what goes: with ``sweep`` all that nothing keeps, then the cheapest until no more than ``limit`` bytes are left.

    ``fixed`` are the bytes in the cache that belong to no holding.
    """
    holders = _holders(holdings, len(sizes))
    left = fixed + sum(size for size, count in zip(sizes, holders, strict=True) if count)
    gone: dict[str, Holding] = {}
    frees: list[int] = []
    swept = unkept(holdings) if sweep else []
    waiting = [*swept, *(cheapest_first(holdings, sizes) if limit is not None else ())]
    for number, holding in enumerate(waiting):
        if number >= len(swept) and (limit is None or left <= limit):
            break
        if holding.place in gone:
            continue
        gone[holding.place] = holding
        for part in holding.parts:
            holders[part] -= 1
        frees.append(sum(sizes[part] for part in holding.parts if not holders[part]))
        left -= frees[-1]
    return Eviction(gone=tuple(gone.values()), frees=tuple(frees), left=left)


def alone(holdings: Sequence[Holding], sizes: Sequence[int]) -> Mapping[str, int]:
    """Return the bytes that each holding would free if it alone went, by its place."""
    holders = _holders(holdings, len(sizes))
    return {
        holding.place: sum(sizes[part] for part in holding.parts if holders[part] == 1)
        for holding in holdings
    }


def _holders(holdings: Sequence[Holding], count: int) -> list[int]:
    """Return for each file how many hold it."""
    holders = [0] * count
    for holding in holdings:
        for part in holding.parts:
            holders[part] += 1
    return holders
