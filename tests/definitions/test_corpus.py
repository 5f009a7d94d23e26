"""Real definitions, as their authors left them: they load, and what is said of them is true of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lithify.definitions.model import ChunkFile, ClusterFile, ClusterSystem, StratumFile
from lithify.definitions.reading import read
from lithify.definitions.tree import Definitions, load
from lithify.definitions.validation import validate
from tests.definitions.conftest import told
from tests.definitions.test_reading import plain
from tests.graph.plain_reading import Files, files_of

pytestmark = pytest.mark.slow

COUNTS = {8: (499, 142, 86, 39, 1078), 3: (383, 104, 72, 27, 722), 0: (342, 89, 63, 22, 566)}
"""Format → chunk, stratum, system and cluster files, chunk entries in strata."""

OTHER_NAMES = {
    8: [("linux-armv7l-altera-socfpga-devkit", "linux-armv7l-socfpga-devkit"),
        ("linux-x86-64-generic", "linux-x86-64-ivi"), ("lua51", "lua")],
    3: [("httpd", "httpd-server"), ("linux-armv5l-openbmc-aspeed-wedge", "linux-armv5l-openbmc-aspeed"),
        ("ipaddress-master", "ipaddress-0.8.0"), ("bullet3", "bullet"), ("DLT-daemon", "DLT-deamon"),
        ("libserf-tarball", "libserf"), ("pysinglefile", "pysendfile"), ("subunit", "python-subunit"),
        ("unionfs.fuse", "unionfs-fuse"), ("java-ant", "ant")],
    0: [("httpd", "httpd-server"), ("ipaddress-master", "ipaddress-0.8.0"), ("bullet3", "bullet"),
        ("libserf-tarball", "libserf"), ("java-ant", "ant")],
}  # fmt: skip
"""Chunk entries whose name differs from their file's."""

ERRORS = {
    8: ['clusters/genivi-demo-platform-x86_32-deploy.morph:18:12: error: no file "systems/initramfs-x86_32.morph"',
        'strata/go-docker.morph:19:3: error: chunk "iptables" has no build-system defined, and no chunk .morph'],
    3: ['strata/build-essential.morph:396:10: error: no file "strata/build-essential/libfaketime.morph"'],
    0: [],
}  # fmt: skip
"""All real errors: in format 0 a chunk file that is missing may be in the chunk's repository."""

MISSPELT = {8: 0, 3: 5, 0: 3}
"""Entries that say ``unpretrify-ref``."""


@pytest.mark.parametrize("number", [0, 3, 8])
def test_real_faults_and_nothing_else(real_trees: Mapping[int, Path], number: int) -> None:
    faults = validate(real_trees[number])
    assert told(fault for fault in faults if fault.severity == "error") == ERRORS[number]
    warnings = [fault.message for fault in faults if fault.severity == "warning"]
    names = [
        f'chunk "{entry}" is named "{file}" in its file; the entry\'s name counts'
        for entry, file in OTHER_NAMES[number]
    ]
    typos = ['unknown field "unpretrify-ref" in a chunk entry'] * MISSPELT[number]
    assert sorted(warnings) == sorted([*names, *typos])


@pytest.mark.parametrize("number", [0, 3, 8])
def test_counts(real_trees: Mapping[int, Path], number: int) -> None:
    definitions = load(real_trees[number])
    assert definitions.format.number == number
    loaded = [definitions.loaded(name) for name in definitions.all_files()]
    files = [one.file for one in loaded if one is not None and one.file is not None]
    kinds = Counter(file.kind for file in files)
    entries = sum(len(file.chunks) for file in files if isinstance(file, StratumFile))
    counted = (kinds["chunk"], kinds["stratum"], kinds["system"], kinds["cluster"], entries)
    assert counted == COUNTS[number]
    assert len(files) == len(definitions.all_files()) == sum(COUNTS[number][:4])


TRIPS = {
    # what:                                                   (v0, v3, v8)
    "files not named as they are":                             (20, 22, 22),
    "chunk entries not named as their file":                   (5, 10, 3),
    "products not named after their chunk":                    (3, 3, 3),
    "entries without morph and build-system":                  (229, 346, 1),
    "deployment variables: bool":                              (17, 98, 115),
    "deployment variables: int":                               (21, 28, 27),
    "deployment variables: NoneType":                          (0, 0, 3),
    "deployment variables: tuple":                             (0, 2, 2),
    "unpetrify-ref that YAML reads as a number":               (3, 17, 1),
    "chunk files with devices":                                (2, 2, 2),
    "device nodes":                                            (10, 10, 10),
    "entries that list a dependency twice":                    (0, 1, 1),
    "chunk files that are missing":                            (2, 1, 0),
    "systems that a cluster names and are missing":            (0, 0, 1),
}  # fmt: skip
"""What a simple reader trips over, tree by tree.

Where the corpus's README has a number for one of these, it is of more trees than the three that came with it (device nodes
in ten chunk files, of which each tree has two): the numbers of the three are here, as :func:`tripped` counts them from plain
YAML and :func:`understood` from what the program makes of it.
"""


@pytest.mark.parametrize("number", [0, 3, 8])
def test_what_trips_a_simple_reader(real_trees: Mapping[int, Path], number: int) -> None:
    expected = {what: figures[(0, 3, 8).index(number)] for what, figures in TRIPS.items()}
    plainly = tripped(files_of(real_trees[number]))
    assert {what: plainly[what] for what in expected} == expected
    read_so = understood(load(real_trees[number]))
    assert {what: expected[what] for what in read_so} == dict(read_so)


def tripped(files: Files) -> Counter[str]:
    """Return what trips a simple reader, counted from the YAML."""
    found: Counter[str] = Counter()
    for path, file in files.items():
        found["files not named as they are"] += Path(path).stem != file["name"]
        for product in file.get("products") or [] if file["kind"] == "chunk" else []:
            named = product["artifact"].startswith(f"{file['name']}-")
            found["products not named after their chunk"] += not named
        found["chunk files with devices"] += bool(file.get("devices"))
        found["device nodes"] += len(file.get("devices") or [])
        for entry in file["chunks"] if file["kind"] == "stratum" else []:
            own = files.get(entry.get("morph"))
            found["chunk entries not named as their file"] += own is not None and own["name"] != entry["name"]
            found["entries without morph and build-system"] += (
                "morph" not in entry and "build-system" not in entry
            )
            found["chunk files that are missing"] += own is None and "morph" in entry
            depends = entry.get("build-depends") or []
            found["entries that list a dependency twice"] += len(depends) != len(set(depends))
            number = isinstance(entry.get("unpetrify-ref"), (int, float))
            found["unpetrify-ref that YAML reads as a number"] += number
        for system in _systems_of(file.get("systems") or []):
            found["systems that a cluster names and are missing"] += system["morph"] not in files
            for variables in (system.get("deploy-defaults") or {}, *(system.get("deploy") or {}).values()):
                for value in variables.values():
                    kind = "tuple" if isinstance(value, list) else type(value).__name__
                    found[f"deployment variables: {kind}"] += 1
    return found


def _systems_of(systems: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for system in systems for one in (system, *_systems_of(system.get("subsystems") or []))]


def understood(definitions: Definitions) -> Mapping[str, int]:
    """Return the same of what the program made of the files."""
    kinds: Counter[str] = Counter(dict.fromkeys(("bool", "int", "NoneType", "tuple"), 0))
    found: Counter[str] = Counter()
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        file = None if loaded is None else loaded.file
        if isinstance(file, ClusterFile):
            for system in _systems(file.systems):
                for deployment in (system.deploy_defaults, *system.deploy.values()):
                    kinds.update(type(value).__name__ for value in deployment.values.values())
        elif isinstance(file, ChunkFile):
            found["chunk files with devices"] += bool(file.devices)
            found["device nodes"] += len(file.devices)
        elif isinstance(file, StratumFile):
            undeclared = sum(entry.morph is entry.build_system is None for entry in file.chunks)
            found["entries without morph and build-system"] += undeclared
    told_apart = ("bool", "int", "NoneType", "tuple")
    return {**found, **{f"deployment variables: {kind}": kinds[kind] for kind in told_apart}}


def test_a_version_that_looks_like_a_number_stays_as_written(real_trees: Mapping[int, Path]) -> None:
    strata = [load(root).loaded(name) for root in real_trees.values() for name in load(root).all_files()]
    entries = [
        entry
        for one in strata
        if one is not None and isinstance(one.file, StratumFile)
        for entry in one.file.chunks
    ]
    assert sum(entry.unpetrify_ref == "0.22" for entry in entries) == 4


def _systems(systems: tuple[ClusterSystem, ...]) -> list[ClusterSystem]:
    return [one for system in systems for one in (system, *_systems(system.subsystems))]


@pytest.mark.parametrize("number", [0, 3, 8])
def test_values_are_those_that_pyyaml_reads(real_trees: Mapping[int, Path], number: int) -> None:
    for path in real_trees[number].rglob("*.morph"):
        content = path.read_bytes()
        contents = read(path.name, content)
        assert contents.faults == ()
        assert plain(contents.root) == yaml.load(content, Loader=yaml.CSafeLoader)


def test_validation_is_fast(real_trees: Mapping[int, Path]) -> None:
    start = time.process_time()
    validate(real_trees[8])
    assert time.process_time() - start < 1.2
