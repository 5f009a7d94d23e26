"""Runs the measurements; prints a table, or JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.demo import demo
from benchmarks.figures import HEADER, Figure, keep, line, machine, report
from benchmarks.merging import merging

PARTS = ("merge", "demo")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Measure a build with nothing to do, a configuration edit up to the image, and the merge of many trees.",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--trees", type=int, default=100, help="how many trees are merged (default: 100)")
    parser.add_argument(
        "--cachedir", type=Path, help="the cache that the demo is built in (default: lithify's own)"
    )
    parser.add_argument("--only", choices=PARTS, help="leave the other out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--keep", action="store_true", help="also write it to benchmarks/results/")
    options = parser.parse_args()

    parts = (options.only,) if options.only else PARTS
    conditions = machine()
    shown = sys.stderr if options.json else sys.stdout
    print(", ".join(f"{name} {value}" for name, value in conditions.items()), file=shown)
    print(HEADER, file=shown)
    figures = []
    for figure in _figures(options, parts):
        figures.append(figure)
        print(line(figure), file=shown, flush=True)
    results = report(figures, conditions)
    if options.json:
        print(json.dumps(results, indent=2))
    if options.keep:
        print(f"kept in {keep(results, parts).relative_to(Path.cwd())}", file=sys.stderr)


def _figures(options: argparse.Namespace, parts: tuple[str, ...]) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="lithify-bench-") as folder:
        if "merge" in parts:
            yield merging(Path(folder), options.trees, options.rounds)
        if "demo" in parts:
            cache = options.cachedir and options.cachedir.absolute()
            yield from demo(Path(folder), options.rounds, cache)


if __name__ == "__main__":
    main()
