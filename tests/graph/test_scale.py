"""Time and memory grow no faster than edges, and no chain is too long."""

from __future__ import annotations

import sys
import time

import pytest

from lithify.graph.counts import counts
from lithify.graph.keys import definition_keys
from lithify.graph.picture import dot_text
from lithify.graph.resolve import resolve
from lithify.process import run
from tests.conftest import PROJECT
from tests.graph.golden_cases import known, pins_of
from tests.graph.trees import big_tree, chunk, files, stratum, system, tree


def seconds_of(chunks: int) -> float:
    """Return the processor time that resolving and keys of a big tree take."""
    definitions = big_tree(chunks)
    began = time.process_time()
    graph = resolve(definitions, "systems/big.morph")
    keys = definition_keys(graph, pins_of(graph))
    assert known(keys.system)
    return time.process_time() - began


@pytest.mark.slow
def test_ten_times_the_chunks_take_about_ten_times_as_long() -> None:
    small = min(seconds_of(500) for _ in range(3))
    assert seconds_of(5000) < 25 * small


# The peak of the process itself: what getrusage calls so is inherited from the one that started it.
MEASURE = """
from pathlib import Path
from lithify.graph.keys import definition_keys
from lithify.graph.resolve import resolve
from lithify.process import run
from tests.conftest import PROJECT
from tests.graph.golden_cases import pins_of
from tests.graph.trees import big_tree

graph = resolve(big_tree(10_000), "systems/big.morph")
definition_keys(graph, pins_of(graph))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
def test_ten_thousand_chunks_fit_in_memory() -> None:
    kibibytes = int(run([sys.executable, "-c", MEASURE], cwd=PROJECT).stdout)
    assert kibibytes < 300 << 10


@pytest.mark.slow
def test_one_chain_of_thousands_has_keys_in_linear_time() -> None:
    chunks = [chunk("c0"), *(chunk(f"c{number}", f"c{number - 1}") for number in range(1, 5000))]
    graph = resolve(tree(files(system("s"), stratum("s", chunks))), "systems/demo.morph")
    began = time.process_time()
    keys = definition_keys(graph, pins_of(graph))
    assert time.process_time() - began < 10
    assert len(keys.staged("c4999")[0].chunks) == 4999
    assert counts(graph).longest_chain == 5000
    assert dot_text(graph)
