"""The reference pages are what the program says of itself, and their examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generator.examples import EXAMPLES, SECTIONS
from docs.generator.model_text import anchor
from docs.generator.pages import PAGES, stale_pages
from lithify.definitions.base import Definition
from lithify.definitions.context import Reading
from lithify.definitions.formats import LATEST
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
        model.model_validate(contents.root, context=reading)
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
