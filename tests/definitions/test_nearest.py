from __future__ import annotations

import pytest

from lithify.definitions.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("zlb", ["zlib", "libc", "app"], ("zlib",)),
        ("libc", ["zlib", "app"], ()),
        ("gti", ["git", "archive", "pypi"], ("git",)),
        ("build-dependss", ["build-depends", "build-mode", "build-commands"], ("build-depends",)),
        ("bse", ["base", "bsp", "core"], ("base", "bsp")),
        ("Zlib", ["zlib", "zlib-ng"], ("zlib",)),
        ("devel", ["devel-system-x86_64", "base-system"], ("devel-system-x86_64",)),
        ("x", ["max-jobs", "prefix"], ()),
        ("", ["a"], ()),
        ("a", [], ()),
    ],
)
def test_what_may_have_been_meant(name: str, known: list[str], expected: tuple[str, ...]) -> None:
    assert nearest(name, known) == expected


def test_it_is_asked_in_words() -> None:
    assert did_you_mean("bse", ["base", "bsp"]) == 'did you mean "base" or "bsp"?'
    assert did_you_mean("other", ["base"]) == ""


def test_of_a_great_many_names_it_is_found_soon() -> None:
    assert len(nearest("chunk-123x", [f"chunk-{number}" for number in range(100_000)])) == 3
