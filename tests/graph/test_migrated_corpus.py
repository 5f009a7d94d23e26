"""The trees of real definitions, lifted to format 9: the same graphs, the same commands, and all comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import jsonschema
import pytest
import yaml

from lithify.definitions.loading import KINDS
from lithify.definitions.migration.detection import DETECT
from lithify.definitions.migration.files import read_texts
from lithify.definitions.migration.lifting import Lifted, lift
from lithify.definitions.migration.texts import Texts
from lithify.definitions.model import SystemFile
from lithify.definitions.schema import schema
from lithify.errors import DefinitionErrors
from lithify.graph.counts import counts
from lithify.graph.keys import Unresolved, definition_keys
from lithify.graph.model import Chunk, SystemGraph
from lithify.graph.pins import declared_pins
from lithify.graph.resolve import resolve
from lithify.graph.validation import faults_of
from lithify.process import run

pytestmark = pytest.mark.slow

OPEN = {
    "v0": {
        "its build system is found when it is built": 229,
        "is in its own repository": 2,
        "came with morph": 7,
        "is no commit, and not pinned yet": 5,
    },
    "v3": {
        "its build system is found when it is built": 346,
        "came with morph": 1,
        "is no commit, and not pinned yet": 5,
    },
    "v8": {"is no commit, and not pinned yet": 3},
}
"""What has to be looked at, and how often."""

FAULTS = {"v0": 8, "v3": 7, "v8": 7}
"""Errors that are left: those of the tree before, and in v0 the two chunk files that only lost repositories have."""


@pytest.fixture(scope="module")
def unpacked(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("corpus")
    for version in OPEN:
        run(["tar", "-xJf", str(corpus / f"definitions-{version}.tar.xz"), "-C", str(folder)])
    return {version: folder / f"definitions-{version}" for version in OPEN}


@lru_cache
def before(root: Path) -> Texts:
    return read_texts(root)


@lru_cache
def lifted(root: Path) -> Lifted:
    return lift(before(root))


def graphs(texts: Texts) -> dict[str, SystemGraph | tuple[str, ...]]:
    """Return each system's graph, or what is wrong with it."""
    definitions = texts.definitions()
    found: dict[str, SystemGraph | tuple[str, ...]] = {}
    for name in definitions.all_files():
        loaded = definitions.loaded(name)
        if loaded is not None and isinstance(loaded.file, SystemFile):
            try:
                found[name] = resolve(definitions, name)
            except DefinitionErrors as error:
                found[name] = tuple(f.message for f in error.faults if "chunk file" not in f.message)
    return found


def built_as_before(old: Chunk, new: Chunk) -> bool:
    """Whether a chunk's commands are the same; where only its source can tell, whether this is still so."""
    if old.unresolved:
        return bool(new.unresolved) or new.build_system == DETECT
    return (old.commands, old.build_system, new.unresolved) == (new.commands, new.build_system, "")


@pytest.mark.parametrize("version", OPEN)
def test_every_system_has_the_same_graph_and_commands(unpacked: Mapping[str, Path], version: str) -> None:
    old_graphs, new_graphs = graphs(before(unpacked[version])), graphs(lifted(unpacked[version]).texts)
    assert old_graphs.keys() == new_graphs.keys()
    for name, new in new_graphs.items():
        old = old_graphs[name]
        if not isinstance(old, SystemGraph) or not isinstance(new, SystemGraph):
            assert not isinstance(old, SystemGraph) and not isinstance(new, SystemGraph)
            assert set(old) <= set(new), name
            continue
        assert new.format == 9
        assert counts(new) == counts(old)
        assert list(new.chunks) == list(old.chunks)
        for chunk, one in new.chunks.items():
            was = old.chunks[chunk]
            assert built_as_before(was, one), (name, chunk)
            assert (one.sources, one.build_depends, one.stratum_depends, one.split_rules) == (
                (was.sources, was.build_depends, was.stratum_depends, was.split_rules)
            )
            assert (one.integration, one.devices, one.prefix, one.build_mode, one.max_jobs) == (
                (was.integration, was.devices, was.prefix, was.build_mode, was.max_jobs)
            )
        assert (new.system.selected, new.system.arch, new.needed) == (
            (old.system.selected, old.system.arch, old.needed)
        )


def test_keys_stay(unpacked: Mapping[str, Path]) -> None:
    name = "systems/devel-system-x86_64-generic.morph"
    keys = []
    for texts in (before(unpacked["v8"]), lifted(unpacked["v8"]).texts):
        graph = resolve(texts.definitions(), name)
        pins = declared_pins(source for chunk in graph.chunks.values() for source in chunk.sources)
        keys.append(definition_keys(graph, pins).chunk)
    assert not any(isinstance(key, Unresolved) for key in keys[0].values())
    assert keys[0] == keys[1]


@pytest.mark.parametrize("version", OPEN)
def test_what_needs_lost_sources_is_listed_with_places(unpacked: Mapping[str, Path], version: str) -> None:
    done = lifted(unpacked[version])
    asked = [note for note in done.notes if note.is_open]
    for phrase, number in OPEN[version].items():
        assert len([note for note in asked if phrase in note.message]) == number
    assert len(asked) == sum(OPEN[version].values())
    for note in done.notes:
        line = done.texts.files[note.place.file].splitlines()[note.place.line - 1]
        assert line == note.place.source_line
        name = re.match(r'chunk "([^"]+)"', note.message)
        assert name is None or "morph:" in line or "ref:" in line or name[1] in line
    errors = [fault for fault in faults_of(done.texts.definitions()) if fault.severity == "error"]
    assert len(errors) == FAULTS[version]


@pytest.mark.parametrize("version", OPEN)
def test_no_line_is_lost_and_none_touched_without_need(unpacked: Mapping[str, Path], version: str) -> None:
    old, done = before(unpacked[version]), lifted(unpacked[version])
    for name, text in old.files.items():
        new = iter(done.texts.files[name].splitlines())
        for line in text.splitlines():
            assert any(
                after == line or re.sub("# ", "", after, count=1) == line or name == "VERSION"
                for after in new
            ), (name, line)
    assert lift(done.texts) == Lifted(texts=done.texts, notes=())


@pytest.mark.parametrize("version", OPEN)
def test_the_schema_takes_what_was_migrated(unpacked: Mapping[str, Path], version: str) -> None:
    validators = {kind: jsonschema.Draft202012Validator(schema(kind)) for kind in KINDS}
    refused = []
    for name, text in lifted(unpacked[version]).texts.files.items():
        if name.endswith(".morph"):
            data = yaml.load(text, Loader=yaml.CSafeLoader)
            refused += [(name, error.message) for error in validators[data["kind"]].iter_errors(data)]
    assert refused == []


@pytest.mark.parametrize("version", OPEN)
def test_one_step_after_another_leads_to_the_same_tree(unpacked: Mapping[str, Path], version: str) -> None:
    texts = before(unpacked[version])
    for number in range(int(version[1:]) + 1, 10):
        texts = lift(texts, number).texts
        assert texts.definitions().format.number == number
    assert texts == lifted(unpacked[version]).texts
