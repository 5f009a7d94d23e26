from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lithify.definitions.model import DebianBinaries, GitSource
from lithify.errors import DefinitionErrors, Fault
from lithify.graph.model import Integration, SelectedArtifact, SystemGraph
from lithify.graph.resolve import require_sound, resolve
from tests.graph.trees import COMMIT, chunk, files, stratum, system, tree

BASE = stratum("base", [chunk("libc"), chunk("busybox", "libc")])


def faults_of(definitions: Mapping[str, str | Mapping[str, Any]], *, version: int = 9) -> list[str]:
    with pytest.raises(DefinitionErrors) as caught:
        resolve(tree(definitions, version=version), "systems/demo.morph")
    return [shown(fault) for fault in caught.value.faults if fault.severity == "error"]


def shown(fault: Fault) -> str:
    related = "".join(f"; {p.file}:{p.line}:{p.column} {text}" for p, text in fault.related)
    return f"{fault.place.file}:{fault.place.line}:{fault.place.column} {fault.message}{related}"


def test_everything_of_a_small_system() -> None:
    graph = resolve(
        tree(
            {
                "systems/demo.morph": """
                    name: demo
                    kind: system
                    arch: x86_64
                    description: A system
                    strata:
                    - morph: strata/core.morph
                      artifacts: [core-runtime]
                    overlaps: {usr/share/**: allow, usr/share/info/dir: refuse}
                    os-release: {NAME: Demo, ID: demo}
                    """,
                "strata/core.morph": """
                    name: core
                    kind: stratum
                    build-depends: [{morph: strata/base.morph}]
                    chunks:
                    - name: zlib
                      repo: upstream:zlib
                      ref: main
                      morph: strata/core/zlib.morph
                      prefix: /opt
                    - name: tool
                      sources:
                      - {kind: debian, packages: [bash], suite: bookworm, into: deb}
                      build-depends: [zlib, zlib]
                      build-system: autotools
                      install-commands: [make install, "true"]
                      pre-build-commands: [./prepare]
                      environment: {CFLAGS: -O2, AR: ar}
                    """,
                "strata/core/zlib.morph": """
                    name: zlib
                    kind: chunk
                    licence: Zlib
                    build-system: manual
                    build-commands: [!!binary bWFrZQ==]
                    products: [{artifact: zlib-extra, include: [etc/.*]}]
                    system-integration:
                      zlib-libs: {01-b: [second], 00-a: [ldconfig]}
                    devices:
                    - {type: c, filename: /dev/null, permissions: "0666", major: 1, minor: 3, uid: 0, gid: 5}
                    """,
                "strata/base.morph": BASE,
            }
        ),
        "systems/demo.morph",
    )
    assert graph.faults == ()
    assert list(graph.chunks) == ["libc", "busybox", "zlib", "tool"]
    assert list(graph.strata) == ["base", "core"]
    zlib, tool = graph.chunks["zlib"], graph.chunks["tool"]
    assert (zlib.file, zlib.stratum, zlib.prefix, zlib.stratum_depends) == (
        "strata/core/zlib.morph",
        "core",
        "/opt",
        ("base",),
    )
    assert (zlib.place.file, zlib.place.line) == ("strata/core.morph", 6)
    assert zlib.sources == (GitSource(url="upstream:zlib", ref="main"),)
    assert zlib.commands == (("build", (b"make",)),)
    assert zlib.licensing.licence == "Zlib"
    assert zlib.artifacts[0] == "zlib-extra"
    assert zlib.integration == (
        Integration(artifact="zlib-libs", prefix="00-a", commands=("ldconfig",)),
        Integration(artifact="zlib-libs", prefix="01-b", commands=("second",)),
    )
    assert (zlib.devices[0].filename, zlib.devices[0].mode, zlib.devices[0].gid) == ("dev/null", 0o666, 5)
    assert tool.file == "tool.morph"
    assert tool.sources == (DebianBinaries(packages=("bash",), suite="bookworm", arch="amd64", into="deb"),)
    assert tool.build_depends == ("zlib",)
    assert dict(tool.commands)["pre-build"] == ("./prepare",)
    assert dict(tool.commands)["install"] == ("make install", "true")
    assert dict(tool.commands)["build"] == ("make",)
    assert tool.environment == (("AR", "ar"), ("CFLAGS", "-O2"))
    system_ = graph.system
    assert (system_.strata, system_.stratum_artifacts) == (("core",), (("core", "core-runtime"),))
    assert system_.overlaps == (("usr/share/info/dir", "refuse"), ("usr/share/**", "allow"), ("**", "warn"))
    assert system_.os_release == (("ID", "demo"), ("NAME", "Demo"))
    assert SelectedArtifact(
        stratum="core", stratum_artifact="core-runtime", chunk="zlib", artifact="zlib-extra"
    ) in set(system_.selected)
    assert {item.artifact for item in system_.selected if item.chunk == "zlib"} == {
        "zlib-extra",
        "zlib-bins",
        "zlib-libs",
        "zlib-locale",
        "zlib-misc",
    }
    assert graph.needed == {"libc", "busybox", "zlib", "tool"}


def test_layers_are_as_the_system_lists_strata_and_the_stratum_its_chunks() -> None:
    above = stratum("above", [chunk("z"), chunk("a")], "base")
    selected = resolve(
        tree(files(system("above", "base"), above, BASE)), "systems/demo.morph"
    ).system.selected
    assert list(dict.fromkeys(item.chunk for item in selected)) == ["z", "a", "libc", "busybox"]
    assert [item.artifact for item in selected if item.chunk == "a"][:2] == ["a-bins", "a-libs"]


def test_what_no_selected_artifact_needs_is_not_needed() -> None:
    lone = stratum(
        "lone",
        [chunk("used", "helper"), chunk("helper"), chunk("idle", "used")],
        "base",
        products=[{"artifact": "lone-used", "include": ["used-.*"]}],
    )
    demo = system({"morph": "strata/lone.morph", "artifacts": ["lone-used"]})
    graph = resolve(tree(files(demo, lone, BASE)), "systems/demo.morph")
    assert graph.needed == {"used", "helper", "libc", "busybox"}
    assert {item.chunk for item in graph.system.selected} == {"used"}


def test_a_bootstrap_chunk_is_needed_by_its_stratum_and_never_selected() -> None:
    first = stratum(
        "first",
        [
            chunk("stage1", build_mode="bootstrap"),
            chunk("cc", "stage1"),
            chunk("lost", build_mode="bootstrap"),
        ],
    )
    graph = resolve(tree(files(system("first"), first)), "systems/demo.morph")
    assert graph.needed == {"stage1", "cc"}
    assert {item.chunk for item in graph.system.selected} == {"cc"}


def test_format_0_without_build_depends_means_all_earlier_chunks() -> None:
    chunks = [chunk("a", build_mode="bootstrap"), chunk("b"), {**chunk("c"), "build-depends": []}]
    for version, expected in ((None, ("a",)), (1, ())):
        definitions = tree(files(system("s"), {**stratum("s", chunks)}), version=version)
        graph = resolve(definitions, "systems/demo.morph")
        assert graph.chunks["b"].build_depends == expected
        assert graph.chunks["c"].build_depends == ()


def undetected() -> SystemGraph:
    entry = {"name": "a", "repo": "upstream:a", "ref": COMMIT}
    one = stratum("s", [{**chunk("boot"), "build-mode": "bootstrap"}, entry, chunk("b", "a")])
    return resolve(tree(files(system("s"), one), version=3), "systems/demo.morph")


def test_what_only_the_source_can_tell_is_unresolved_and_no_fault() -> None:
    graph = undetected()
    assert graph.chunks["a"].unresolved == "only its source can tell how it is built"
    assert graph.chunks["b"].unresolved == ""
    assert graph.faults == ()
    require_sound(graph)


def test_a_source_is_asked_how_its_chunk_is_built() -> None:
    entry = {"name": "a", "repo": "upstream:a", "ref": COMMIT}
    one = stratum("s", [{**chunk("boot"), "build-mode": "bootstrap"}, entry])
    definitions = tree(files(system("s"), one), version=3)
    by_files = resolve(definitions, "systems/demo.morph", detect=lambda entry, found: "autotools")
    assert dict(by_files.chunks["a"].commands)["build"] == ("make",)
    assert (by_files.chunks["a"].build_system, by_files.chunks["a"].unresolved) == ("autotools", "")
    own = definitions.chunk_from("a.morph", b"name: a\nkind: chunk\nbuild-commands: [ninja]\n")
    by_its_file = resolve(definitions, "systems/demo.morph", detect=lambda entry, found: own)
    assert by_its_file.chunks["a"].commands == (("build", ("ninja",)),)


def test_old_names_of_architectures_mean_the_new_ones() -> None:
    one = stratum("s", [chunk("a", build_mode="bootstrap"), chunk("b")])
    graph = resolve(tree(files(system("s", arch="armv7"), one), version=3), "systems/demo.morph")
    assert (graph.system.arch, graph.chunks["b"].arch) == ("armv7l", "armv7l")


def test_a_missing_chunk_file_leaves_all_else_as_it_is() -> None:
    one = stratum("s", [{**chunk("a", morph="strata/gone.morph")}, chunk("b")])
    graph = resolve(tree(files(system("s"), one)), "systems/demo.morph")
    assert [shown(fault) for fault in graph.faults] == ['strata/s.morph:8:10 no file "strata/gone.morph"']
    assert graph.chunks["a"].unresolved == 'no file "strata/gone.morph"'
    assert graph.chunks["b"].unresolved == ""
    with pytest.raises(DefinitionErrors, match="gone"):
        require_sound(graph)


def test_what_is_wrong_with_a_chunk_that_nobody_needs_stops_no_build() -> None:
    one = stratum(
        "s",
        [chunk("a", morph="gone"), chunk("b")],
        products=[{"artifact": "s-b", "include": ["b-.*"]}],
    )
    demo = system({"morph": "strata/s.morph", "artifacts": ["s-b"]})
    require_sound(resolve(tree(files(demo, one)), "systems/demo.morph"))


def test_an_artifact_that_its_stratum_does_not_make_is_a_fault() -> None:
    demo = system({"morph": "strata/base.morph", "artifacts": ["base-runtime", "base-minimal"]})
    graph = resolve(tree(files(demo, BASE)), "systems/demo.morph")
    assert [shown(fault) for fault in graph.faults] == [
        (
            'systems/demo.morph:8:5 no split rule of stratum "base" makes the artifact "base-minimal"; '
            "strata/base.morph:1:7 the stratum"
        )
    ]
    with pytest.raises(DefinitionErrors):
        require_sound(graph)


def test_integration_for_an_artifact_that_is_not_made() -> None:
    entry = chunk("a", morph="a.morph")
    named = {
        "name": "a",
        "kind": "chunk",
        "build-system": "manual",
        "system-integration": {"b-libs": {"00": ["x"]}},
    }
    for version, severity in ((8, "warning"), (9, "error")):
        defaults = "split-rules: {chunk: [{artifact: -libs, include: [.*]}], stratum: []}\n"
        definitions: dict[str, str | Mapping[str, Any]] = {
            **files(system("s"), stratum("s", [entry, chunk("z", build_system="manual", build_mode="test")])),
            "a.morph": named,
            "DEFAULTS": defaults,
        }
        graph = resolve(tree(definitions, version=version), "systems/demo.morph")
        assert [fault.severity for fault in graph.faults] == [severity]
        assert 'makes the artifact "b-libs"' in graph.faults[0].message
        assert graph.chunks["a"].integration == ()


def test_one_chunk_of_two_strata_is_one_chunk_where_they_agree() -> None:
    left = stratum("left", [chunk("x", "l"), chunk("l")])
    right = stratum("right", [chunk("r"), chunk("x", "r")])
    graph = resolve(tree(files(system("left", "right"), left, right)), "systems/demo.morph")
    assert graph.chunks["x"].stratum == "left"
    assert graph.chunks["x"].build_depends == ("l", "r")
    assert [item.artifact for item in graph.system.selected].count("x-libs") == 1


def test_two_definitions_of_one_name_show_both_and_what_differs() -> None:
    left, right = stratum("left", [chunk("x")]), stratum("right", [chunk("x", ref="v2", max_jobs=1)])
    with pytest.raises(DefinitionErrors) as caught:
        resolve(tree(files(system("left", "right"), left, right)), "systems/demo.morph")
    (fault,) = caught.value.faults
    assert shown(fault) == (
        'strata/right.morph:5:9 chunk "x" is defined differently in the strata left and right; '
        "strata/left.morph:5:9 the other definition"
    )
    assert fault.hint == "they differ in ref, max-jobs; give one of them another name, or make them equal"


def test_a_cycle_of_chunks_is_shown_as_the_cycle() -> None:
    one = stratum(
        "s", [chunk("a", "b"), chunk("b", "c"), chunk("c", "a"), chunk("free"), chunk("self", "self")]
    )
    assert faults_of(files(system("s"), one)) == [
        (
            "strata/s.morph:10:5 chunks depend on each other: a → b → c → a; strata/s.morph:10:5 a needs b; "
            "strata/s.morph:16:5 b needs c; strata/s.morph:22:5 c needs a"
        ),
        "strata/s.morph:32:5 self depends on itself; strata/s.morph:32:5 self needs self",
    ]


def test_a_cycle_of_strata_is_shown_as_the_cycle() -> None:
    strata = [
        stratum("a", [chunk("x")], "b"),
        stratum("b", [chunk("y")], "c"),
        stratum("c", [chunk("z")], "a"),
    ]
    assert faults_of(files(system("b"), *strata)) == [
        (
            "strata/a.morph:4:10 strata depend on each other: a → b → c → a; strata/a.morph:4:10 a build-depends on b; "
            "strata/b.morph:4:10 b build-depends on c; strata/c.morph:4:10 c build-depends on a"
        )
    ]


def test_a_stratum_that_depends_on_itself() -> None:
    assert faults_of(files(system("a"), stratum("a", [chunk("x")], "a"))) == [
        "strata/a.morph:4:10 stratum a build-depends on itself"
    ]


def test_two_strata_of_one_name() -> None:
    other = {**stratum("base", [chunk("x")]), "name": "base"}
    demo = system("base", {"morph": "strata/other.morph"})
    assert faults_of({**files(demo, BASE), "strata/other.morph": other}) == [
        (
            'systems/demo.morph:6:10 two strata of one system have the name "base"; strata/base.morph:1:7 the first one; '
            "strata/other.morph:1:7 the second one"
        )
    ]


def test_all_faults_come_in_one_run_sorted_by_place() -> None:
    one = stratum("s", [chunk("a", "zlob"), chunk("zlib"), chunk("b", morph="gone.morph")], "missing")
    found = faults_of(files(system("s", "away"), one))
    assert [text.split(" ", 1) for text in found] == [
        ["strata/s.morph:4:10", 'no file "strata/missing.morph"'],
        ["strata/s.morph:11:5", 'chunk "a" build-depends on "zlob", which is not in stratum s'],
        ["systems/demo.morph:6:10", 'no file "strata/away.morph"'],
    ]


def test_a_graph_of_bootstrap_chunks_alone_is_an_error_in_classic_formats() -> None:
    one = stratum("s", [chunk("a", build_mode="bootstrap")])
    assert faults_of(files(system("s"), one), version=3) == [
        "systems/demo.morph:1:1 No non-bootstrap chunks found"
    ]
    assert resolve(tree(files(system("s"), one)), "systems/demo.morph").needed == frozenset()


def test_debian_packages_for_an_architecture_that_debian_has_not() -> None:
    sources = [{"kind": "debian", "packages": ["bash"], "suite": "bookworm"}]
    one = stratum("s", [{"name": "a", "sources": sources, "build-system": "import"}])
    graph = resolve(tree(files(system("s", arch="testarch"), one)), "systems/demo.morph")
    assert [fault.message for fault in graph.faults] == ["Debian has no name for the architecture testarch"]
    sources[0]["arch"] = "riscv64"
    assert resolve(tree(files(system("s", arch="testarch"), one)), "systems/demo.morph").faults == ()


def test_what_an_entry_says_counts_before_its_file() -> None:
    entry = chunk("a", morph="a.morph", timeout=60, environment={"A": "entry"})
    own = {
        "name": "a",
        "kind": "chunk",
        "build-system": "autotools",
        "timeout": 5,
        "environment": {"A": "file"},
        "max-jobs": 3,
    }
    graph = resolve(tree({**files(system("s"), stratum("s", [entry])), "a.morph": own}), "systems/demo.morph")
    made = graph.chunks["a"]
    assert (made.timeout, made.environment, made.max_jobs) == (60, (("A", "entry"),), 3)


def test_a_chain_of_thousands_of_chunks_meets_no_limit() -> None:
    chunks = [chunk("c0"), *(chunk(f"c{number}", f"c{number - 1}") for number in range(1, 3000))]
    graph = resolve(tree(files(system("s"), stratum("s", chunks[::-1]))), "systems/demo.morph")
    assert list(graph.chunks)[:2] == ["c0", "c1"]
    assert len(graph.needed) == 3000
