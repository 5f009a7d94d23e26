"""The comparison: what is measured of each program, in turn, so that what else the machine does falls on all alike."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from benchmarks.contenders import Contender
from benchmarks.statistics import Spread, paired_ratio, spread


class Row(Struct, frozen=True, kw_only=True):
    """A row of the table."""

    name: str
    """The contenders' method."""
    title: str
    goal: float
    """Seconds that lithify is to stay below, on an idle machine of two processors."""
    ratios: Mapping[str, float]
    """Contender → how many times faster lithify is to be."""
    each: int = 1
    """How many things are done; times are shown for one as well."""
    makes_files: bool = False
    """Whether it is measured first: tens of thousands of files are made, which is slow for some minutes after as many were
    removed; see :meth:`Contender.put_away`."""


ROWS = (
    Row(
        name="nothing",
        title="a build with nothing to do (102 chunks), whole process",
        goal=0.2,
        ratios={"buildstream": 20},
    ),
    Row(
        name="changed",
        title="one small chunk changed → new system, `ldconfig` included, whole process",
        goal=0.6,
        ratios={"buildstream": 12},
    ),
    Row(
        name="trivial",
        title="30 trivial chunks on top of 102 dependencies, whole process",
        goal=1.3,
        ratios={"buildstream": 60, "nix": 1},
        each=30,
    ),
    Row(
        name="take",
        title="take 100 chunk trees into an empty store",
        goal=8,
        ratios={},
        makes_files=True,
    ),
    Row(name="check_out", title="check out the whole system", goal=1.5, ratios={}, makes_files=True),
)

Say = Callable[[str], None]


def compare(
    contenders: Sequence[Contender], rows: Sequence[Row], rounds: int, say: Say
) -> list[dict[str, Any]]:
    """Return the rows as JSON has them: row by row, in each all contenders in turn, round by round."""
    seconds: dict[str, dict[str, list[float]]] = {row.name: {} for row in rows}
    processor: dict[str, dict[str, list[float]]] = {row.name: {} for row in rows}
    loads: dict[str, list[float]] = {row.name: [] for row in rows}
    base = int(time.time())
    for row in sorted(rows, key=lambda row: not row.makes_files):
        for number in range(rounds):
            loads[row.name].append(round(os.getloadavg()[0], 2))
            for contender in contenders:
                if row.name in contender.refused:
                    continue
                took = getattr(contender, row.name)(base + number)
                seconds[row.name].setdefault(contender.name, []).append(took)
                processor[row.name].setdefault(contender.name, []).append(contender.processor)
                say(f"round {number + 1} of {rounds}: {row.name:<10} {contender.name:<12} {took:8.3f} s")
    return [
        {
            **_result(row, seconds[row.name], loads[row.name], contenders),
            "processor": _rounded(processor[row.name]),
        }
        for row in rows
    ]


def _rounded(seconds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: [round(one, 4) for one in took] for name, took in seconds.items()}


def _result(
    row: Row, seconds: Mapping[str, Sequence[float]], loads: Sequence[float], contenders: Sequence[Contender]
) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "each": row.each,
        "goal": row.goal,
        "goal-ratios": dict(row.ratios),
        "seconds": _rounded(seconds),
        "refused": {one.name: one.refused[row.name] for one in contenders if row.name in one.refused},
        "load": list(loads),
    }


def table(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return compared rows as lines of text: medians, spread, and how many times longer the others took."""
    lines = []
    for result in results:
        lines.append(f"{result['title']} (goal {result['goal']:g} s)")
        for name in names:
            took = result["seconds"].get(name)
            if took is None:
                why = result["refused"].get(name)
                lines += [f"  {name:<12} cannot: {why}"] if why else []
                continue
            lines.append(f"  {name:<12} {shown_spread(spread(took))}{_ratio(result, name)}".rstrip())
    return lines


def shown_spread(one: Spread) -> str:
    """Return a median with the least and the most."""
    return f"{one.median:8.3f} s ({one.least:.3f} to {one.most:.3f})"


def _ratio(result: Mapping[str, Any], name: str) -> str:
    ours = result["seconds"].get("lithify")
    if name == "lithify" or not ours:
        return ""
    ratio = paired_ratio(result["seconds"][name], ours)
    goal = result["goal-ratios"].get(name)
    wanted = "" if goal is None else f", goal {goal:g}"
    return f"   {ratio.median:.1f} times lithify's ({ratio.least:.1f} to {ratio.most:.1f}{wanted})"


def progress(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)
