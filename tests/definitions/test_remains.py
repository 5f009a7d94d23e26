"""What is wrong with one part of a file hides nothing that is wrong with the rest, and brings no false faults about."""

from __future__ import annotations

import textwrap

from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.definitions.formats import FORMATS
from lithify.definitions.loading import load_file
from lithify.definitions.validation import validate
from tests.definitions.conftest import MakeTree, told

STRATUM = """
    name: core
    kind: stratum
    chunks:
    - name: libc
      repo: r
      ref: x
      build-system: manual
      max-jobs: many
    - name: zlib
      repo: r
      ref: x
      build-system: manul
      build-depends: [libc, lib]
    - zlib
    - name: zlib
      repo: r
      build-system: manual
"""


def test_all_faults_of_a_file_are_told_at_once(tree: MakeTree) -> None:
    root = tree({"VERSION": "version: 9\n", "core.morph": STRATUM})
    assert told(validate(root)) == [
        'core.morph:8:13: error: "max-jobs" must be a whole number, not "many"',
        'core.morph:12:17: error: undefined build system "manul"',
        'core.morph:13:25: error: chunk "zlib" build-depends on "lib", which is not in stratum core',
        'core.morph:14:3: error: item 3 of "chunks" must be a mapping, not "zlib"',
        'core.morph:15:3: error: chunk "zlib" has no "ref"',
        'core.morph:15:9: error: chunk "zlib" stands twice in stratum core',
    ]


def test_nothing_is_said_that_a_broken_part_explains(tree: MakeTree) -> None:
    broken = """
        name: core
        kind: stratum
        build-depends: none
        chunks:
        - {name: a, repo: [x], ref: y, build-system: manual, build-mode: bootstrap}
        - {name: b, repo: x, ref: y, build-system: manual, build-depends: [a]}
        """
    root = tree({"VERSION": "version: 8\n", "DEFAULTS": "build-systems: {}\n", "core.morph": broken})
    assert told(validate(root)) == [
        'core.morph:3:16: error: "build-depends" must be a list, not "none"',
        'core.morph:5:19: error: "repo" must be text, not a list',
    ]


def test_a_file_with_an_unknown_field_is_looked_at_whole(tree: MakeTree) -> None:
    system = "name: s\nkind: system\narch: x86\nstrata: [{morph: a}, {morph: a, artefacts: [x]}]\n"
    root = tree({"VERSION": "version: 9\n", "s.morph": system})
    assert [line.split(": error: ")[1] for line in told(validate(root)) if "no file" not in line] == [
        'unknown arch "x86" in system s',
        'stratum "a" stands twice in system s',
        'unknown field "artefacts" in a stratum selection',
    ]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 11)), st.integers(0, 9))
def test_each_broken_chunk_is_one_fault_and_no_more(broken: set[int], number: int) -> None:
    lines = [
        f"- {{name: c{at}, repo: {'[x]' if at in broken else 'x'}, ref: x, build-system: manual, "
        f"build-mode: bootstrap, build-depends: [{', '.join(f'c{other}' for other in range(at))}]}}"
        for at in range(12)
    ]
    text = textwrap.dedent("name: s\nkind: stratum\nchunks:\n") + "\n".join(lines)
    loaded = load_file("s.morph", text.encode(), FORMATS[number])
    assert len(loaded.faults) == len(broken)
    assert loaded.legible is not None
    assert [entry.name for entry in loaded.legible.chunks] == [
        f"c{at}" for at in range(12) if at not in broken
    ]  # type: ignore[union-attr]
