"""Runs the measurements and prints a table."""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path

from benchmarks.demo import demo
from benchmarks.figures import line
from benchmarks.merging import merging


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
    parser.add_argument("--only", choices=("demo", "merge"), help="leave the other out")
    options = parser.parse_args()

    print(f"{platform.node()}, Python {platform.python_version()}, kernel {platform.release()}")
    print(f"{'':<48} {'best':>11} {'median':>11}")
    with tempfile.TemporaryDirectory(prefix="lithify-bench-") as folder:
        if options.only != "demo":
            print(line(merging(Path(folder), options.trees, options.rounds)))
        if options.only != "merge":
            for figure in demo(Path(folder), options.rounds, options.cachedir):
                print(line(figure))


if __name__ == "__main__":
    main()
