"""The registry of source kinds."""

from __future__ import annotations

import subprocess
import sys

from lithify.definitions.schema import schema
from lithify.sources.kinds import KINDS
from tests.program import PROJECT

PROBE = """
import sys
from lithify.sources.kinds import KINDS
mine = [name for name in sys.modules if name.startswith("lithify.sources.")]
assert not {"lithify.sources.debian", "lithify.sources.archive"} & set(mine), mine
assert KINDS["archive"] is KINDS["archive"]
assert "lithify.sources.archive" in sys.modules and "lithify.sources.debian" not in sys.modules
"""


def test_each_kind_of_the_language_can_do_something() -> None:
    parts = schema("chunk")["$defs"].items()
    declared = {part["properties"]["kind"]["const"] for name, part in parts if "kind" in part["properties"]}
    assert {"git", "archive", "local"} <= declared <= set(KINDS)
    assert len(KINDS) == len(list(KINDS))
    for name in KINDS:
        assert isinstance(KINDS[name].in_place, bool)
    assert "svn" not in KINDS


def test_a_kind_is_imported_when_it_is_used() -> None:
    subprocess.run([sys.executable, "-c", PROBE], check=True, cwd=PROJECT)
