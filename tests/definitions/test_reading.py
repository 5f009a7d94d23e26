"""Bytes become values with marks, or faults with places: never a traceback."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.definitions.limits import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from lithify.definitions.reading import Contents, read
from lithify.definitions.text import Fields, Guess, Items, place_in
from lithify.errors import Place


def _root(text: str) -> Fields:
    contents = read("f", text.encode())
    assert contents.faults == ()
    assert contents.root is not None
    return contents.root


def _fault(content: bytes | str) -> str:
    contents = read("f", content if isinstance(content, bytes) else content.encode())
    assert contents.root is None
    (fault,) = contents.faults
    return f"{fault.place.line}:{fault.place.column}: {fault.message}"


def test_text_is_kept_as_its_author_wrote_it() -> None:
    root = _root("a: 010\nb: 12:30:45\nc: yes\nd: 0.10\ne: 2001-01-01\nf: plain text\n")
    assert root == {
        "a": "010",
        "b": "12:30:45",
        "c": "yes",
        "d": "0.10",
        "e": "2001-01-01",
        "f": "plain text",
    }
    tags = [value.tag if isinstance(value, Guess) else "str" for value in root.values()]
    assert tags == ["int", "int", "bool", "float", "timestamp", "str"]


def test_quotes_and_tags_make_a_scalar_text() -> None:
    root = _root("a: '010'\nb: \"yes\"\nc: !!str 5\nd: ! 5\ne: |\n  5\n")
    assert not any(isinstance(value, Guess) for value in root.values())
    assert root["c"] == root["d"] == "5"


def test_nulls_and_binary_data() -> None:
    root = _root('a: ~\nb:\nc: null\nd: ""\ne: !!binary "/+8="\n')
    assert root == {"a": None, "b": None, "c": None, "d": "", "e": b"\xff\xef"}


def test_marks_of_keys_values_and_items() -> None:
    root = _root("name: x\nlist:\n- a\n-   b: c\n")
    assert place_in(root, ("name",)) == Place("f", 1, 7, "name: x")
    assert place_in(root, ("name",), key=True) == Place("f", 1, 1, "name: x")
    assert place_in(root, ("list", 1)) == Place("f", 4, 5, "-   b: c")
    assert place_in(root, ("list", 1, "b")) == Place("f", 4, 8, "-   b: c")
    assert place_in(root, ("list", 7)) == Place("f", 3, 1, "- a")


def test_columns_count_characters() -> None:
    assert place_in(_root("{ä: x, b: y}"), ("b",)).column == 11


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    contents = read("f", b"\xef\xbb\xbfname: x\n")
    assert contents.root == {"name": "x"}


def test_aliases_share_what_they_name() -> None:
    root = _root("a: &x [1, 2]\nb: *x\nc: &y text\nd: *y\n*y : e\n")
    assert root["a"] is root["b"]
    assert root["d"] == "text"
    assert root["text"] == "e"


def test_merge_keys_bring_in_fields_that_are_not_there() -> None:
    root = _root("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 0\nd: {'<<': 1}\n")
    assert root["c"] == {"x": "0", "y": "2", "z": "4"}
    assert root["d"] == {"<<": "1"}
    assert place_in(root, ("c", "z")).line == 2


def test_a_key_that_stands_twice_is_noted_and_the_last_one_counts() -> None:
    contents = read("f", b"a: 1\nb: 2\na: 3\n")
    assert contents.root == {"b": "2", "a": "3"}
    (duplicate,) = contents.duplicates
    assert (duplicate.key, duplicate.dropped.line, duplicate.counts.line) == ("a", 1, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "1:1: the file is empty"),
        ("- a\n", "1:1: the file must hold a mapping"),
        ("just text", "1:1: the file must hold a mapping"),
        ("a: 1\n---\nb: 2\n", "2:1: the file holds a second document"),
        ("a: b: c\n", "1:5: mapping values are not allowed in this context"),
        ("a: &x [*x]\n", '1:8: alias "x" stands inside of what it names'),
        ("a: *x\n", '1:4: unknown alias "x"'),
        ("? [a]\n: b\n", "1:3: a field's name must be text, not a list or a mapping"),
        ("a: [1]\nb: {[2]: 3}\n", "2:5: a field's name must be text, not a list or a mapping"),
        ('a: "\\0"\n', "1:4: text must not hold a NUL character"),
        (b"a: 1\nb\x00: 2\n", "2:2: the file holds a control character (U+0000)"),
        (b"a: 1\n\x1b[31m: 2\n", "2:1: the file holds a control character (U+001B)"),
        ("a: 1\nb\ufeff: 2\n".encode(), "2:2: the file holds a control character (U+FEFF)"),
        ("a: \ufeff\nb: \x07\n".encode(), "1:4: the file holds a control character (U+FEFF)"),
        (b"a: x\n\xc3\xa4: \xff\n", "2:4: the file is not UTF-8 text (byte 0xff)"),
        ("a: 1\n".encode("utf-16"), "1:1: the file is not UTF-8 text (byte 0xff)"),
        ('a: "x\n', "2:1: found unexpected end of stream while scanning a quoted scalar"),
    ],
)
def test_what_is_no_definition_is_a_fault_with_its_place(content: bytes | str, expected: str) -> None:
    assert _fault(content) == expected


def test_tabs_are_told_apart_from_other_syntax_errors() -> None:
    (fault,) = read("f", b"a:\n\tb: c\n").faults
    assert fault.hint == "YAML does not take tabs for indentation"


@pytest.mark.parametrize("text", ["a: !!python/object:os.system x", "a: !own {b: c}", "a: !!set {b}"])
def test_tags_are_not_followed(text: str) -> None:
    (fault,) = read("f", text.encode()).faults
    assert fault.message.startswith("unknown tag")


def test_bad_base64_is_a_fault() -> None:
    (fault,) = read("f", b"a: !!binary '*'").faults
    assert fault.message.startswith("!!binary holds no base64")


def test_all_faults_of_a_file_are_told_up_to_a_bound() -> None:
    assert len(read("f", b"{a: !x 1, b: !y 2, c: !z 3}").faults) == 3
    assert len(read("f", b"a: [" + b"!x 1," * 5000 + b"]").faults) == 201


def test_too_large_a_file_is_not_parsed() -> None:
    (fault,) = read("f", b"x" * (MAX_BYTES + 1)).faults
    assert fault.message == "the file is larger than 4 MB"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused(opening: str) -> None:
    (fault,) = read("f", b"a:\n " + opening.encode() * 200_000).faults
    assert re.match(f"values are nested deeper than {MAX_DEPTH} levels|a field's name must be", fault.message)


def test_deepest_nesting_that_is_read() -> None:
    assert read("f", b"a: " + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)).faults == ()
    assert read("f", b"a: " + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).faults != ()


def test_aliases_cannot_nest_deeper_than_text_can() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200))]
    (fault,) = read("f", "\n".join(lines).encode()).faults
    assert fault.message == f"values are nested deeper than {MAX_DEPTH} levels, this alias followed"
    assert fault.place.line == MAX_DEPTH


def test_alias_bomb_is_refused_before_it_goes_off() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, name in zip(string.ascii_lowercase, string.ascii_lowercase[1:10], strict=False):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    (fault,) = read("f", "\n".join(lines).encode()).faults
    assert fault.message == f"the file holds more than {MAX_VALUES:,} values"


def plain(value: Any) -> Any:
    """Return values without marks, guesses resolved as PyYAML would."""
    if isinstance(value, Fields):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Items):
        return [plain(item) for item in value]
    if isinstance(value, Guess):
        return yaml.safe_load(value)
    return value


_keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8", exclude_characters="\0"))
)
_data = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4)
)


@settings(deadline=None)
@given(st.dictionaries(_keys, _data, min_size=1, max_size=5), st.booleans())
def test_what_is_read_is_what_pyyaml_reads(data: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    contents = read("f", text.encode())
    assert contents.faults == ()
    assert plain(contents.root) == yaml.load(text, Loader=yaml.CSafeLoader)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_values_or_faults(content: bytes) -> None:
    _sound(read("f", content))


@settings(deadline=None)
@given(st.text(alphabet="ab01:-[]{},&*!|>'\"#%@ \n\t?<~", max_size=60))
def test_any_text_of_special_characters_gives_values_or_faults(text: str) -> None:
    _sound(read("f", text.encode()))


def _sound(contents: Contents) -> None:
    assert contents.root is not None or contents.faults
    for fault in contents.faults:
        assert fault.place.line >= 1
        assert fault.place.column >= 1
        assert "\n" not in fault.message
