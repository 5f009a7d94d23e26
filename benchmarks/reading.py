"""Reading definitions: the real trees where they are at hand, and made ones of up to ten thousand chunks."""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.figures import Figure, measure, spent
from lithify.__main__ import GARBAGE
from lithify.definitions.model import SystemFile
from lithify.definitions.tree import load
from lithify.errors import LithifyError
from lithify.graph.counts import counts
from lithify.graph.keys import definition_keys
from lithify.graph.pins import declared_pins
from lithify.graph.resolve import resolve

PROJECT = Path(__file__).resolve().parent.parent
CORPUS = "LITHIFY_CORPUS"
"""The environment variable that names the folder with ``definitions-v8.tar.xz``."""
SIZES = (1000, 3000, 10000)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_CHILD = "from benchmarks.reading import load_and_resolve; load_and_resolve()"


def corpus_folder(given: Path | None) -> Path | None:
    """Return where the real definitions are: as given, as the environment says, or beside the project; None where nowhere."""
    named = given or (Path(os.environ[CORPUS]) if os.environ.get(CORPUS) else None)
    folder = named or PROJECT.parent / "shared" / "corpus"
    return folder if (folder / "definitions-v8.tar.xz").is_file() else None


def real_trees(scratch: Path, corpus: Path, rounds: int) -> Iterator[Figure]:
    """Yield the figures of the v8 tree of real definitions."""
    subprocess.run(["tar", "-xJf", corpus / "definitions-v8.tar.xz", "-C", scratch], check=True)
    tree = scratch / "definitions-v8"
    system, chunks = largest_system(tree)
    name = f"{Path(system).stem}, {chunks} chunks"
    yield measured_in_process(f"load, resolve, keys: {name}", tree, system, rounds, goal=0.3)[0]
    yield measure(f"lithify graph: {name}", rounds, _process(scratch, tree, "graph", system), goal=0.6)
    # it ends with the tree's real faults, so its status is not 0
    yield measure("lithify validate: 766 files", rounds, _process(scratch, tree, "validate"), goal=1.2)


def largest_system(tree: Path) -> tuple[str, int]:
    """Return the system with the most chunks, and how many."""
    definitions = load(tree)
    found: dict[str, int] = {}
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        if loaded is not None and isinstance(loaded.file, SystemFile):
            try:
                found[name] = counts(resolve(definitions, name)).chunks
            except LithifyError:
                continue
    return max(found.items(), key=lambda one: one[1])


def made_trees(scratch: Path, rounds: int) -> Iterator[Figure]:
    """Yield time and memory of loading and resolving made trees, each measurement in a process of its own."""
    for size in SIZES:
        tree = scratch / f"made-{size}"
        write_tree(tree, size)
        goal = 3.0 if size == SIZES[-1] else None
        figure, memory = measured_in_process(
            f"load, resolve, keys: made, {size} chunks", tree, "systems/big.morph", rounds, goal=goal
        )
        yield figure
        yield Figure(
            name=f"its peak memory, MiB: {size} chunks",
            seconds=tuple(memory),
            goal=400.0 if size == SIZES[-1] else None,
            unit="MiB",
        )


def measured_in_process(
    name: str, tree: Path, system: str, rounds: int, *, goal: float | None
) -> tuple[Figure, list[float]]:
    """Return the seconds from reading the first file to the system's key, without imports, and MiB at most."""
    seconds, processor, memory = [], [], []
    for _ in range(rounds):
        ran = subprocess.run(
            [sys.executable, "-c", _CHILD, str(tree), system],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(ran.stdout)
        seconds.append(found["seconds"])
        processor.append(found["processor"])
        memory.append(found["MiB"])
    return Figure(name=name, seconds=tuple(seconds), goal=goal, processor=tuple(processor)), memory


def load_and_resolve() -> None:
    """Load a tree and make a system's graph and keys once, and print what it took; both are the arguments."""
    tree, system = sys.argv[1:]
    gc.set_threshold(*GARBAGE)  # as the program has it
    before, began = spent(), time.perf_counter()
    graph = resolve(load(Path(tree)), system)
    sources = (source for chunk in graph.chunks.values() for source in chunk.sources)
    definition_keys(graph, declared_pins(sources))
    seconds = time.perf_counter() - began
    processor = spent() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "processor": processor, "MiB": memory}))


def write_tree(tree: Path, count: int, *, stratum_size: int = 40) -> None:
    """Write a tree of ``count`` chunks in the shape of real ones; its system is ``systems/big.morph``.

    A stratum of bootstrap chunks first, then strata that each build-depend on up to three earlier ones; a chunk
    build-depends on up to four earlier ones of its stratum.
    """
    files: dict[str, Mapping[str, Any]] = {}
    strata = []
    for first in range(0, count, stratum_size):
        number = first // stratum_size
        names = [f"chunk-{index}" for index in range(first, min(first + stratum_size, count))]
        strata.append(f"strata/stratum-{number}.morph")
        files[strata[-1]] = {
            "name": f"stratum-{number}",
            "kind": "stratum",
            "build-depends": [
                {"morph": f"strata/stratum-{number - step}.morph"} for step in (1, 2, 5) if step <= number
            ],
            "chunks": [
                _entry(names, place, bootstrap=number == 0 and place < 10) for place in range(len(names))
            ],
        }
    listed = [{"morph": name} for name in strata]
    files["systems/big.morph"] = {"name": "big", "kind": "system", "arch": "x86_64", "strata": listed}
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(yaml.dump(content, sort_keys=False, Dumper=yaml.CSafeDumper))
    (tree / "VERSION").write_text("version: 9\n")


def _entry(names: list[str], place: int, *, bootstrap: bool) -> dict[str, Any]:
    below = sorted({names[place - step] for step in (1, 3, 7, 12) if step <= place})
    return {
        "name": names[place],
        "repo": f"upstream:{names[place]}",
        "ref": COMMIT,
        "build-system": "autotools",
        "build-mode": "bootstrap" if bootstrap else "staging",
        **({"build-depends": below[: 1 + place % 4]} if below else {}),
    }


def _process(scratch: Path, tree: Path, *words: str) -> Callable[[int], object]:
    program = Path(sys.executable).with_name("lithify")
    environment = {**os.environ, "LITHIFY_CACHEDIR": str(scratch / "reading-cache")}

    def work(_: int) -> None:
        ran = subprocess.run(
            [program, "--no-default-configs", *words],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if ran.returncode not in (0, 1) or "Traceback" in ran.stderr:
            raise SystemExit(f"lithify {' '.join(words)} failed:\n{ran.stderr}")

    return work
