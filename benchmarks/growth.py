"""How what lithify takes grows: with chunks, with files, and with what a chunk depends on.

Each size is a project of its own, of made chunks that are imported from folders, with a cache of its own; whole processes.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.demo import SETTLING, runner
from benchmarks.figures import timed
from benchmarks.statistics import exponent, spread

TRIVIAL = 10
"""Trivial chunks of a project."""
FILES = 20
"""Files of a chunk, where it is not files that grow."""
NOTHING, CHANGED, ABOVE = "from nothing", "one chunk changed → new system", "a trivial chunk on top of all"
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
        series=(NOTHING, CHANGED, ABOVE),
        bounds={NOTHING: 1.15, ABOVE: 0.1},
    ),
    Growth(name="dependencies", sizes=(10, 100, 450), series=(ABOVE,), bounds={ABOVE: 0.25}),
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
        project = Project(scratch / f"{growth.name}-{size}", chunks, files)
        for name, seconds in project.measured(growth.series, rounds).items():
            measured[name].append(seconds)
            say(f"{size} {growth.name}: {name}: {spread(seconds).median:.3f} s")
    return {
        "name": growth.name,
        "sizes": sizes,
        "series": [
            {
                "name": name,
                "bound": growth.bounds.get(name),
                "exponent": round(exponent(sizes, [spread(one).median for one in seconds]), 3),
                "seconds": [[round(one, 4) for one in row] for row in seconds],
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
            medians = "".join(f"{spread(seconds).median:>10.3f}" for seconds in one["seconds"])
            bound = "" if one["bound"] is None else f" (goal {one['bound']:g})"
            lines.append(f"  {one['name']:<40}{medians}  {one['exponent']:.2f}{bound}")
    return lines


class Project:
    """Made definitions with their sources, and a cache."""

    def __init__(self, folder: Path, chunks: int, files: int) -> None:
        self.folder = folder
        self.definitions, self.cache = folder / "definitions", folder / "cache"
        self._files = files
        names = [f"chunk-{number:04}" for number in range(chunks)]
        for name in names:
            self._tree(name)
        self._shell()
        entries = "".join(
            f"- name: {name}\n  build-system: import\n  sources:\n  - {{kind: local, path: trees/{name}}}\n"
            for name in [*names[:-1], "shell"]
        )
        self._edited = names[0]
        self._write("VERSION", "version: 9\n")
        self._write("strata/base.morph", f"name: base\nkind: stratum\nchunks:\n{entries}")
        above = "".join(f"- name: trivial-{n}\n  morph: chunks/trivial-{n}.morph\n" for n in range(TRIVIAL))
        self._write(
            "strata/above.morph",
            f"name: above\nkind: stratum\nbuild-depends:\n- morph: strata/base.morph\nchunks:\n{above}",
        )
        for name, strata in (("grown", ["base"]), ("above", ["base", "above"])):
            listed = "".join(f"- morph: strata/{stratum}.morph\n" for stratum in strata)
            self._write(
                f"systems/{name}.morph", f"name: {name}\nkind: system\narch: x86_64\nstrata:\n{listed}"
            )
        self._trivial(0)
        self._lithify = runner(self.definitions, {"LITHIFY_CACHEDIR": str(self.cache)})

    def measured(self, series: Sequence[str], rounds: int) -> dict[str, list[float]]:
        """Return the seconds of each series, the first build from nothing first."""
        time.sleep(SETTLING)
        os.sync()
        found = {NOTHING: [timed(lambda: self._lithify("build", "systems/grown.morph"))]}
        works = {
            CHANGED: self._changed,
            AGAIN: lambda _: timed(lambda: self._lithify("build", "systems/grown.morph", "--keep-going")),
            STANDING: lambda _: timed(lambda: self._lithify("build", "systems/grown.morph")),
            ABOVE: self._above,
        }
        self._lithify("build", "systems/above.morph", "above")
        for name in series:
            if name != NOTHING:
                found[name] = [works[name](number) for number in range(1, rounds + 1)]
            if name == CHANGED:
                time.sleep(SETTLING)
                self._lithify("build", "systems/grown.morph")
        return {name: found[name] for name in series}

    def _changed(self, number: int) -> float:
        (self.definitions / "trees" / self._edited / "usr/share" / self._edited / "edited").write_text(
            f"edit {number}\n"
        )
        return timed(lambda: self._lithify("build", "systems/grown.morph"))

    def _above(self, number: int) -> float:
        self._trivial(number)
        self._lithify("build", "systems/above.morph", "base")
        return timed(lambda: self._lithify("build", "systems/above.morph", "above")) / TRIVIAL

    def _trivial(self, number: int) -> None:
        for index in range(TRIVIAL):
            self._write(
                f"chunks/trivial-{index}.morph",
                f"name: trivial-{index}\nkind: chunk\nbuild-system: manual\n"
                "sources:\n- {kind: local, path: small}\ninstall-commands:\n"
                f'- mkdir -p "$DESTDIR/usr" && echo {number} > "$DESTDIR/usr/trivial-{index}"\n',
            )

    def _tree(self, name: str) -> None:
        """Write a chunk's files, fifty a folder, one of them in a folder that all chunks share."""
        tree = self.definitions / "trees" / name
        (tree / "usr/lib").mkdir(parents=True)
        (tree / "usr/lib" / f"{name}.so").write_text(f"{name}\n")
        for index in range(self._files - 1):
            folder = tree / "usr/share" / name / str(index // 50)
            if index % 50 == 0:
                folder.mkdir(parents=True)
            (folder / str(index)).write_text(f"{name} {index}\n")

    def _shell(self) -> None:
        programs = self.definitions / "trees/shell/bin"
        programs.mkdir(parents=True)
        shutil.copy("/bin/busybox", programs / "busybox")
        for name in ("sh", "mkdir", "echo"):
            (programs / name).symlink_to("busybox")
        self._write("small/README", "a source of one file\n")

    def _write(self, name: str, text: str) -> None:
        path = self.definitions / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main() -> None:
    """Measure one growth alone: ``python -m benchmarks.growth NAME FOLDER LARGEST``."""
    name, folder, largest = sys.argv[1:]
    growth = next(one for one in GROWTHS if one.name == name)
    result = grown(growth, Path(folder), 3, float(largest), print)
    print("\n".join(growth_lines([result])))


if __name__ == "__main__":
    main()
