"""One schema for all files: it says the same of each file as the schema of its kind."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lithify.definitions.formats import FORMATS
from lithify.definitions.loading import KINDS
from lithify.definitions.schema import schema
from lithify.definitions.whole_schema import whole_schema

FILES: dict[str, dict[str, Any]] = {
    "chunk": {"name": "a", "kind": "chunk", "build-commands": ["make"]},
    "stratum": {"name": "a", "kind": "stratum", "chunks": [{"name": "b", "repo": "c", "ref": "d"}]},
    "system": {"name": "a", "kind": "system", "arch": "x86_64", "strata": [{"morph": "strata/a.morph"}]},
    "cluster": {
        "name": "a",
        "kind": "cluster",
        "systems": [{"morph": "systems/a.morph", "deploy": {"b": {"type": "tar", "location": "c.tar"}}}],
    },
}


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: str(form.number))
def test_it_says_what_the_schemas_of_the_kinds_say(form: Any) -> None:
    whole = whole_schema(form)
    Draft202012Validator.check_schema(whole)
    everything = Draft202012Validator(whole)
    for kind in KINDS:
        part = Draft202012Validator(schema(kind, form))
        for value in (
            FILES[kind],
            {**FILES[kind], "nonsense": 1},
            {**FILES[kind], "name": []},
            {"kind": kind},
        ):
            assert everything.is_valid(value) == part.is_valid(value), (kind, value)
        assert everything.is_valid(FILES[kind])


def test_the_kind_must_be_there() -> None:
    validator = Draft202012Validator(whole_schema())
    assert not validator.is_valid({"name": "a"})
    assert not validator.is_valid({"name": "a", "kind": "nonsense"})
