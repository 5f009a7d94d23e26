"""Runs the measurements; prints tables, or JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS, PUT_AWAY, Contender, remove
from benchmarks.demo import demo
from benchmarks.figures import HEADER, Figure, keep, line, machine, report
from benchmarks.growth import GROWTHS, grown, growth_lines
from benchmarks.merging import merging, merging_real
from benchmarks.projects import write_projects
from benchmarks.reading import CORPUS, corpus_folder, made_trees, real_trees
from benchmarks.rows import ROWS, compare, progress, table
from benchmarks.workload import Workload, set_up

PARTS = ("compare", "merge", "demo", "reading", "growth")


def main() -> None:
    """Measure what was asked for."""
    options = _options()
    folder = options.folder.absolute()
    if options.set_up:
        _contenders(folder, options.against, _workload(folder))
        return
    try:
        _measure(options, folder)
    finally:
        remove(folder / PUT_AWAY)


def _measure(options: argparse.Namespace, folder: Path) -> None:
    parts = tuple(part for part in PARTS if part in (options.only or PARTS))
    results = report((), machine())
    shown = sys.stderr if options.json else sys.stdout
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()), file=shown)
    if "compare" in parts:
        results |= _compared(folder, options)
        print("\n".join(table(results["rows"], list(results["versions"]))), file=shown, flush=True)
    if set(parts) - {"compare", "growth"}:
        print(HEADER, file=shown)
        figures = []
        for figure in _figures(folder, options, parts):
            figures.append(figure)
            print(line(figure), file=shown, flush=True)
        results["figures"] = report(figures, {})["figures"]
    if "growth" in parts:
        results["growth"] = _growths(folder, options)
        print("\n".join(growth_lines(results["growth"])), file=shown, flush=True)
    results["load-after"] = [round(one, 1) for one in os.getloadavg()]
    if options.json:
        print(json.dumps(results, indent=2))
    if options.keep:
        progress(f"kept in {keep(results, parts)}")


def _options() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Measure lithify, side by side with BuildStream and Nix, and how what it takes grows.",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=cache / "lithify-bench",
        help="where workload, tools and caches are kept, about 8 GB (default: %(default)s)",
    )
    parser.add_argument("--set-up", action="store_true", help="make workload and caches, measure nothing")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="only this part; may stand several times"
    )
    parser.add_argument(
        "--against",
        choices=[one.name for one in CONTENDERS[1:]] + ["nobody"],
        action="append",
        help="compare with this program; may stand several times (default: all)",
    )
    parser.add_argument("--row", choices=[row.name for row in ROWS], action="append", help="only this row")
    parser.add_argument(
        "--growing",
        choices=[growth.name for growth in GROWTHS],
        action="append",
        help="only the growth in these; may stand several times",
    )
    parser.add_argument(
        "--trees", type=int, default=100, help="how many made trees are merged (default: 100)"
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        help=f"the folder of real definitions (default: ${CORPUS}, or beside the project)",
    )
    parser.add_argument(
        "--largest", type=float, default=1.0, help="how far growth is followed: 0.1 is a tenth (default: 1)"
    )
    parser.add_argument(
        "--cachedir", type=Path, help="the cache that the demo is built in (default: in --folder)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--keep", action="store_true", help="also write it to benchmarks/results/")
    return parser.parse_args()


def _workload(folder: Path) -> Workload:
    folder.mkdir(parents=True, exist_ok=True)
    workload = set_up(folder)
    write_projects(folder, workload.commits)
    return workload


def _contenders(folder: Path, against: list[str] | None, workload: Workload) -> dict[Contender, str]:
    """Return the programs that are compared with their versions, all prepared."""
    wanted = {"lithify", *(against or (one.name for one in CONTENDERS))}
    found = {}
    for one in (kind(folder) for kind in CONTENDERS if kind.name in wanted):
        found[one] = one.available()
        progress(f"prepare {one.name} {found[one]}: {workload.files} files")
        one.prepare()
    return found


def _compared(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    workload = _workload(folder)
    contenders = _contenders(folder, options.against, workload)
    rows = [row for row in ROWS if row.name in (options.row or [row.name])]
    compared = compare(list(contenders), rows, options.rounds, progress)
    return {
        "rounds": options.rounds,
        "workload": workload.described(),
        "versions": {one.name: version for one, version in contenders.items()},
        "rows": compared,
    }


def _figures(folder: Path, options: argparse.Namespace, parts: tuple[str, ...]) -> Iterator[Figure]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=folder) as made:
        scratch = Path(made)
        if "merge" in parts:
            cache = folder / "lithify/cache"
            if cache.exists():
                yield merging_real(cache, "bench", "x86_64", options.rounds)
            yield merging(scratch, options.trees, options.rounds)
        if "demo" in parts:
            yield from demo(scratch, options.rounds, (options.cachedir or folder / "demo-cache").absolute())
        if "reading" in parts:
            corpus = corpus_folder(options.corpus)
            if corpus is None:
                progress(f"skipped: the real definitions; ${CORPUS} or --corpus says where they are")
            else:
                yield from real_trees(scratch, corpus, options.rounds)
            yield from made_trees(scratch, options.rounds)


def _growths(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    made = folder / PUT_AWAY / f"growth-{time.time_ns()}"  # removed at the end, as all that is made
    made.mkdir(parents=True)
    return [
        grown(kind, made, options.rounds, options.largest, progress)
        for kind in GROWTHS
        if kind.name in (options.growing or [kind.name])
    ]


if __name__ == "__main__":
    main()
