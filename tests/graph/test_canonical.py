from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.graph.canonical import Value, canonical, digest

scalars = st.one_of(st.text(), st.binary(), st.integers(), st.booleans(), st.none())
values: st.SearchStrategy[Value] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text() | st.just("b64"), inner)
    ),
    max_leaves=20,
)


def typed(value: object) -> object:
    """Return a value that compares as canonical bytes must: 1, True and "1" differ, lists and tuples do not."""
    if isinstance(value, list | tuple):
        return ("list", tuple(typed(item) for item in value))
    if isinstance(value, dict):
        return ("mapping", frozenset((name, typed(item)) for name, item in value.items()))
    return (type(value).__name__, value)


@settings(deadline=None)
@given(values, values)
def test_bytes_are_equal_exactly_when_the_values_are(one: Value, other: Value) -> None:
    assert (canonical(one) == canonical(other)) == (typed(one) == typed(other))


@settings(deadline=None)
@given(values)
def test_it_is_json_in_ascii(value: Value) -> None:
    json.loads(canonical(value).decode("ascii"))


@settings(deadline=None)
@given(st.data())
def test_the_order_of_a_mapping_never_matters(data: st.DataObject) -> None:
    mapping = data.draw(st.dictionaries(st.text(), values))
    shuffled = data.draw(st.permutations(list(mapping.items())))
    assert canonical(dict(shuffled)) == canonical(mapping)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["b", "cd"], ["bc", "d"]),
        ({"a": ["x"], "b": []}, {"a": [], "b": ["x"]}),
        (["a", "b"], ["a,b"]),
        (b"text", "text"),
        (b"text", {"b64": "dGV4dA=="}),
        ({"b64": "dGV4dA=="}, {"b64=": "dGV4dA=="}),
        (1, "1"),
        (1, True),
        (0, None),
        ("", None),
        ([], {}),
        ([[]], []),
        ("é", "e\u0301"),
    ],
)
def test_values_that_look_alike_have_different_bytes(one: Value, other: Value) -> None:
    assert canonical(one) != canonical(other)


def test_text_that_is_no_ascii_has_bytes() -> None:
    assert canonical("ü\ud800\0") == b'"\\u00fc\\ud800\\u0000"'
    assert canonical({"a": ("ü", b"\xff", 1, None, True)}) == b'{"a":["\\u00fc",{"b64":"/w=="},1,null,true]}'


@pytest.mark.parametrize("value", [1.0, float("nan"), {1: "a"}, {1, 2}, object(), {None: 1}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)  # type: ignore[arg-type]


def test_the_digest_is_that_of_the_bytes() -> None:
    assert digest([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
