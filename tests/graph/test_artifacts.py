from __future__ import annotations

from lithify.graph.artifacts import artifact_dependencies, dependency_lines, needed_artifacts
from lithify.graph.keys import Keys, definition_keys
from lithify.graph.resolve import resolve
from tests.graph.golden_cases import pins_of
from tests.graph.trees import COMMIT, chunk, files, stratum, system, tree

DEFAULTS = """
    split-rules:
      chunk: [{artifact: -libs, include: [lib/.*]}, {artifact: -misc, include: [.*]}]
      stratum: [{artifact: -devel, include: [.*-none]}, {artifact: -runtime, include: [.*]}]
    """


def demo() -> Keys:
    base = stratum(
        "base",
        [
            chunk("stage1", build_mode="bootstrap", build_system="manual"),
            chunk("libc", "stage1", build_system="manual"),
        ],
    )
    lone = stratum(
        "lone",
        [chunk("zlib", build_system="manual"), chunk("idle", build_system="manual")],
        "base",
        products=[{"artifact": "lone-z", "include": ["zlib-libs"]}],
    )
    listed = {"morph": "strata/lone.morph", "artifacts": ["lone-z"]}
    graph = resolve(
        tree({**files(system(listed), base, lone), "DEFAULTS": DEFAULTS}, version=8), "systems/demo.morph"
    )
    assert graph.faults == () or all(fault.severity == "warning" for fault in graph.faults)
    return definition_keys(graph, pins_of(graph))


def test_what_a_build_makes_or_selects_each_under_its_key() -> None:
    keys = demo()
    found = needed_artifacts(keys)
    assert [(one.artifact.kind, one.artifact.name) for one in found] == [
        ("chunk", "libc-libs"),
        ("chunk", "libc-misc"),
        ("chunk", "stage1-libs"),
        ("chunk", "stage1-misc"),
        ("chunk", "zlib-libs"),
        ("chunk", "zlib-misc"),
        ("stratum", "base-devel"),
        ("stratum", "base-runtime"),
        ("stratum", "lone-z"),
        ("system", "demo-rootfs"),
    ]
    assert str(found[0]) == f"{keys.chunk['libc']}.chunk.libc-libs"


def test_direct_dependencies_of_artifacts() -> None:
    found = {
        artifact.name: [other.name for other in below]
        for artifact, below in artifact_dependencies(demo().graph)
    }
    assert found == {
        "stage1-libs": [],
        "stage1-misc": [],
        "libc-libs": ["stage1-libs", "stage1-misc"],
        "libc-misc": ["stage1-libs", "stage1-misc"],
        "zlib-libs": ["base-devel", "base-runtime"],
        "zlib-misc": ["base-devel", "base-runtime"],
        "idle-libs": ["base-devel", "base-runtime"],
        "idle-misc": ["base-devel", "base-runtime"],
        "base-devel": [],
        "base-runtime": ["libc-libs", "libc-misc"],
        "lone-z": ["zlib-libs", "base-devel", "base-runtime"],
        "lone-devel": ["base-devel", "base-runtime"],
        "lone-runtime": ["zlib-misc", "idle-libs", "idle-misc", "base-devel", "base-runtime"],
        "demo-rootfs": ["lone-z"],
    }


def test_the_lines_of_show_dependencies() -> None:
    lines = list(dependency_lines(demo().graph, "REPO", "REF"))
    assert lines[0] == "dependency graph for REPO|REF|systems/demo.morph:"
    place = lines.index(f"  upstream:zlib|{COMMIT}|zlib.morph|zlib|zlib-libs")
    assert lines[place + 1] == "    -> REPO|REF|strata/base.morph|base-devel|base-devel"
    assert lines[-2:] == [
        "  REPO|REF|systems/demo.morph|demo|demo-rootfs",
        "    -> REPO|REF|strata/lone.morph|lone-z|lone-z",
    ]
