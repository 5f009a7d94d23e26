"""The performance page and its picture, made of the newest results that are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import RESULTS, shown_seconds
from benchmarks.growth import ABOVE, STAGED, TRIVIAL
from benchmarks.plot import growth_svg
from benchmarks.statistics import paired_ratio, spread

PICTURE = "performance-growth.svg"
_HEAD = """\
# Performance

<!-- Made by script/docs from benchmarks/results/ by docs/generator/performance.py. -->

What lithify takes, beside the programs that do the same work, measured by `script/bench`
([how](../benchmarks/README.md)). All of a row is measured in one run, each program in turn, round by round, so that what
else the machine does falls on all alike. Read the ratios: they are medians of the rounds' ratios; seconds are medians, with
the shortest and the longest round. Processor time is what the machine did for it, the inside of sandboxes left out: it
hardly depends on what else the machine does.
"""
_NOT_YET = "Nothing has been measured yet: `script/bench --keep`."
_STAGING = f"""\
*{ABOVE.capitalize()}*: the command that builds {TRIVIAL} of them, by their number; all below them is pinned to git commits.
*{STAGED.capitalize()}*: from when its turn comes until its first command starts, the median of the {TRIVIAL}; what a command
looks at once, before or in its first chunks, is in the former alone.
"""
_NAMES = {"lithify": "lithify", "buildstream": "BuildStream", "nix": "Nix"}


def performance_page(folder: Path = RESULTS) -> str:
    """Return the page."""
    parts = [_HEAD]
    compared, measured, growth = (newest(folder, part) for part in ("rows", "figures", "growth"))
    if compared:
        parts += ["## Side by side\n", _conditions(compared), _compared(compared)]
    if measured:
        parts += ["## lithify alone\n", _conditions(measured), _figures(measured)]
    if growth:
        parts += ["## Growth\n", _conditions(growth), f"![growth]({PICTURE})\n", _growth(growth)]
    if len(parts) == 1:
        parts.append(_NOT_YET + "\n")
    return "\n".join(parts)


def performance_picture(folder: Path = RESULTS) -> str:
    """Return the picture of growth."""
    results = newest(folder, "growth")
    return growth_svg(results["growth"] if results else [])


def newest(folder: Path, part: str) -> Mapping[str, Any] | None:
    """Return the results with this part whose date is the last, by name where there are several; None where none has any."""
    loaded = [(path.name, json.loads(path.read_text())) for path in folder.glob("*.json")]
    found = sorted((one["date"], name) for name, one in loaded if one.get(part))
    return dict(loaded)[found[-1][1]] if found else None


def _conditions(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    before, after = machine["load"][0], results["load-after"][0]
    versions = ", ".join(
        f"{_NAMES[name]} {version}"
        for name, version in results.get("versions", {"lithify": results["lithify"]}).items()
    )
    text = (
        f"{results['date']}, {versions}; {machine['processors']} processors ({machine['processor']}),"
        f" {machine['memory-GiB']:g} GiB, kernel {machine['kernel']}, Python {machine['python']};"
        f" load average {before:g} before and {after:g} after.\n"
    )
    workload = results.get("workload")
    if workload:
        text += (
            f"\n{workload['chunks']} chunks out of {workload['packages']} Debian packages:"
            f" {workload['files']:,} files, {workload['size'] / 1e9:.2f} GB; {results['rounds']} rounds.\n"
        )
    return text


def _compared(results: Mapping[str, Any]) -> str:
    names = list(results["versions"])
    lines = [
        "| work | "
        + " | ".join(_NAMES[name] for name in names)
        + " | others ÷ lithify | the same, processor time | goal |",
        "|---|" + "---|" * (len(names) + 3),
    ]
    notes = []
    for row in results["rows"]:
        cells = [_seconds(row, name) for name in names]
        lines.append(
            f"| {row['title']} | "
            + " | ".join([*cells, _ratios(row, "seconds"), _ratios(row, "processor"), _goal(row)])
            + " |"
        )
        notes += [f"- {_NAMES[name]}, {row['title']}: {why}." for name, why in row["refused"].items()]
    if notes:
        notes = ["", "A dash is what a program cannot do:", "", *notes]
    return "\n".join([*lines, *notes]) + "\n"


def _seconds(row: Mapping[str, Any], name: str) -> str:
    if name not in row["seconds"]:
        return "–"
    found = spread(row["seconds"][name])
    each = f"; {found.median / row['each'] * 1000:.0f} ms each" if row["each"] > 1 else ""
    return f"**{found.median:.2f} s** ({found.least:.2f}–{found.most:.2f}{each})"


def _ratios(row: Mapping[str, Any], what: str) -> str:
    ours = row[what]["lithify"]
    ratios = [(name, paired_ratio(took, ours)) for name, took in row[what].items() if name != "lithify"]
    return ", ".join(
        f"{_NAMES[name]} **{ratio.median:.1f}** ({ratio.least:.1f}–{ratio.most:.1f})"
        for name, ratio in ratios
    )


def _goal(row: Mapping[str, Any]) -> str:
    ratios = [f"{_NAMES[name]} ÷ lithify ≥ {goal:g}" for name, goal in row["goal-ratios"].items()]
    return "; ".join([f"≤ {row['goal']:g} s", *ratios])


def _figures(results: Mapping[str, Any]) -> str:
    lines = ["| work | median | shortest | longest | processor time | goal |", "|---|---|---|---|---|---|"]
    for one in results["figures"]:
        digits, unit = (3, one["unit"]) if one["unit"] == "s" else (0, one["unit"])
        numbers = [f"{one[name]:.{digits}f} {unit}" for name in ("median", "least", "most")]
        goal = "" if one["goal"] is None else f"≤ {one['goal']:g} {unit}"
        processor = f"{spread(one['processor']).median:.3f} s" if one.get("processor") else ""
        lines.append("| " + " | ".join([one["name"], *numbers, processor, goal]) + " |")
    return "\n".join(lines) + "\n"


def _growth(results: Mapping[str, Any]) -> str:
    lines = [
        "Medians in seconds. An exponent of 1 is linear; 0 is no growth: staging must not grow with what is staged.\n"
    ]
    measured = {series["name"] for growth in results["growth"] for series in growth["series"]}
    if STAGED in measured:  # older results have trivial chunks on top of folders, and how long all took
        lines.append(_STAGING)
    for growth in results["growth"]:
        sizes: Sequence[int] = growth["sizes"]
        lines += [
            f"| {growth['name']} | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent | goal |",
            "|---|" + "---|" * (len(sizes) + 2),
        ]
        for series in growth["series"]:
            medians = [shown_seconds(spread(one).median) for one in series["seconds"]]
            goal = "" if series["bound"] is None else f"≤ {series['bound']:g}"
            lines.append(
                "| " + " | ".join([series["name"], *medians, f"{series['exponent']:.2f}", goal]) + " |"
            )
        lines.append("")
    return "\n".join(lines)
