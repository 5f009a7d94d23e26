from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lithify.graph.difference import changes
from lithify.graph.model import SystemGraph
from lithify.graph.resolve import resolve
from tests.graph.trees import chunk, files, stratum, system, tree


def graph_of(definitions: Mapping[str, Any]) -> SystemGraph:
    return resolve(tree(definitions), "systems/demo.morph")


def demo() -> dict[str, Any]:
    base = stratum("base", [chunk("libc"), chunk("bash", "libc")])
    lib = stratum("lib", [chunk("zlib"), chunk("ssh", "zlib")], "base")
    return files(system("base", "lib"), base, lib)


def shown(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(one.kind, one.name, one.what) for one in changes(graph_of(old), graph_of(new))]


def test_nothing_differs() -> None:
    assert shown(demo(), demo()) == []


def test_what_came_went_and_moved() -> None:
    new = demo()
    moved = new["strata/base.morph"]["chunks"].pop()
    del moved["build-depends"]
    new["strata/lib.morph"]["chunks"] = [moved, chunk("new")]
    assert shown(demo(), new) == [
        ("chunk", "bash", "stratum"),
        ("chunk", "bash", "build-depends"),
        ("chunk", "new", "added"),
        ("chunk", "zlib", "removed"),
        ("chunk", "ssh", "removed"),
    ]
    fewer = files(system("base"), demo()["strata/base.morph"])
    assert shown(demo(), fewer) == [
        ("system", "demo", "strata"),
        ("system", "demo", "artifacts"),
        ("stratum", "lib", "removed"),
        ("chunk", "zlib", "removed"),
        ("chunk", "ssh", "removed"),
    ]


def test_sources_and_instructions() -> None:
    new = demo()
    zlib, ssh = new["strata/lib.morph"]["chunks"]
    zlib.update({"repo": "https://example.org/z", "ref": "v2", "max-jobs": 1, "build-commands": ["ninja"]})
    zlib["products"] = [{"artifact": "zlib-extra", "include": ["x"]}]
    ssh.update({"sources": [{"kind": "archive", "url": "https://example.org/ssh.tar"}], "prefix": "/opt"})
    del ssh["repo"], ssh["ref"]
    found = changes(graph_of(demo()), graph_of(new))
    assert [(one.name, one.what) for one in found] == [
        ("lib", "artifacts"),
        ("zlib", "repo"),
        ("zlib", "ref"),
        ("zlib", "build-commands"),
        ("zlib", "max-jobs"),
        ("zlib", "split-rules"),
        ("ssh", "sources"),
        ("ssh", "prefix"),
    ]
    repo = found[1]
    assert (repo.old, repo.new) == ("upstream:zlib", "https://example.org/z")


def test_order_and_system_fields() -> None:
    new = demo()
    new["strata/lib.morph"]["chunks"].reverse()
    new["systems/demo.morph"].update({"arch": "ppc64", "overlaps": "refuse", "description": "no change"})
    assert ("stratum", "lib", "order of chunks") in shown(demo(), new)
    assert {("system", "demo", "arch"), ("system", "demo", "overlaps")} <= set(shown(demo(), new))


def test_words_and_places_are_no_difference() -> None:
    new = demo()
    new["elsewhere/lib.morph"] = new.pop("strata/lib.morph")
    new["systems/demo.morph"]["strata"][1] = {"morph": "elsewhere/lib.morph"}
    new["elsewhere/lib.morph"]["description"] = "words"
    assert shown(demo(), new) == []
