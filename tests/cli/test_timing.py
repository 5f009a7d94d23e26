"""``--timings`` takes a file or none."""

from __future__ import annotations

import pytest

from lithify.cli.timing import spelled_out


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("demo --timings", "demo --timings"),
        ("--timings demo", "--timings demo"),
        ("--timings demo.morph zlib", "--timings demo.morph zlib"),
        ("demo --timings trace.json zlib", "demo --timings --timings-file trace.json zlib"),
        ("demo --timings=trace", "demo --timings --timings-file trace"),
        ("demo --timings= x", "demo --timings --timings-file  x"),
        ("demo -- --timings x.json", "demo -- --timings x.json"),
    ],
)
def test_the_file_of_timings_is_optional(typed: str, spelled: str) -> None:
    assert spelled_out(typed.split(" ")) == spelled.split(" ")
