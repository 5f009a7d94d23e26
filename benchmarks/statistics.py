"""Medians, spread, ratios and exponents. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct


class Spread(Struct, frozen=True, kw_only=True):
    """The middle of some numbers, and the ends."""

    median: float
    least: float
    most: float


def spread(numbers: Sequence[float]) -> Spread:
    """Return it; raises :class:`ValueError` where there are none."""
    if not numbers:
        raise ValueError("no numbers")
    return Spread(median=statistics.median(numbers), least=min(numbers), most=max(numbers))


def paired_ratio(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Return how many times ``ours`` fits into ``theirs``, round by round: a busy minute falls on both of a pair.

    Raises :class:`ValueError` where the rounds are not the same number, or one of ours took no time.
    """
    if any(one <= 0 for one in ours):
        raise ValueError("a time that is not positive")
    return spread([them / us for them, us in zip(theirs, ours, strict=True)])


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Return *e* of the curve ``time = c · size^e`` that fits best (least squares of the logarithms).

    1 is linear, 0 does not grow. Raises :class:`ValueError` for fewer than two sizes, or numbers that are not positive.
    """
    if any(number <= 0 for number in (*sizes, *times)):
        raise ValueError("logarithms are of positive numbers")
    pairs = [(math.log(size), math.log(time)) for size, time in zip(sizes, times, strict=True)]
    middle = statistics.fmean(x for x, _ in pairs) if pairs else 0.0
    across = sum((x - middle) ** 2 for x, _ in pairs)
    if across == 0:
        raise ValueError("at least two sizes")
    height = statistics.fmean(y for _, y in pairs)
    return sum((x - middle) * (y - height) for x, y in pairs) / across
