"""The JSON schemas: valid by their own dialect, true of what lithify reads, and documented."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lithify.definitions.formats import FORMATS, LATEST
from lithify.definitions.loading import load_file
from lithify.definitions.schema import SCHEMAS, all_models, field_documentation, schema


@functools.cache
def _validator(kind: str, number: int) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(kind, FORMATS[number]))


@pytest.mark.parametrize("kind", list(SCHEMAS))
@pytest.mark.parametrize("number", [0, 4, 8, 9])
def test_schemas_are_json_and_valid(kind: str, number: int) -> None:
    made = schema(kind, FORMATS[number])
    assert json.loads(json.dumps(made)) == made
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(made)


@pytest.mark.slow
def test_the_schemas_take_real_definitions(real_trees: Mapping[int, Path]) -> None:
    faults = []
    for number, root in real_trees.items():
        for path in root.rglob("*.morph"):
            data = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
            faults += [(path, error.message) for error in _validator(data["kind"], number).iter_errors(data)]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("name: x\nkind: chunk\n", True),
        ("name: 0.22\nkind: chunk\nkeep-git: yes\nmax-jobs: 4\ntimeout: 30m\nresources: {memory: 2G}\n", True),
        ("name: x\nkind: chunk\nkeep-git: no\nsources: [{kind: git, url: a, track: b}]\n", True),
        ("name: x\nkind: chunk\nsources: [{kind: debian, packages: [a], suite: b, dependencies: no}]\n", True),
        ("name: x\nkind: chunk\nsystem-integration:\nbuild-system: ~\ndescription:\nmax-jobs:\nkeep-git:\n", True),
        ("name: x\nkind: chunk\nsystem-integration: {x-misc: ~}\n", False),
        ("name: ~\nkind: chunk\n", False),
        ("name: x\nkind: stratum\nchunks:\n", False),
        ("name: x\n", False),
        ("kind: chunk\n", False),
        ("name: x\nkind: chunk\nfoo: 1\n", False),
        ("name: x\nkind: chunk\nbuild-commands: make\n", False),
        ("name: x\nkind: chunk\nsources: [{kind: svn, url: a}]\n", False),
        ("name: x\nkind: chunk\nsources: [{kind: debian, packages: [], suite: b}]\n", False),
        ("name: x\nkind: system\narch: x86_64\nstrata: [{morph: a}]\noverlaps: {a: warn}\n", True),
        ("name: x\nkind: system\narch: x87\nstrata: [{morph: a}]\n", False),
        ("name: x\nkind: system\narch: x86_64\nstrata: []\n", False),
        ("name: x\nkind: stratum\nchunks: [{name: a, foo: b}]\n", False),
        ("name: x\nkind: stratum\nchunks: [{name: a, submodules: {b: {url: c}}, install-commands: [x]}]\n", True),
        ("name: x\nkind: cluster\nsystems: [{morph: a, deploy: {b: {type: tar, ANY: [1, ~]}}}]\n", True),
        ("name: x\nkind: cluster\nsystems: [{morph: a, deploy: {b: [tar]}}]\n", False),
    ],
)  # fmt: skip
def test_schema_and_loader_agree(text: str, sound: bool) -> None:
    data: dict[str, Any] = yaml.safe_load(text)
    kinds = [data["kind"]] if "kind" in data else ["chunk"]
    assert all(_validator(kind, 9).is_valid(data) for kind in kinds) == sound
    loaded = load_file("x", text.encode(), LATEST)
    if "x87" not in text:  # Which architectures there are is checked with the other files.
        assert (not loaded.errors) == sound


def test_older_formats_have_no_newer_fields() -> None:
    old = schema("chunk", FORMATS[4])["properties"]
    assert "strip-commands" not in old
    assert "sources" not in old
    assert "build-mode" in old
    assert "sources" in schema("chunk")["properties"]
    assert "build-mode" not in schema("chunk")["properties"]


def test_descriptions_come_from_the_models() -> None:
    properties = schema("system")["properties"]
    assert properties["overlaps"]["description"].startswith("Path pattern → what a file there means")
    assert "``" not in json.dumps([schema(kind) for kind in SCHEMAS])


def test_every_model_and_kind_of_mapping_is_documented() -> None:
    for model in all_models():
        assert model.__doc__
        assert model.kind_of_mapping or model.__name__ == "ChunkBody"
        attributes = set(model.field_names().values())
        assert attributes <= set(field_documentation(model)), model.__name__
