"""What the tutorial shows is what a reader sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lithify.definitions.tree import load
from lithify.graph.resolve import require_sound, resolve
from lithify.graph.validation import faults_of
from tests.docs.tutorial import PAGE, Student, blocks, renewed


def test_its_definitions_are_right_at_each_step(tmp_path: Path) -> None:
    student = Student(tmp_path)
    for block in blocks(PAGE.read_text()):
        if block.file:
            student.write(block)
        elif "lithify validate" in block.text:
            for command in re.findall(r"^\$ ((?:mkdir|sed|ln) .*)$", block.text, re.MULTILINE):
                student.type(f"$ {command}")
            (tmp_path / "toolchain-links").mkdir(exist_ok=True)
            definitions = load(tmp_path)
            assert faults_of(definitions) == ()
            require_sound(resolve(definitions, "systems/first.morph"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["VERSION"]


_CHANGING = (
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "KEY"),
    (re.compile(r"\[\d\d:\d\d\]"), "[TIME]"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "DATE"),
    (re.compile(r"( in| about) [0-9.]+ (s|min)\b|; about .*"), ""),
    (re.compile(r"(?<=: )[0-9:]+[.0-9][\w.+~:-]*$|v1\.\S+ \(Debian \S+\)"), "VERSION"),
    (re.compile(r"[0-9.]+ (k|M)?B"), "SIZE"),
    (re.compile(r"\d+ Debian packages"), "N Debian packages"),
)


def lasting(page: str) -> list[str]:
    """Return the lines of the dialogues, sorted, without what differs from one machine and day to another."""
    lines = []
    for block in blocks(page):
        for line in [] if block.file else block.text.splitlines():
            kept = line.rstrip()
            for pattern, word in _CHANGING:
                kept = pattern.sub(word, kept)
            if "waiting for process" not in kept:
                lines.append(kept)
    return sorted(lines)


@pytest.mark.slow
@pytest.mark.boot
@pytest.mark.network
def test_its_outputs_are_those_of_now(tmp_path: Path) -> None:
    page = PAGE.read_text()
    assert lasting(renewed(page, tmp_path)) == lasting(page)
