"""`lithify fsck` beside `ostree fsck`, on one store, in turn: whole processes, with the files in memory.

Run by itself, as root, since the store is written without a namespace: ``python -m benchmarks.checking``.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.figures import HEADER, Figure, line, timed
from lithify.cache import open_cache
from lithify.store.writing import Store

SIZES = ((0.6, 400), (0.3, 6_000), (0.09, 60_000), (0.01, 1_500_000))
"""(share of the files, bytes about which they are large): as in a Linux system."""
FILES = 10_000
MOST_RATIO = 1.3


def checking(scratch: Path, files: int, rounds: int) -> Iterator[Figure]:
    """Yield how long each of both takes."""
    cache = scratch / "checking"
    _fill(cache, files)
    repository = f"--repo={cache / 'ostree'}"
    lines: dict[str, Sequence[str]] = {
        "lithify fsck": (sys.executable, "-m", "lithify", "--no-default-configs", "fsck"),
        "ostree fsck": ("ostree", repository, "fsck", "-q"),
    }
    environment = {**os.environ, "LITHIFY_CACHEDIR": str(cache)}
    run = partial(subprocess.run, env=environment, cwd=scratch, check=True, capture_output=True)
    seconds: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(rounds):
        for name, words in lines.items():
            seconds[name].append(timed(partial(run, words)))
    goal = MOST_RATIO * min(seconds["ostree fsck"])
    for name in lines:
        yield Figure(
            name=f"{name}, {files} files",
            seconds=tuple(seconds[name]),
            goal=round(goal, 2) if name == "lithify fsck" else None,
        )


def _fill(cache: Path, files: int) -> None:
    """Write a commit of many files, none like another."""
    chance = random.Random(6)
    shares, sizes = [share for share, _ in SIZES], [size for _, size in SIZES]
    store = Store(open_cache(cache), sync=False)
    with store.transaction() as transaction:
        contents = (
            chance.randbytes(chance.randint(size // 2, size * 2))
            for size in chance.choices(sizes, shares, k=files)
        )
        tree = transaction.write_tree(
            {
                f"usr/share/{number % 97}/{number}": transaction.write_file(content)
                for number, content in enumerate(contents)
            }
        )
        transaction.commit(tree, {"name": "checking"}, ["checking"])
    store.close()


def main() -> None:
    """Measure both and print a table."""
    if os.geteuid() != 0:
        raise SystemExit("root alone can write a store without a namespace")
    print(HEADER)
    with tempfile.TemporaryDirectory(prefix="lithify-bench-", dir="/var/tmp") as folder:
        for figure in checking(Path(folder), FILES, 5):
            print(line(figure))


if __name__ == "__main__":
    main()
