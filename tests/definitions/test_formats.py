"""The table of what differs between the formats, and what each of its rows does to a tree."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lithify.definitions.formats import CHANGES, FIRST_FORMAT, FORMATS, IGNORED, OBSOLETE, SPANS
from lithify.definitions.loading import load_file
from lithify.definitions.model import ChunkBody, ChunkEntry, ChunkFile, StratumFile, SystemFile
from lithify.definitions.schema import all_models
from lithify.definitions.tree import load
from lithify.definitions.validation import validate
from tests.definitions.conftest import MakeTree, told

STRATUM = """
    name: core
    kind: stratum
    chunks:
    - {name: a, repo: "upstream:a", ref: abc, build-mode: bootstrap, %s}
"""


def test_the_index_of_a_format_is_its_number() -> None:
    assert [form.number for form in FORMATS] == list(range(10))
    assert [change.format for change in CHANGES] == list(range(1, 10))


def test_every_field_of_the_table_is_a_field_of_a_model() -> None:
    fields = {model.kind_of_mapping: set(model.field_names()) for model in all_models()}
    for span in SPANS:
        assert set(span.fields) <= fields[span.kind]
    for gone in (IGNORED, OBSOLETE):
        for kind, names in gone.items():
            assert fields[kind].isdisjoint(names) or kind == "stratum selection"


def test_a_chunk_entry_of_format_9_takes_what_a_chunk_file_takes() -> None:
    assert set(ChunkBody.field_names()) <= set(ChunkEntry.field_names())
    new = {name for name in ChunkBody.field_names() if FIRST_FORMAT.get(("chunk entry", name), 0) == 9}
    assert set(ChunkBody.field_names()) - new == {"build-system"}


@pytest.mark.parametrize(
    ("number", "field", "severity"),
    [(4, "strip-commands", "error"), (5, "strip-commands", ""), (8, "environment", "error"), (9, "environment", "")],
)  # fmt: skip
def test_top_level_fields_came_with_a_format(number: int, field: str, severity: str) -> None:
    value = "[]" if field == "strip-commands" else "{}"
    loaded = load_file("x", f"name: x\nkind: chunk\n{field}: {value}\n".encode(), FORMATS[number])
    assert [fault.severity for fault in loaded.faults] == ([severity] if severity else [])
    if severity:
        since = FIRST_FORMAT["chunk", field]
        message = f'field "{field}" of a chunk came with format {since}; this tree is in format {number}'
        assert loaded.faults[0].message == message


@pytest.mark.parametrize(("number", "severity"), [(0, "warning"), (8, "warning"), (9, "error")])
def test_unknown_fields_below_the_top_level(number: int, severity: str) -> None:
    text = b"name: x\nkind: stratum\nchunks: [{name: a, unpretrify-ref: b}]\n"
    (fault,) = load_file("x", text, FORMATS[number]).faults
    assert (fault.severity, fault.place.column) == (severity, 20)
    assert fault.hint == 'did you mean "unpetrify-ref"?'


@pytest.mark.parametrize("number", range(10))
def test_unknown_fields_of_the_top_level_are_errors_in_every_format(number: int) -> None:
    (fault,) = load_file("x", b"name: x\nkind: chunk\nfoo: 1\n", FORMATS[number]).faults
    assert fault.severity == "error"


@pytest.mark.parametrize("number", range(10))
def test_build_mode_in_a_chunk_file_is_ignored_before_format_9(number: int) -> None:
    loaded = load_file("x", b"name: x\nkind: chunk\nbuild-mode: bootstrap\n", FORMATS[number])
    assert [fault.severity for fault in loaded.faults] == ["error" if number == 9 else "warning"]
    assert isinstance(loaded.file, ChunkFile)


@pytest.mark.parametrize("number", range(10))
def test_obsolete_fields_and_names(number: int) -> None:
    text = b"name: x\nkind: system\narch: armv7\ndisk-size: 1G\nstrata: [{morph: a, repo: b}]\n"
    loaded = load_file("x", text, FORMATS[number])
    assert isinstance(loaded.file, SystemFile)
    if number <= 6:
        assert {fault.severity for fault in loaded.faults} == {"warning"}
        assert loaded.file.arch == "armv7l"
    else:
        assert {fault.severity for fault in loaded.faults} == {"error"} | (
            {"warning"} if number < 9 else set()
        )
        assert loaded.file.arch == "armv7"


def _tree(tree: MakeTree, number: int, files: Mapping[str, str]) -> list[str]:
    defaults = {"DEFAULTS": "build-systems: {own: {}}\n"} if number in (7, 8) else {}
    return told(validate(tree({"VERSION": f"version: {number}\n", **defaults, **files})))


@pytest.mark.parametrize("number", range(10))
def test_a_chunk_file_may_be_in_the_repository_in_formats_0_and_1(tree: MakeTree, number: int) -> None:
    faults = _tree(tree, number, {"core.morph": STRATUM % "morph: chunks/a.morph"})
    missing = ['core.morph:4:73: error: no file "chunks/a.morph"']
    assert faults == ([] if number < 2 else missing)


@pytest.mark.parametrize("number", range(10))
def test_a_chunk_may_be_detected_in_formats_below_6(tree: MakeTree, number: int) -> None:
    faults = _tree(tree, number, {"core.morph": STRATUM % "prefix: /usr"})
    undefined = ['core.morph:4:3: error: chunk "a" has no build-system defined, and no chunk .morph']
    assert faults == ([] if number < 6 else undefined)


@pytest.mark.parametrize("number", range(10))
def test_a_stratum_begins_with_bootstrap_chunks_before_format_9(tree: MakeTree, number: int) -> None:
    text = STRATUM.replace("bootstrap", "staging") % "build-system: manual"
    expected = [
        "core.morph:1:1: error: stratum core has no build-depends, and no chunk in bootstrap mode to begin with"
    ]
    assert _tree(tree, number, {"core.morph": text}) == ([] if number == 9 else expected)


@pytest.mark.parametrize("number", range(10))
def test_chunks_in_their_stratum_are_of_format_9(tree: MakeTree, number: int) -> None:
    text = STRATUM % "build-system: manual, install-commands: [make]"
    faults = _tree(tree, number, {"core.morph": text})
    message = f'field "install-commands" of a chunk entry came with format 9; this tree is in format {number}'
    assert faults == ([] if number == 9 else [f"core.morph:4:88: warning: {message}"])


@pytest.mark.parametrize("number", range(10))
def test_where_build_systems_and_split_rules_come_from(tree: MakeTree, number: int) -> None:
    root = tree(
        {
            "VERSION": f"version: {number}\n",
            "DEFAULTS": """
                build-systems:
                  own: {build-commands: [own]}
                  autotools: {build-commands: [other]}
                split-rules:
                  chunk:
                  - {artifact: -own, include: [own/.*]}
                  - {artifact: -misc, include: [x]}
            """,
        }
    )
    defaults = load(root).defaults
    suffixes = [rule.artifact for rule in defaults.chunk_rules]
    built_in = ["-bins", "-libs", "-devel", "-doc", "-locale", "-misc"]
    if number <= 6:
        assert "own" not in defaults.build_systems
        assert suffixes == built_in
        strips = any(commands.get("strip") for commands in defaults.build_systems.values())
        assert strips == (number >= 5)
    elif number <= 8:
        assert set(defaults.build_systems) == {"manual", "own", "autotools"}
        assert suffixes == ["-own", "-misc"]
        assert [(rule.artifact, rule.include) for rule in defaults.stratum_rules] == [("", (".*",))]
    else:
        assert {"own", "autotools", "import", "meson", "python"} <= set(defaults.build_systems)
        assert defaults.build_systems["autotools"]["build"] == ("other",)
        assert suffixes == ["-own", *built_in]
        assert defaults.chunk_rules[-1].include == ("x",)


@pytest.mark.parametrize("number", [7, 8, 9])
def test_without_defaults_file(tree: MakeTree, number: int) -> None:
    root = tree({"VERSION": f"version: {number}\n"})
    faults = told(validate(root))
    defaults = load(root).defaults
    if number == 9:
        assert faults == []
        assert "autotools" in defaults.build_systems
    else:
        assert len(faults) == 1
        assert faults[0].startswith("DEFAULTS:1:1: warning: there is no DEFAULTS file")
        assert list(defaults.build_systems) == ["manual"]
        assert [rule.artifact for rule in defaults.chunk_rules] == [""]


def test_a_stratum_is_read_alike_in_every_format() -> None:
    text = b"name: x\nkind: stratum\nchunks: [{name: a, repo: b, ref: 010, build-depends: [], morph: c}]\n"
    files = [load_file("x", text, form).file for form in FORMATS]
    assert all(isinstance(file, StratumFile) and file == files[0] for file in files)
