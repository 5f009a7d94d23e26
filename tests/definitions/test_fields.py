"""Mappings are read as their classes say it: all that is wrong is told at once, each with the path to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.definitions.base import Definition
from lithify.definitions.context import MAX_FAULTS, Reading, TooManyFaults
from lithify.definitions.fields import fields_of, read_definition, reader_of
from lithify.definitions.flaws import Flaw, Wrong
from lithify.definitions.formats import LATEST
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.loading import load_file
from lithify.definitions.readers import ByKind, Then
from lithify.definitions.scalars import EMPTY, Count, Flag, List, Map, Name, NonEmptyList
from lithify.definitions.text import Fields
from tests.definitions.conftest import as_read


class Circle(Definition, frozen=True, kw_only=True):
    kind_of_mapping: ClassVar[str] = "circle"

    kind: Literal["circle"] = "circle"
    radius: Count


class Square(Definition, frozen=True, kw_only=True):
    kind_of_mapping: ClassVar[str] = "square"

    kind: Literal["square"] = "square"
    side: Count

    def __post_init__(self) -> None:
        if self.side == 0:
            raise Wrong("has no area")


Shape = Annotated[Circle | Square, ByKind("shape")]


def _doubled(number: int) -> int:
    if number > 50:
        raise Wrong("is too large", "50 at most")
    return 2 * number


class Drawing(Definition, frozen=True, kw_only=True):
    kind_of_mapping: ClassVar[str] = "drawing"

    name: Name
    shapes: List[Shape] = ()
    labels: Map[List[Name]] = EMPTY
    twice: Annotated[Count, Then(_doubled)] = 0
    longest_side: Annotated[str, Then(str, written=Count)] = ""
    colour: Literal["red", "green", "blue"] | None = None
    is_framed: Flag | None = None
    parts: NonEmptyList[Drawing] | None = None


def _read(values: Any) -> Drawing:
    return read_definition(Drawing, as_read(values), Reading())


def _flaws(values: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(Wrong) as caught:
        _read(values)
    return [(flaw.path, flaw.message) for flaw in caught.value.flaws]


def test_each_annotation_is_read_as_what_it_says() -> None:
    made = _read(
        {
            "name": "a",
            "shapes": [{"kind": "square", "side": "2"}, {"kind": "circle", "radius": "3"}],
            "labels": {"b": ["x", "y"], "a": []},
            "twice": "4",
            "longest-side": "5",
            "colour": "green",
            "parts": [{"name": "b"}],
        }
    )
    assert made == Drawing(
        name="a",
        shapes=(Square(side=2), Circle(radius=3)),
        labels=FrozenMap({"b": ("x", "y"), "a": ()}),
        twice=8,
        longest_side="5",
        colour="green",
        parts=(Drawing(name="b"),),
    )
    assert list(made.labels) == ["b", "a"]
    assert hash(made)


def test_all_flaws_are_told_in_the_order_of_the_fields_with_their_paths() -> None:
    assert _flaws(
        {
            "parts": [{"name": "b", "parts": [{"colour": "rde"}]}, "c"],
            "twice": "60",
            "labels": {"a": ["b", [], "/"], "c": "d"},
            "shapes": [{"kind": "circle"}, {"kind": "square", "side": "x"}, {"kind": "square", "side": "0"}],
            "is-framed": "maybe",
        }
    ) == [
        ((), 'missing field "name"'),
        (("shapes", 0), 'missing field "radius"'),
        (("shapes", 1, "side"), 'must be a whole number, not "x"'),
        (("shapes", 2), "has no area"),
        (("labels", "a", 1), "must be text, not a list"),
        (("labels", "a", 2), '"/" is no name'),
        (("labels", "c"), 'must be a list, not "d"'),
        (("twice",), "is too large"),
        (("is-framed",), 'must be yes or no, not "maybe"'),
        (("parts", 0, "parts", 0), 'missing field "name"'),
        (("parts", 0, "parts", 0, "colour"), 'must be "red", "green" or "blue", not "rde"'),
        (("parts", 1), 'must be a mapping, not "c"'),
    ]


def test_a_null_is_a_field_that_is_not_there() -> None:
    assert _read({"name": "a", "shapes": None, "colour": None, "parts": None}) == Drawing(name="a")
    with pytest.raises(Wrong) as caught:
        _read({"name": None})
    assert caught.value.flaws == (Flaw(("name",), 'field "name" has no value', is_whole=True, at_key=True),)


def test_a_null_in_a_list_or_a_map_is_a_value() -> None:
    assert _flaws({"name": "a", "labels": {"b": None, "c": [None]}, "parts": [None]}) == [
        (("labels", "b"), "must be a list, not nothing"),
        (("labels", "c", 0), "must be text, not nothing"),
        (("parts", 0), "must be a mapping, not nothing"),
    ]


def test_which_mapping_it_is_says_its_kind() -> None:
    assert _flaws(
        {"name": "a", "shapes": [{"side": "1"}, {"kind": None}, {"kind": ["x"]}, "circle", []]}
    ) == [
        (("shapes", 0), 'missing field "kind"'),
        (("shapes", 1, "kind"), 'field "kind" has no value'),
        (("shapes", 2, "kind"), "unknown kind of shape \"['x']\""),
        (("shapes", 3), 'must be a mapping, not "circle"'),
        (("shapes", 4), "must be a mapping, not a list"),
    ]
    with pytest.raises(Wrong) as caught:
        _read({"name": "a", "shapes": [{"kind": "squar"}, {"kind": "x"}]})
    assert [flaw.hint for flaw in caught.value.flaws] == ['did you mean "square"?', "one of circle, square"]


def test_a_list_that_is_empty_is_told_from_one_with_flaws() -> None:
    assert _flaws({"name": "a", "parts": []}) == [(("parts",), "must not be empty")]
    assert _flaws({"name": "a", "parts": [{}]}) == [(("parts", 0), 'missing field "name"')]


def test_unknown_fields_stop_nothing() -> None:
    reading = Reading()
    data = as_read({"name": "a", "nmae": "b", "shapes": [{"kind": "circle", "radius": "1", "size": "2"}]})
    assert read_definition(Drawing, data, reading) == Drawing(name="a", shapes=(Circle(radius=1),))
    assert [fault.message for fault in reading.faults] == [
        'unknown field "nmae" in a drawing',
        'unknown field "size" in a circle',
    ]


def test_a_field_with_the_name_of_a_kind_misleads_nobody() -> None:
    text = b"name: x\nkind: chunk\nsources:\n- kind: local\n  local: a\n  path: ../x\n"
    assert [(fault.place.line, fault.message) for fault in load_file("x", text, LATEST).faults] == [
        (6, '"path": "../x" leads out of its folder'),
        (5, 'unknown field "local" in a local source'),
    ]


@pytest.mark.parametrize("wrong", [{}, "x", {"name": "/"}])
def test_no_more_than_so_many_flaws_are_looked_for(wrong: Any) -> None:
    few = {"name": "a", "parts": [wrong] * (MAX_FAULTS - 2)}
    assert len(_flaws(few)) == MAX_FAULTS - 2
    reading = Reading()
    with pytest.raises(TooManyFaults):
        read_definition(Drawing, as_read({"name": "a", "parts": [wrong] * 10_000}), reading)
    assert len(reading.failed) <= MAX_FAULTS


def test_fields_have_the_names_defaults_and_schemas_of_their_class() -> None:
    fields = {field.attribute: field for field in fields_of(Drawing)}
    assert list(fields) == list(Drawing.__struct_fields__)
    assert fields["is_framed"].name == "is-framed"
    assert [name for name, field in fields.items() if field.is_required] == ["name"]
    assert fields["twice"].default == 0
    assert fields["parts"].schema == {"items": {"$ref": "#/$defs/Drawing"}, "minItems": 1, "type": "array"}
    assert fields["longest_side"].schema == fields["twice"].schema


_NAMES = st.text("abc", min_size=1, max_size=3)
_NESTED: st.SearchStrategy[Any] = st.recursive(
    st.one_of(_NAMES, st.none(), st.just("/")), lambda inner: st.lists(inner) | st.dictionaries(_NAMES, inner)
)


@given(_NESTED)
def test_each_flaw_of_a_nested_value_leads_to_what_is_wrong(value: Any) -> None:
    reader = reader_of(Mapping[str, tuple[Name, ...]])
    data = as_read(value)
    expected: list[tuple[str | int, ...]] = []
    if not isinstance(data, Fields):
        expected.append(())
    else:
        for key, items in data.items():
            if not isinstance(items, list):
                expected.append((key,))
            else:
                expected += [
                    (key, at) for at, one in enumerate(items) if not isinstance(one, str) or one == "/"
                ]
    try:
        made = reader.read(data, Reading())
    except Wrong as wrong:
        assert [flaw.path for flaw in wrong.flaws] == expected
    else:
        assert not expected
        assert made == {key: tuple(items) for key, items in value.items()}
