"""Each promise of the manual names tests that exist, and so does each fault of the bench."""

from __future__ import annotations

import ast
import re

import pytest

from tests.program import PROJECT

PAGE = PROJECT / "docs" / "promises.md"
NAMED = re.compile(r"`([a-z_/]+\.py)(?:::(test_[a-z0-9_]+))?`")
ROW = re.compile(r"^\| \*\*.*\|$", re.MULTILINE)


def rows() -> list[str]:
    """Return the lines that promise something."""
    promised, _, _ = PAGE.read_text().partition("## What is not promised")
    return ROW.findall(promised)


def faults() -> list[str]:
    """Return the lines that say what holds a fault."""
    page = (PROJECT / "docs" / "internals" / "faults.md").read_text()
    table = page.partition("## What holds what")[2].partition("\n## ")[0]
    return [line for line in table.splitlines() if line.startswith("| ") and ".py" in line]


def test_there_are_promises() -> None:
    assert len(rows()) > 15
    assert len(faults()) > 15


@pytest.mark.parametrize("row", [*rows(), *faults()], ids=lambda row: row[2:50].strip("* "))
def test_each_promise_names_tests_that_exist(row: str) -> None:
    named = NAMED.findall(row.rpartition(" | ")[2])
    assert named
    for file, test in named:
        path = PROJECT / "tests" / file.removeprefix("tests/")
        assert path.is_file(), file
        functions = {
            node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
        }
        assert test in functions if test else any(name.startswith("test_") for name in functions), (
            file,
            test,
        )
