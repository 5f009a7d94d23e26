"""The manual has every type, value and default, and names none that is not there."""

from __future__ import annotations

import re

from lithify.deploy.image import DEFAULT_ARGUMENTS, TOOLS
from lithify.deploy.layout import MIB, SMALLEST_FAT32
from lithify.deploy.registry import TYPES
from tests.inside import PROJECT

MANUAL = (PROJECT / "docs/reference/deployments.md").read_text()


def test_every_value_of_every_type_is_in_its_chapter() -> None:
    chapters = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", MANUAL, re.MULTILINE | re.DOTALL))
    assert set(chapters) == set(TYPES)
    for name, kind in TYPES.items():
        told = re.findall(r"^\| `([\w-]+)` \|", chapters[name], re.MULTILINE)
        assert told == list(kind.fields), name


def test_defaults_and_packages_are_those_of_the_code() -> None:
    assert f"`{DEFAULT_ARGUMENTS}`" in MANUAL
    assert f"{SMALLEST_FAT32 // MIB}M or more" in MANUAL
    assert f"apt-get install -y {' '.join(dict.fromkeys(TOOLS.values()))}" in MANUAL
