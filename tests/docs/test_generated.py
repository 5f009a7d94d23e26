"""The reference pages are what the program says of itself, and their examples are right."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

from docs.generator.builtin import built_in_section, formats_section
from docs.generator.examples import EXAMPLES, SECTIONS
from docs.generator.model_text import anchor
from docs.generator.pages import PAGES, stale_pages
from lithify.definitions.base import Definition
from lithify.definitions.builtin import MODERN, STRIP
from lithify.definitions.context import Reading
from lithify.definitions.fields import read_definition
from lithify.definitions.formats import LATEST
from lithify.definitions.loading import load_defaults
from lithify.definitions.model import ChunkBody, ChunkEntry, ChunkFile
from lithify.definitions.reading import read
from lithify.definitions.schema import all_models

PROJECT = Path(__file__).resolve().parent.parent.parent
MODELS = {model.__name__: model for model in all_models() if model is not ChunkBody}


def test_no_page_is_stale() -> None:
    assert stale_pages(PROJECT) == [], "run script/docs"


def test_every_mapping_of_the_language_has_a_section() -> None:
    assert {name for _, parts in SECTIONS for name, _ in parts} == set(MODELS) == set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_examples_are_right_and_use_every_field(name: str) -> None:
    model: type[Definition] = MODELS[name]
    used: set[str] = set()
    for example in EXAMPLES[name]:
        contents = read("example", example.encode())
        assert contents.root is not None
        assert not contents.faults and not contents.duplicates
        reading = Reading(LATEST)
        read_definition(model, contents.root, reading)
        assert reading.faults == []
        used.update(contents.root)
    fields = set(model.field_names())
    if model is ChunkEntry:
        fields -= set(ChunkFile.field_names()) - {"name"}
    assert fields <= used


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_within_the_page_lead_somewhere(page: str) -> None:
    text = (PROJECT / page).read_text()
    headings = {anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
    for target in re.findall(r"\]\(([^#)][^)]*\.md)\)", text):
        assert (PROJECT / page).parent.joinpath(target).is_file(), target


def test_what_is_built_in_is_written_as_defaults_would_say_it() -> None:
    systems, rules = re.findall(r"```yaml\n(.*?)```", built_in_section(), re.DOTALL)
    text = f"build-systems:\n{indent(systems, '  ')}split-rules:\n{indent(rules, '  ')}"
    file, faults = load_defaults("DEFAULTS", text.encode(), LATEST)
    assert file is not None
    assert faults == ()
    assert file.split_rules is not None
    assert file.split_rules.chunk == MODERN.chunk_rules
    assert file.split_rules.stratum == MODERN.stratum_rules
    for name, system in file.build_systems.items():
        built_in = {step: commands for step, commands in MODERN.build_systems[name].items() if commands}
        assert built_in.pop("strip") == (STRIP,)
        assert {step: commands for step, commands in system.commands.items() if commands} == built_in
    assert len(file.build_systems) == len(MODERN.build_systems) - 2


def test_the_formats_are_told_from_their_table() -> None:
    text = formats_section()
    assert "| 0 to 6: classic; 7 to 8: file; 9: built in |" in text
    assert "| 0: all earlier chunks; 1 to 9: none |" in text
    assert "| `cmake` | `CMakeLists.txt` |" in text
