"""Real definitions, as their authors left them: they load, and what is said of them is true of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from lithify.definitions.model import ChunkFile, ClusterFile, ClusterSystem, StratumFile
from lithify.definitions.reading import read
from lithify.definitions.tree import load
from lithify.definitions.validation import validate
from tests.definitions.conftest import told
from tests.definitions.test_reading import plain

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


def test_what_trips_a_simple_reader(real_trees: Mapping[int, Path]) -> None:
    values: Counter[str] = Counter()
    devices, floats, undeclared = set(), 0, 0
    for number, root in real_trees.items():
        definitions = load(root)
        for name in definitions.all_files():
            loaded = definitions.loaded(name)
            file = None if loaded is None else loaded.file
            if isinstance(file, ClusterFile):
                for system in _systems(file.systems):
                    for deployment in (system.deploy_defaults, *system.deploy.values()):
                        values.update(type(value).__name__ for value in deployment.values.values())
            elif isinstance(file, ChunkFile) and file.devices:
                devices.add((number, name))
            elif isinstance(file, StratumFile):
                undeclared += sum(entry.morph is entry.build_system is None for entry in file.chunks)
                floats += sum(entry.unpetrify_ref == "0.22" for entry in file.chunks)
    assert values["bool"] > 0
    assert values["int"] > 0
    assert values["NoneType"] > 0
    assert values["tuple"] > 0
    assert len(devices) >= 3
    assert floats == 4
    assert undeclared == 576  # 229 in format 0, 346 in format 3, and the one that is a fault in format 8


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
