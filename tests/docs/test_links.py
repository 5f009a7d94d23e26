"""Every page that is linked exists, and so does every module that ARCHITECTURE.md names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("examples/**/*.md")])
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_MODULE = re.compile(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_linked_pages_exist(page: Path) -> None:
    missing = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_every_page_of_the_manual_is_linked_from_its_first() -> None:
    index = PROJECT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in _LINK.findall(index.read_text())}
    assert {page for page in PROJECT.glob("docs/**/*.md") if page != index} <= linked


@pytest.mark.parametrize(
    "page", ["ARCHITECTURE.md", *(str(p.relative_to(PROJECT)) for p in PROJECT.glob("docs/internals/*.md"))]
)
def test_named_modules_exist(page: str) -> None:
    names = set(_MODULE.findall((PROJECT / page).read_text()))
    places = (PROJECT, PROJECT / "lithify")
    assert [name for name in sorted(names) if not any((place / name).exists() for place in places)] == []
