from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.graph.keys import definition_keys
from lithify.graph.model import SystemGraph
from lithify.graph.pins import declared_pins
from lithify.graph.resolve import resolve
from lithify.graph.staging_order import prefixes_below, staged, staging_order
from tests.graph.trees import chunk, files, stratum, system, tree


def graph_of(*strata: dict[str, Any], listed: tuple[str, ...] | None = None) -> SystemGraph:
    names = listed or tuple(one["name"] for one in strata)
    return resolve(tree(files(system(*names), *strata)), "systems/demo.morph")


def layers(graph: SystemGraph, name: str) -> list[tuple[str, list[str]]]:
    return [(group.stratum, list(group.chunks)) for group in staged(graph, name)]


TOOLCHAIN = stratum(
    "toolchain",
    [
        chunk("stage1-gcc", build_mode="bootstrap", prefix="/tools"),
        chunk("stage2-gcc", "stage1-gcc", build_mode="bootstrap", prefix="/tools"),
        chunk("gcc", "stage2-gcc"),
        chunk("bash", "gcc"),
    ],
)
CORE = stratum("core", [chunk("zlib"), chunk("ssh", "zlib"), chunk("unused")], "toolchain")
APPS = stratum("apps", [chunk("browser")], "core")


def test_whole_strata_are_below_what_the_own_stratum_gives() -> None:
    graph = graph_of(TOOLCHAIN, CORE, APPS)
    assert layers(graph, "ssh") == [("toolchain", ["gcc", "bash"]), ("core", ["zlib"])]
    assert layers(graph, "browser") == [("toolchain", ["gcc", "bash"]), ("core", ["zlib", "ssh", "unused"])]


def test_bootstrap_chunks_are_staged_in_their_own_stratum_alone() -> None:
    graph = graph_of(TOOLCHAIN, CORE)
    assert layers(graph, "stage1-gcc") == []
    assert layers(graph, "bash") == [("toolchain", ["stage1-gcc", "stage2-gcc", "gcc"])]
    assert layers(graph, "zlib") == [("toolchain", ["gcc", "bash"])]


def test_equals_stand_as_the_definitions_list_them() -> None:
    chunks = [chunk("b"), chunk("a"), chunk("top", "a", "b")]
    assert layers(graph_of(stratum("s", chunks)), "top") == [("s", ["b", "a"])]
    assert layers(graph_of(stratum("s", [chunks[1], chunks[0], chunks[2]])), "top") == [("s", ["a", "b"])]


def test_a_dependency_is_below_its_dependents_even_where_it_is_listed_later() -> None:
    chunks = [chunk("top", "middle"), chunk("middle", "bottom"), chunk("bottom")]
    assert layers(graph_of(stratum("s", chunks)), "top") == [("s", ["bottom", "middle"])]


def test_a_stratum_that_several_need_is_there_once() -> None:
    base = stratum("base", [chunk("libc")])
    left, right = stratum("left", [chunk("l")], "base"), stratum("right", [chunk("r")], "base")
    top = stratum("top", [chunk("t")], "right", "left")
    graph = graph_of(base, left, right, top, listed=("top",))
    assert layers(graph, "t") == [("base", ["libc"]), ("right", ["r"]), ("left", ["l"])]


def test_the_path_has_the_prefixes_of_the_declared_dependencies_alone() -> None:
    graph = graph_of(TOOLCHAIN, CORE)
    order = staging_order(graph)
    assert prefixes_below(graph, "stage2-gcc", order) == ("/tools",)
    assert prefixes_below(graph, "bash", order) == ("/usr",)
    assert prefixes_below(graph, "zlib", order) == ()


def test_a_chunk_of_two_strata_is_built_on_what_both_give_it() -> None:
    shared = chunk("json-pointer")
    one = stratum("cloud", [chunk("json-patch"), {**shared, "build-depends": ["json-patch"]}], "python")
    other = stratum("stack", [shared, chunk("client", "json-pointer")], "tools")
    python, tools = stratum("python", [chunk("python3")]), stratum("tools", [chunk("make")])
    graph = graph_of(python, tools, one, other)
    assert layers(graph, "json-pointer") == [
        ("python", ["python3"]),
        ("tools", ["make"]),
        ("cloud", ["json-patch"]),
    ]
    assert layers(graph, "client") == [
        ("python", ["python3"]),
        ("tools", ["make"]),
        ("stack", ["json-patch", "json-pointer"]),
    ]
    top = graph_of(python, tools, one, other, stratum("top", [chunk("t")], "stack"))
    assert layers(top, "t") == [
        ("tools", ["make"]),
        ("python", ["python3"]),
        ("stack", ["json-patch", "json-pointer", "client"]),
    ]


def test_a_chunk_that_is_there_already_gets_nothing_from_a_later_entry() -> None:
    low = stratum("low", [chunk("nasm"), chunk("x")])
    high = stratum("high", [chunk("y"), chunk("nasm", "y")], "low")
    graph = graph_of(low, high)
    assert layers(graph, "nasm") == []
    assert layers(graph, "y") == [("low", ["nasm", "x"])]


NAMES = ("a", "b", "c", "d")


@st.composite
def trees(draw: st.DrawFn) -> SystemGraph:
    """Return a graph of three strata over a few chunks that are always the same but for their place and edges."""
    strata: list[dict[str, Any]] = []
    for number in range(3):
        names = draw(st.permutations([f"{name}{number}" for name in NAMES[: draw(st.integers(1, 4))]]))
        chunks = []
        for place, name in enumerate(names):
            below = draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
            mode = draw(st.sampled_from(["staging", "staging", "bootstrap"]))
            chunks.append(chunk(name, *below, build_mode=mode))
        others = [one["name"] for one in strata]
        below_it = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
        name = draw(st.sampled_from([f"s{number}", f"t{number}"]))
        strata.append(stratum(name, draw(st.permutations(chunks)), *below_it))
    return graph_of(*strata)


@settings(max_examples=100, deadline=None)
@given(trees(), trees())
def test_equal_definition_keys_mean_equal_layers(one: SystemGraph, other: SystemGraph) -> None:
    keys = [
        definition_keys(graph, declared_pins(s for c in graph.chunks.values() for s in c.sources))
        for graph in (one, other)
    ]
    for name in one.chunks.keys() & other.chunks.keys():
        if keys[0].chunk[name] == keys[1].chunk[name]:
            flat = [
                [chunk for group in staged(graph, name) for chunk in group.chunks] for graph in (one, other)
            ]
            assert flat[0] == flat[1]


@settings(max_examples=60, deadline=None)
@given(trees())
def test_everything_below_is_staged_in_an_order_that_stands(graph: SystemGraph) -> None:
    order = staging_order(graph)
    for name in graph.chunks:
        flat = [chunk for group in staged(graph, name, order) for chunk in group.chunks]
        assert len(flat) == len(set(flat))
        assert name not in flat
        assert set(graph.chunks[name].build_depends) <= set(flat)
        for place, other in enumerate(flat):
            foreign = graph.chunks[other].stratum != graph.chunks[name].stratum
            assert not (foreign and graph.chunks[other].build_mode == "bootstrap")
            if not foreign:
                assert set(graph.chunks[other].build_depends) <= set(flat[:place])
        for group in staged(graph, name, order)[:-1]:
            assert group.chunks
