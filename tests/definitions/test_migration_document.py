"""Edits of YAML text: what is named changes, and every other byte stays."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lithify.definitions.migration.document import CannotEdit, Document, scalar
from lithify.definitions.migration.edits import Edit, Moves, applied
from lithify.definitions.text import Fields


def edited(text: str, change: Callable[[Document, Fields], None]) -> str:
    document = Document("file", textwrap.dedent(text).lstrip("\n"))
    root = document.contents.root
    assert root is not None
    change(document, root)
    return document.finish()[0]


def out(*path: str | int, comment: bool = False) -> Callable[[Document, Fields], None]:
    """Return a change that takes a field out."""

    def change(document: Document, root: Fields) -> None:
        owner = root
        for one in path[:-1]:
            owner = owner[one]  # type: ignore[index]
        document.remove(owner.marks[str(path[-1])][0], comment=comment)

    return change


def lines(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


CHUNKS = """
    # a stratum
    name: core   # its name
    chunks:

    - name: a
      repo: "x"   # where
      ref:  |
        one

        two

      # of b
    - {name: b, repo: y}
    -   name: c
        build-depends: [a,
            b]
    """


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (("chunks", 0, "ref"), "  ref:  |\n    one\n\n    two\n", ""),
        (("chunks", 0, "repo"), '  repo: "x"   # where\n', ""),
        (("chunks", 0, "name"), '- name: a\n  repo: "x"', '- repo: "x"'),
        (("chunks", 1, "repo"), "{name: b, repo: y}", "{name: b}"),
        (("chunks", 1, "name"), "{name: b, repo: y}", "{repo: y}"),
        (("chunks", 2, "build-depends"), "    build-depends: [a,\n        b]\n", ""),
        (("name",), "name: core   # its name\n", ""),
    ],
)
def test_a_field_goes_and_nothing_else(path: tuple[str | int, ...], before: str, after: str) -> None:
    assert lines(CHUNKS).count(before) == 1
    assert edited(CHUNKS, out(*path)) == lines(CHUNKS).replace(before, after)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (("chunks", 0, "ref"), "  ref:  |\n    one\n\n    two\n", "  # ref:  |\n  #   one\n\n  #   two\n"),
        (("chunks", 0, "name"), '- name: a\n  repo: "x"', '# name: a\n- repo: "x"'),
        (("name",), "name: core   # its name\n", "# name: core   # its name\n"),
        (("chunks", 1, "repo"), "{name: b, repo: y}", "{name: b}"),
    ],
)
def test_a_field_becomes_a_comment(path: tuple[str | int, ...], before: str, after: str) -> None:
    assert edited(CHUNKS, out(*path, comment=True)) == lines(CHUNKS).replace(before, after)


def test_all_leading_fields_of_an_item_go() -> None:
    text = """
        strata:
        - repo: x  # one
          # of the ref
          ref: y
          # of the file
          morph: z
        """

    def change(document: Document, root: Fields) -> None:
        out("strata", 0, "repo")(document, root)
        out("strata", 0, "ref", comment=True)(document, root)

    assert edited(text, change) == "strata:\n  # of the ref\n# ref: y\n  # of the file\n- morph: z\n"


@pytest.mark.parametrize("root_first", [False, True])
def test_fields_come_behind_the_last_one(root_first: bool) -> None:
    def change(document: Document, root: Fields) -> None:
        if root_first:
            document.add(root, "flag", "yes")
        for entry in root["chunks"]:
            document.add(entry, "new", ("one", "two"))
        if not root_first:
            document.add(root, "flag", "yes")

    after = edited(CHUNKS, change)
    items = "  new:\n  - one\n  - two\n"
    expected = (
        lines(CHUNKS)
        .replace("    two\n", f"    two\n{items}")
        .replace("repo: y}", "repo: y, new: [one, two]}")
    )
    assert after == f"{expected}    new:\n    - one\n    - two\nflag: yes\n"


def test_a_field_that_is_there_is_written_anew() -> None:
    text = "chunks:\n- name: a\n  build-depends: # none\n  ref: x\n"
    after = edited(text, lambda document, root: document.add(root["chunks"][0], "build-depends", ("z",)))
    assert after == "chunks:\n- name: a\n  ref: x\n  build-depends:\n  - z\n"


def test_text_without_a_last_newline_and_with_other_line_ends() -> None:
    def add(document: Document, root: Fields) -> None:
        document.add(root, "b", ("c",))

    assert edited("a: 1", add) == "a: 1\nb:\n- c\n"
    assert edited("a: 1\r\n", add) == "a: 1\r\nb:\r\n- c\r\n"


def test_blocks_that_keep_their_blank_lines_keep_them() -> None:
    text = "a: |+\n  one\n\n\nb: 1\n"
    after = edited(text, lambda document, root: document.add(root, "c", "2"))
    assert after == text + "c: 2\n"
    text = "x:\n- a: |+\n    one\n\n- b: 1\n"
    after = edited(text, lambda document, root: document.add(root["x"][0], "c", "2"))
    assert yaml.safe_load(after) == {"x": [{"a": "one\n\n", "c": 2}, {"b": 1}]}


def test_aliases_and_merged_fields() -> None:
    text = "base: &base\n  a: 1\nx:\n  <<: *base\n  b: *base\ny: *base\n"
    after = edited(text, lambda document, root: document.add(root["x"], "c", "2"))
    assert after == text.replace("  b: *base\n", "  b: *base\n  c: 2\n")
    after = edited(text, out("x", "b"))
    assert after == text.replace("  b: *base\n", "")


def test_what_cannot_be_laid_out_is_refused() -> None:
    with pytest.raises(CannotEdit):
        edited("x:\n- a: 1\n", out("x", 0, "a"))
    with pytest.raises(CannotEdit):
        edited("x: {}\n", lambda document, root: document.add(root["x"], "a", "1"))
    text = "base: &base\n  a: 1\ny: *base\n"

    def twice(document: Document, root: Fields) -> None:
        document.add(root["base"], "b", "1")
        document.add(root["y"], "b", "2")

    with pytest.raises(CannotEdit):
        edited(text, twice)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp")), max_size=20))
def test_any_line_is_written_as_it_means(text: str) -> None:
    if "\ufeff" not in text:
        assert yaml.safe_load(f"x: {scalar(text)}") == {"x": text}


@given(st.data())
def test_lines_are_found_again(data: st.DataObject) -> None:
    numbers = [f"line {number}\n" for number in range(1, 9)]
    text = "".join(numbers)
    starts = [text.index(line) for line in numbers] + [len(text)]
    bounds = sorted(data.draw(st.lists(st.integers(0, 8), max_size=6)))
    edits = [
        Edit(starts[first], starts[last], "new\n" * data.draw(st.integers(0, 3)))
        for first, last in zip(bounds[::2], bounds[1::2], strict=False)
    ]
    edits = [edit for index, edit in enumerate(edits) if not index or edit.start > edits[index - 1].end]
    after = applied(text, edits).splitlines(keepends=True)
    moves = Moves(text, edits)
    for number, line in enumerate(numbers, 1):
        if line in after:
            assert after[moves.line(number) - 1] == line
