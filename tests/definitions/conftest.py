"""Definitions trees made from text in the test, and the trees of real definitions."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lithify.definitions.text import Fields, Items, TextFile
from lithify.errors import Fault

MakeTree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> MakeTree:
    """A function that writes files (name → indented text) and returns the root of their tree."""

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path / "definitions"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))
        return root

    return make


def as_read(value: Any) -> Any:
    """Return dictionaries and lists as a file would hold them."""
    file, mark = TextFile("made", ""), (0, 0)
    if isinstance(value, dict):
        fields = Fields(file, mark)
        fields.update((name, as_read(item)) for name, item in value.items())
        fields.marks.update((name, (mark, mark)) for name in value)
        return fields
    if isinstance(value, list):
        items = Items(file, mark)
        items.extend(map(as_read, value))
        items.marks.extend(mark for _ in value)
        return items
    return value


def told(faults: Iterable[Fault]) -> list[str]:
    """Return faults as a compiler prints them, without source line and hint."""
    return [f"{f.place.file}:{f.place.line}:{f.place.column}: {f.severity}: {f.message}" for f in faults]


@pytest.fixture(scope="session")
def real_trees(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    """The trees of real definitions, by format."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in (0, 3, 8):
        archive = corpus / f"definitions-v{number}.tar.xz"
        subprocess.run(["tar", "-xJf", str(archive), "-C", str(folder)], check=True)
    return {number: folder / f"definitions-v{number}" for number in (0, 3, 8)}
