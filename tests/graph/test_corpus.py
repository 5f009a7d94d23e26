"""The graph of every system of the three trees of real definitions; the figures are those of the corpus's README."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import astuple

from lithify.definitions.model import SystemFile
from lithify.definitions.tree import Definitions, load
from lithify.errors import DefinitionErrors
from lithify.graph.counts import Counts, counts
from lithify.graph.keys import Unresolved, definition_keys
from lithify.graph.picture import dot_text, graph_data
from lithify.graph.pins import declared_pins
from lithify.graph.resolve import resolve
from lithify.graph.validation import faults_of
from lithify.process import run
from tests.graph.plain_reading import figures_of, files_of

TREES = ("v0", "v3", "v8")
Tree = Callable[[str], Definitions]


@pytest.fixture(scope="session")
def tree(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Return a function that gives the tree of a version, unpacked and read once."""
    unpacked: dict[str, Definitions] = {}

    def of(version: str) -> Definitions:
        if version not in unpacked:
            folder = tmp_path_factory.mktemp(version)
            run(["tar", "-xJf", str(corpus / f"definitions-{version}.tar.xz"), "-C", str(folder)])
            unpacked[version] = load(folder / f"definitions-{version}")
        return unpacked[version]

    return of


def systems(definitions: Definitions) -> list[str]:
    loaded = ((name, definitions.loaded(name)) for name in definitions.all_files())
    return [name for name, one in loaded if one is not None and isinstance(one.file, SystemFile)]


def test_every_figure_of_the_readme_comes_out(corpus: Path, tree: Tree) -> None:
    rows = re.findall(
        r"^\| (v\d) \| ([\w-]+) \|([\d |]+)\|$", (corpus / "README.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 9
    for version, system, figures in rows:
        expected = dict(zip(Counts.__struct_fields__, map(int, figures.split("|")), strict=True))
        assert counts(resolve(tree(version), f"systems/{system}.morph")) == Counts(**expected), (
            version,
            system,
        )


def test_the_json_has_the_same_figures(tree: Tree) -> None:
    data = graph_data(resolve(tree("v8"), "systems/devel-system-x86_64-generic.morph"))
    chunks = [node for node in data["nodes"] if node["kind"] == "chunk"]
    why = [edge["why"] for edge in data["edges"]]
    assert len(chunks) == 351
    assert sum(node["in_system"] for node in chunks) == 331
    assert sum(node["build_mode"] == "bootstrap" for node in chunks) == 14
    assert (why.count("declared"), why.count("stratum")) == (654, 12038)
    assert {edge[end] for edge in data["edges"] for end in ("from", "to")} <= {
        node["id"] for node in data["nodes"]
    }


@pytest.mark.slow
@pytest.mark.parametrize("version", TREES)
def test_every_system_has_the_figures_of_a_plain_reading(tree: Tree, version: str) -> None:
    definitions = tree(version)
    files = files_of(definitions.root)
    compared = 0
    for name in systems(definitions):
        try:
            graph = resolve(definitions, name)
        except DefinitionErrors:
            continue
        assert astuple(counts(graph)) == figures_of(files, name, all_earlier=version == "v0"), name
        compared += 1
    assert compared == {"v0": 58, "v3": 65, "v8": 78}[version]


@pytest.mark.slow
@pytest.mark.parametrize("version", TREES)
def test_so_has_the_json_of_systems_that_no_table_names(tree: Tree, version: str) -> None:
    definitions = tree(version)
    files = files_of(definitions.root)
    sample = [name for name in systems(definitions) if Path(name).stem not in FAULTS[version]][::9]
    assert len(sample) >= 6
    for name in sample:
        data = graph_data(resolve(definitions, name))
        chunks = [node for node in data["nodes"] if node["kind"] == "chunk"]
        why = Counter(edge["why"] for edge in data["edges"])
        _, strata, *expected, _ = figures_of(files, name, all_earlier=version == "v0")
        assert sum(node["kind"] == "stratum" for node in data["nodes"]) == strata
        assert [
            len(chunks),
            sum(node["in_system"] for node in chunks),
            sum(node["build_mode"] == "bootstrap" for node in chunks),
            why["declared"],
            why["stratum"],
        ] == expected, name


FAULTS = {
    "v0": {
        "chef-system-x86_64-container": 'stratum "core" makes the artifact "core-openssl"',
        "build-system-x86_32": '"syslinux" is defined differently',
        "build-system-x86_64": '"syslinux" is defined differently',
        "cxmanage-system-x86_64-generic": '"ipmitool" is defined differently',
        "gitlab-ci-runner": '"xorg-util-macros" is defined differently',
        "qt4-devel-system-x86_64-generic": '"orc" is defined differently',
    },
    "v3": {
        "build-system-armv7lhf-jetson": '"device-tree-compiler" is defined differently',
        "build-system-x86_32": '"syslinux" is defined differently',
        "build-system-x86_64": '"syslinux" is defined differently',
        "chef-system-x86_64-container": 'stratum "core" makes the artifact "core-openssl"',
        "cxmanage-system-x86_64-generic": '"ipmitool" is defined differently',
        "devel-system-armv7lhf-jetson": '"device-tree-compiler" is defined differently',
        "qt4-devel-system-x86_64-generic": '"orc" is defined differently',
        "weston-system-armv7lhf-jetson": '"device-tree-compiler" is defined differently',
    },
    "v8": {
        "chef-system-x86_64-container": 'stratum "core" makes the artifact "core-openssl"',
        "cross-bootstrap-system-armv5l-generic": '"openssh" is defined differently',
        "cross-bootstrap-system-armv7lhf-generic": '"openssh" is defined differently',
        "cross-bootstrap-system-armv8b64-generic": '"openssh" is defined differently',
        "cross-bootstrap-system-armv8l64-generic": '"openssh" is defined differently',
        "cross-bootstrap-system-ppc64-generic": '"openssh" is defined differently',
        "cross-bootstrap-system-x86_64-generic": '"openssh" is defined differently',
        "cxmanage-system-x86_64-generic": '"ipmitool" is defined differently',
        "qt4-devel-system-x86_64-generic": '"orc" is defined differently',
    },
}
"""What is wrong with single systems, besides the chunk file that all of v3 lack."""


@pytest.mark.slow
@pytest.mark.parametrize("version", TREES)
def test_every_system_resolves_or_names_its_fault(tree: Tree, version: str) -> None:
    definitions = tree(version)
    found: dict[str, str] = {}
    for name in systems(definitions):
        try:
            graph = resolve(definitions, name)
            errors = [fault for fault in graph.faults if fault.severity == "error"]
            assert len(graph.chunks) == counts(graph).chunks
            assert list(graph.needed - graph.chunks.keys()) == []
            assert dot_text(graph).count("shape=ellipse") == len(graph.chunks)
        except DefinitionErrors as error:
            errors = [fault for fault in error.faults if fault.severity == "error"]
        assert all(fault.place.line > 1 and fault.place.source_line for fault in errors)
        own = [fault.message for fault in errors if "libfaketime" not in fault.message]
        assert (len(own) < len(errors)) == (version == "v3")
        if own:
            found[Path(name).stem] = own[0]
    assert found.keys() == FAULTS[version].keys()
    assert all(FAULTS[version][name] in message for name, message in found.items())


@pytest.mark.parametrize(("version", "known"), [("v8", 351), ("v3", 20), ("v0", 44)])
def test_what_is_pinned_by_a_commit_has_its_key_without_any_source(
    tree: Tree, version: str, known: int
) -> None:
    graph = resolve(tree(version), "systems/devel-system-x86_64-generic.morph")
    pins = declared_pins(source for chunk in graph.chunks.values() for source in chunk.sources)
    keys = definition_keys(graph, pins)
    resolved = {name: key for name, key in keys.chunk.items() if not isinstance(key, Unresolved)}
    assert len(resolved) == known
    assert len(set(resolved.values())) == known
    assert isinstance(keys.system, Unresolved) == (version != "v8")


ERRORS = {
    "v0": """
        chef-system-x86_64-container.morph:20 no split rule of stratum "core" makes the artifact "core-openssl"
        strata/bsp-x86_both-tools.morph:14 chunk "syslinux" is defined differently
        strata/bsp-x86_both-tools.morph:14 chunk "syslinux" is defined differently
        strata/multimedia-gstreamer.morph:9 chunk "orc" is defined differently
        strata/tools.morph:87 chunk "ipmitool" is defined differently
        strata/xorg-util-macros-common.morph:6 chunk "xorg-util-macros" is defined differently
        """,
    "v3": """
        strata/bsp-x86_both-tools.morph:13 chunk "syslinux" is defined differently
        strata/bsp-x86_both-tools.morph:13 chunk "syslinux" is defined differently
        strata/build-essential.morph:396 no file "strata/build-essential/libfaketime.morph"
        strata/multimedia-gstreamer.morph:9 chunk "orc" is defined differently
        strata/tools.morph:55 chunk "device-tree-compiler" is defined differently
        strata/tools.morph:69 chunk "ipmitool" is defined differently
        systems/chef-system-x86_64-container.morph:20 no split rule of stratum "core" makes the artifact "core-openssl"
        """,
    "v8": """
        clusters/genivi-demo-platform-x86_32-deploy.morph:18 no file "systems/initramfs-x86_32.morph"
        strata/foundation.morph:99 chunk "openssh" is defined differently
        strata/foundation.morph:111 chunk "rsync" is defined differently
        strata/go-docker.morph:19 chunk "iptables" has no build-system defined, and no chunk .morph
        strata/multimedia-gstreamer.morph:11 chunk "orc" is defined differently
        strata/tools.morph:52 chunk "ipmitool" is defined differently
        systems/chef-system-x86_64-container.morph:20 no split rule of stratum "core" makes the artifact "core-openssl"
        """,
}


@pytest.mark.parametrize("version", TREES)
def test_validation_lists_the_real_faults_and_nothing_else(tree: Tree, version: str) -> None:
    errors = [fault for fault in faults_of(tree(version)) if fault.severity == "error"]
    found = [f"{fault.place.file}:{fault.place.line} {fault.message}" for fault in errors]
    expected = [line.strip() for line in ERRORS[version].strip().splitlines()]
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found
