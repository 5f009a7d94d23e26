from __future__ import annotations

from lithify.graph.model import SystemGraph
from lithify.graph.paths import Node, find_nodes, find_paths
from lithify.graph.resolve import resolve
from tests.graph.trees import big_tree, chunk, files, stratum, system, tree


def demo() -> SystemGraph:
    toolchain = stratum(
        "toolchain",
        [
            chunk("stage1", build_mode="bootstrap"),
            chunk("gcc", "stage1"),
            chunk("bash", "gcc"),
            chunk("stage1-user", "stage1"),
        ],
    )
    core = stratum("core", [chunk("zlib"), chunk("ssl", "zlib"), chunk("ssh", "ssl", "zlib")], "toolchain")
    apps = stratum("apps", [chunk("app"), chunk("core")], "core", "toolchain")
    return resolve(tree(files(system("apps"), toolchain, core, apps)), "systems/demo.morph")


def shown(graph: SystemGraph, start: str, end: str, *, limit: int = 20) -> list[str]:
    found = find_paths(graph, find_nodes(graph, start)[0], find_nodes(graph, end)[0], limit=limit)
    return [" → ".join(str(node) for node in path) for path in found.paths]


def test_declared_paths_the_shortest_first() -> None:
    assert shown(demo(), "ssh", "zlib") == ["ssh → zlib", "ssh → ssl → zlib"]


def test_a_stratum_is_one_station() -> None:
    assert shown(demo(), "app", "gcc") == [
        "app → stratum toolchain → gcc",
        "app → stratum core → stratum toolchain → gcc",
    ]


def test_what_only_bootstrap_chunks_lead_to_is_reached_through_those_that_need_it() -> None:
    assert shown(demo(), "zlib", "stage1") == [
        "zlib → stratum toolchain → gcc → stage1",
        "zlib → stratum toolchain → stage1-user → stage1",
    ]


def test_from_the_system_and_to_a_stratum() -> None:
    graph = demo()
    assert shown(graph, "demo", "zlib") == ["system demo → stratum apps → stratum core → zlib"]
    assert [str(node) for node in find_nodes(graph, "core")] == ["core", "stratum core"]
    found = find_paths(graph, Node("chunk", "app"), Node("stratum", "toolchain"))
    assert len(found.paths) == 2
    assert found.paths[0] == (Node("chunk", "app"), Node("stratum", "toolchain"))


def test_where_there_is_no_path() -> None:
    graph = demo()
    assert shown(graph, "gcc", "app") == []
    assert shown(graph, "app", "app") == []
    assert find_nodes(graph, "nothing") == ()


def test_more_paths_than_anyone_reads_are_counted_out() -> None:
    graph = resolve(big_tree(400), "systems/big.morph")
    found = find_paths(graph, Node("chunk", "chunk-399"), Node("chunk", "chunk-12"), limit=5)
    assert (len(found.paths), found.more) == (5, True)
    lengths = [len(path) for path in found.paths]
    assert lengths == sorted(lengths)
