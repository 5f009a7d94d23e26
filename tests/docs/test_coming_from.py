"""The pages for those who come from other programs name no command or option that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lithify.cli.helping import help_text
from lithify.cli.registry import find_entry
from tests.program import PROJECT

PAGES = sorted((PROJECT / "docs" / "coming-from").glob("*.md"))
_CODE = re.compile(r"`lithify ([^`]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_exist(page: Path) -> None:
    lines = _CODE.findall(page.read_text())
    for line in lines:
        name, *words = line.split()
        entry = find_entry(name)
        assert entry is not None, line
        options = [word for word in words if word.startswith("-")]
        assert all(re.search(rf"(^|\s){re.escape(word)}[\s,]", help_text(entry)) for word in options), line


def test_the_verbs_of_morph_are_what_they_are() -> None:
    text = (PROJECT / "docs/coming-from/morph.md").read_text()
    verbs, missing = text.partition("## Verbs")[2].split("Not there yet:")
    same = re.findall(r"^\| `([\w-]+)[^|]*\| the same", verbs, re.MULTILINE)
    assert len(same) > 8
    assert [name for name in same if find_entry(name) is None and name != "help-extensions"] == []
    absent = re.findall(r"`([\w-]+)`", missing.partition("\n\n")[0])
    assert [name for name in absent if find_entry(name) is not None] == []
    new = re.findall(r"`([\w-]+)`", text.partition("## What morph did not have")[2].partition("##")[0])
    assert [name for name in new if find_entry(name) is None] == []
