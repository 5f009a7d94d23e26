"""A picture of measured growth as SVG, one panel a growth, both axes logarithmic. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.statistics import spread

PANEL, PLOT, LEFT, TOP = 400, 250, 60, 60
"""Width of a panel, side of its plot, and where that begins, in pixels."""
COLOURS = ("#1f6fb4", "#c8502d", "#2f8a4c", "#7d55a8")


def growth_svg(growths: Sequence[Mapping[str, Any]]) -> str:
    """Return the picture; ``growths`` are as results have them. The same numbers give the same bytes."""
    entries = max((len(one["series"]) for one in growths), default=0)
    width, height = PANEL * len(growths), TOP + PLOT + 50 + 18 * entries
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, growth in enumerate(growths):
        parts += [f'<g transform="translate({number * PANEL} 0)">', *_panel(growth), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def decades(numbers: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten between which all numbers lie; at least one decade."""
    first = math.floor(math.log10(min(numbers)))
    return first, max(math.ceil(math.log10(max(numbers))), first + 1)


def along(number: float, ends: tuple[int, int]) -> float:
    """Return where a number lies between two powers of ten: 0 at the first, 1 at the last."""
    return (math.log10(number) - ends[0]) / (ends[1] - ends[0])


def _panel(growth: Mapping[str, Any]) -> list[str]:
    medians = [[spread(one).median for one in series["seconds"]] for series in growth["series"]]
    across = decades(growth["sizes"])
    up = decades([one for series in medians for one in series])
    title = f"seconds, by number of {growth['name']}"
    parts = [f'<text x="{LEFT}" y="{TOP - 24}" font-size="14">{escape(title)}</text>']
    for power in range(across[0], across[1] + 1):
        x = _x(10.0**power, across)
        parts.append(
            f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{TOP + PLOT}" stroke="#ddd"/>'
            f'<text x="{x}" y="{TOP + PLOT + 16}" text-anchor="middle">{10**power:,}</text>'
        )
    for power in range(up[0], up[1] + 1):
        y = _y(10.0**power, up)
        parts.append(
            f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + PLOT}" y2="{y}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{10.0**power:g}</text>'
        )
    for number, (series, middles) in enumerate(zip(growth["series"], medians, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        points = [
            (_x(size, across), _y(middle, up)) for size, middle in zip(growth["sizes"], middles, strict=True)
        ]
        line = " ".join(f"{x},{y}" for x, y in points)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points)
        y = TOP + PLOT + 44 + 18 * number
        name = escape(f"{series['name']}: exponent {series['exponent']:.2f}")
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}',
            f'<circle cx="{LEFT + 10}" cy="{y - 4}" r="4" fill="{colour}"/>',
            f'<text x="{LEFT + 26}" y="{y}">{name}</text>',
        ]
    return parts


def _x(number: float, ends: tuple[int, int]) -> float:
    return round(LEFT + PLOT * along(number, ends), 1)


def _y(number: float, ends: tuple[int, int]) -> float:
    return round(TOP + PLOT * (1 - along(number, ends)), 1)
