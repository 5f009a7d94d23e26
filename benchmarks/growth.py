"""How what lithify takes grows: with chunks, with files, and with what a chunk depends on.

Each size has projects of its own, of made chunks, each project with a cache of its own. What imports are looked at is measured
on chunks from folders; what is built on top of them, on chunks from git commits: a folder of the definitions is looked at file
by file at each build, a commit is not, so what is left is staging.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from benchmarks.demo import SETTLING, runner
from benchmarks.figures import shown_seconds, timed
from benchmarks.made import MadeFile, made_tree, shell_tree, write_folder, write_repository
from benchmarks.statistics import exponent, spread

TRIVIAL = 10
"""Trivial chunks of a project."""
FILES = 20
"""Files of a chunk, where it is not files that grow."""
NOTHING, CHANGED = "from nothing", "one chunk changed → new system"
ABOVE, STAGED = "a trivial chunk on top of all", "to stage a trivial chunk"
AGAIN, STANDING = "nothing to do, definitions read again", "nothing to do"

Say = Callable[[str], None]


class Growth(Struct, frozen=True, kw_only=True):
    """What grows, how far, and what is measured meanwhile."""

    name: str
    sizes: tuple[int, ...]
    series: tuple[str, ...]
    bounds: Mapping[str, float]
    """Series → the exponent that it is to stay below."""

    def shape(self, size: int) -> tuple[int, int]:
        """Return how many chunks there are at a size, and how many files in each."""
        return (100, size // 100) if self.name == "files" else (size, FILES)


GROWTHS = (
    Growth(
        name="chunks",
        sizes=(30, 100, 300, 1000),
        series=(NOTHING, CHANGED, AGAIN, STANDING),
        bounds={NOTHING: 1.15, CHANGED: 1.15, AGAIN: 1.15, STANDING: 1.15},
    ),
    Growth(
        name="files",
        sizes=(10_000, 50_000, 150_000, 500_000),
        series=(NOTHING, CHANGED, ABOVE, STAGED),
        bounds={NOTHING: 1.15, ABOVE: 0.1, STAGED: 0.1},
    ),
    Growth(
        name="dependencies",
        sizes=(10, 100, 450),
        series=(ABOVE, STAGED),
        bounds={ABOVE: 0.25, STAGED: 0.25},
    ),
)


def grown(growth: Growth, scratch: Path, rounds: int, largest: float, say: Say) -> dict[str, Any]:
    """Return the measured growth as JSON has it; ``largest`` is how much of the greatest size is gone to.

    What is made stays in ``scratch``: after so many files were removed, new ones would be slow; see
    :meth:`~benchmarks.contenders.Contender.put_away`.
    """
    sizes = [size for size in growth.sizes if size <= max(growth.sizes) * largest]
    if len(sizes) < 2:
        raise SystemExit(f"--largest {largest:g} leaves fewer than two sizes of {growth.name}")
    measured: dict[str, list[list[float]]] = {name: [] for name in growth.series}
    for size in sizes:
        chunks, files = growth.shape(size)
        for kind in PROJECTS:
            wanted = [name for name in growth.series if name in kind.series]
            if not wanted:
                continue
            project = kind(scratch / f"{growth.name}-{size}" / kind.name, chunks, files)
            for name, seconds in project.measured(wanted, rounds).items():
                measured[name].append(seconds)
                say(f"{size} {growth.name}: {name}: {shown_seconds(spread(seconds).median)} s")
    return {
        "name": growth.name,
        "sizes": sizes,
        "series": [
            {
                "name": name,
                "bound": growth.bounds.get(name),
                "exponent": round(exponent(sizes, [spread(one).median for one in seconds]), 3),
                "seconds": [[round(one, 6) for one in row] for row in seconds],
            }
            for name, seconds in measured.items()
        ],
    }


def growth_lines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines of text: medians at each size, and the exponent."""
    lines = []
    for result in results:
        lines.append(
            f"{result['name']:<42}" + "".join(f"{size:>10}" for size in result["sizes"]) + "  exponent"
        )
        for one in result["series"]:
            medians = "".join(f"{shown_seconds(spread(seconds).median):>10}" for seconds in one["seconds"])
            bound = "" if one["bound"] is None else f" (goal {one['bound']:g})"
            lines.append(f"  {one['name']:<40}{medians}  {one['exponent']:.2f}{bound}")
    return lines


def staging_seconds(trace: Mapping[str, Any]) -> dict[str, float]:
    """Return chunk → seconds from when its turn came until its first command began, of each chunk that ran one.

    ``trace`` is what ``lithify build --timings FILE.json`` writes: a chunk's ``rest`` lasts from its turn to its end.
    """
    turns, commands = _beginnings(trace, "rest"), _beginnings(trace, "run")
    return {name: (began - turns[name]) / 1e6 for name, began in commands.items() if name in turns}


def _beginnings(trace: Mapping[str, Any], phase: str) -> dict[str, int]:
    """Return component → microseconds at which the first of its spans of a phase began."""
    found: dict[str, int] = {}
    for event in trace["traceEvents"]:
        if event.get("cat") == phase and "component" in event["args"]:
            name = event["args"]["component"]
            found[name] = min(event["ts"], found.get(name, event["ts"]))
    return found


class Project(ABC):
    """Made chunks in one stratum, with a system of it and a cache; ``series`` is what is measured on it."""

    name: ClassVar[str]
    series: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path, chunks: int, files: int) -> None:
        self.definitions, self.cache = folder / "definitions", folder / "cache"
        names = [f"chunk-{number:04}" for number in range(chunks - 1)]
        trees = {name: made_tree(name, files) for name in names} | {"shell": shell_tree()}
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            sources = list(pool.map(self._source, trees, trees.values()))
        entries = "".join(
            f"- name: {name}\n  build-system: import\n  sources:\n  - {source}\n"
            for name, source in zip(trees, sources, strict=True)
        )
        self._write("VERSION", "version: 9\n")
        self._write("strata/base.morph", f"name: base\nkind: stratum\nchunks:\n{entries}")
        self._system("grown", "base")
        self._lithify = runner(self.definitions, {"LITHIFY_CACHEDIR": str(self.cache)})

    @abstractmethod
    def measured(self, series: Sequence[str], rounds: int) -> dict[str, list[float]]:
        """Return the seconds of each series, whatever is needed for them built before."""

    @abstractmethod
    def _source(self, name: str, tree: Iterable[MadeFile]) -> str:
        """Make a chunk's tree, and return its source as definitions have it."""

    def _system(self, name: str, *strata: str) -> None:
        listed = "".join(f"- morph: strata/{stratum}.morph\n" for stratum in strata)
        self._write(f"systems/{name}.morph", f"name: {name}\nkind: system\narch: x86_64\nstrata:\n{listed}")

    def _write(self, name: str, text: str) -> None:
        path = self.definitions / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class Folders(Project):
    """Its chunks are folders of the definitions."""

    name = "folders"
    series = (NOTHING, CHANGED, AGAIN, STANDING)

    def measured(self, series: Sequence[str], rounds: int) -> dict[str, list[float]]:
        """Return the seconds of each series, the first build from nothing first."""
        time.sleep(SETTLING)
        os.sync()
        found = {NOTHING: [self._built()]}
        works: dict[str, Callable[[int], float]] = {
            CHANGED: self._changed,
            AGAIN: lambda _: self._built("--keep-going"),
            STANDING: lambda _: self._built(),
        }
        for name in series:
            if name != NOTHING:
                found[name] = [works[name](number) for number in range(1, rounds + 1)]
            if name == CHANGED:
                time.sleep(SETTLING)
                self._built()
        return {name: found[name] for name in series}

    def _built(self, *options: str) -> float:
        return timed(lambda: self._lithify("build", "systems/grown.morph", *options))

    def _changed(self, number: int) -> float:
        self._write("trees/chunk-0000/usr/share/chunk-0000/edited", f"edit {number}\n")
        return self._built()

    def _source(self, name: str, tree: Iterable[MadeFile]) -> str:
        write_folder(tree, self.definitions / "trees" / name)
        return f"{{kind: local, path: trees/{name}}}"


class Pinned(Project):
    """Its chunks are git commits, locked; on top of them are trivial ones, which stage all of them.

    Its cache is its own: one that has the same trees from elsewhere would be checked out for its digest and removed again,
    and after so many files were removed, new ones would be slow.
    """

    name = "pinned"
    series = (ABOVE, STAGED)

    def __init__(self, folder: Path, chunks: int, files: int) -> None:
        self._repositories = folder / "repositories"
        super().__init__(folder, chunks, files)
        entries = "".join(f"- name: trivial-{n}\n  morph: chunks/trivial-{n}.morph\n" for n in range(TRIVIAL))
        self._write(
            "strata/above.morph",
            f"name: above\nkind: stratum\nbuild-depends:\n- morph: strata/base.morph\nchunks:\n{entries}",
        )
        self._system("above", "base", "above")
        self._write("small/README", "a source of one file\n")
        self._numbers = itertools.count()
        self._trivial()

    def measured(self, series: Sequence[str], rounds: int) -> dict[str, list[float]]:
        """Return the seconds of each series; all that is staged is there, and was staged before."""
        self._lithify("lock")
        self._lithify("build", "systems/above.morph", "above")
        time.sleep(SETTLING)
        os.sync()
        works = {ABOVE: self._above, STAGED: self._staged}
        return {name: [works[name]() for _ in range(rounds)] for name in series}

    def _above(self) -> float:
        self._renew()
        return timed(lambda: self._lithify("build", "systems/above.morph", "above")) / TRIVIAL

    def _staged(self) -> float:
        self._renew()
        trace = self.definitions.with_name("trace.json")
        self._lithify("build", "systems/above.morph", "above", "--timings", str(trace))
        seconds = staging_seconds(json.loads(trace.read_text()))
        if len(seconds) != TRIVIAL:
            raise SystemExit(f"{len(seconds)} of {TRIVIAL} trivial chunks were built: {trace}")
        return spread(list(seconds.values())).median

    def _renew(self) -> None:
        """Make the trivial chunks other ones, with all that is below them there."""
        self._trivial()
        self._lithify("build", "systems/above.morph", "base")

    def _trivial(self) -> None:
        """Write all trivial chunks as they never were before."""
        number = next(self._numbers)
        for index in range(TRIVIAL):
            self._write(
                f"chunks/trivial-{index}.morph",
                f"name: trivial-{index}\nkind: chunk\nbuild-system: manual\n"
                "sources:\n- {kind: local, path: small}\ninstall-commands:\n"
                f'- mkdir -p "$DESTDIR/usr" && echo {number} > "$DESTDIR/usr/trivial-{index}"\n',
            )

    def _source(self, name: str, tree: Iterable[MadeFile]) -> str:
        repository = self._repositories / name
        commit = write_repository(tree, repository)
        return f"{{kind: git, url: 'file://{repository}', ref: {commit}}}"


PROJECTS: tuple[type[Project], ...] = (Folders, Pinned)


def main() -> None:
    """Measure one growth alone: ``python -m benchmarks.growth NAME FOLDER LARGEST``."""
    name, folder, largest = sys.argv[1:]
    growth = next(one for one in GROWTHS if one.name == name)
    result = grown(growth, Path(folder), 3, float(largest), print)
    print("\n".join(growth_lines([result])))


if __name__ == "__main__":
    main()
