from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from lithify.graph.model import SystemGraph
from lithify.graph.picture import dot_text, graph_data
from lithify.graph.resolve import resolve
from lithify.process import run
from tests.graph.trees import chunk, files, stratum, system, tree


def demo() -> SystemGraph:
    base = stratum("base", [chunk("stage1", build_mode="bootstrap"), chunk("libc", "stage1")])
    lib = stratum("lib", [chunk("zlib"), chunk("gtk+", "zlib"), chunk('"quoted\\"', "zlib")], "base")
    lone = stratum(
        "lone", [chunk("used"), chunk("idle")], products=[{"artifact": "lone-used", "include": ["used-.*"]}]
    )
    listed = {"morph": "strata/lone.morph", "artifacts": ["lone-used"]}
    return resolve(tree(files(system("lib", listed), base, lib, lone)), "systems/demo.morph")


def node(data: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in data["nodes"] if one["name"] == name)
    return dict(found)


def test_the_json_has_nodes_and_edges_as_the_manual_says() -> None:
    data = json.loads(json.dumps(graph_data(demo())))
    assert data["system"] == "demo"
    assert node(data, "zlib") == {
        "id": "chunk:zlib",
        "kind": "chunk",
        "name": "zlib",
        "stratum": "lib",
        "file": "zlib.morph",
        "build_mode": "staging",
        "in_system": True,
        "needed": True,
    }
    assert (node(data, "stage1")["in_system"], node(data, "libc")["in_system"]) == (False, False)
    assert (node(data, "idle")["in_system"], node(data, "idle")["needed"]) == (True, False)
    assert (node(data, "base")["in_system"], node(data, "lib")["build_depends"]) == (False, ["base"])
    assert (node(data, "demo")["kind"], node(data, "demo")["file"]) == ("system", "systems/demo.morph")
    edges = [(edge["from"], edge["to"], edge["why"]) for edge in data["edges"]]
    assert len(edges) == len(set(edges))
    assert [edge for edge in edges if edge[2] == "declared"] == [
        ("chunk:libc", "chunk:stage1", "declared"),
        ("chunk:gtk+", "chunk:zlib", "declared"),
        ('chunk:"quoted\\"', "chunk:zlib", "declared"),
    ]
    assert ("chunk:zlib", "chunk:stage1", "stratum") in edges
    assert len([edge for edge in edges if edge[2] == "stratum"]) == 6
    assert {("system:demo", "stratum:lib", "selects"), ("stratum:lib", "chunk:zlib", "selects")} <= set(edges)
    assert ("stratum:base", "chunk:stage1", "selects") not in edges


def test_dot_has_strata_as_clusters_and_bootstrap_apart() -> None:
    text = dot_text(demo())
    assert text.startswith('digraph "demo" {')
    assert text.count("shape=octagon") == 1
    assert text.count("shape=box") == 3
    assert text.count("shape=ellipse") == 7
    assert text.count('subgraph "cluster stratum:') == 3
    assert text.count('subgraph "cluster bootstrap:') == 1
    assert '"chunk:gtk+" -> "chunk:zlib";' in text
    assert '"chunk:zlib" -> "chunk:libc"' not in text
    assert '"stratum:lib" -> "stratum:base"' in text
    assert '"system:demo" -> "stratum:lib"' in text


def test_dot_with_all_edges_and_with_strata_alone() -> None:
    everything = dot_text(demo(), all_edges=True)
    assert '"chunk:zlib" -> "chunk:libc"' in everything
    strata = dot_text(demo(), strata_only=True)
    assert "chunk:" not in strata
    assert "cluster" not in strata
    assert 'label="lib\\n3 chunks"' in strata
    assert "1 chunks" not in strata


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("options", [{}, {"all_edges": True}, {"strata_only": True}])
def test_graphviz_takes_it(options: dict[str, bool]) -> None:
    drawn = run(["dot", "-Tplain"], stdin=dot_text(demo(), **options).encode())
    assert not drawn.stderr
