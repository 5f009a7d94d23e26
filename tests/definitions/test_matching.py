"""Patterns mean what they mean to Python, and take no longer than they may."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.definitions.builtin import MODERN
from lithify.definitions.matching import SHORT, Automaton, Unbounded, _parser, matcher, why_unbounded

EXPLODING = [
    r"(a+)+$",
    r"(a*)*b",
    r"(a|a)*b",
    r"(a|aa)+$",
    r"(.*a){20}",
    r"(.*)*x",
    r".*.*.*.*.*.*x",
    r"(a?){30}a{30}b",
    r"(a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?)aaaaaaaaaaaaaaaaaaaaaaaaaaaac",
    r"(([a-z])+.)+[A-Z]([a-z])+$",
    r"(x+x+)+y",
    r"(.*?,){11}P",
    r"^(([a-z0-9]+)*[-_])*$",
    r"((a*)*)*c",
    r"(a|b|ab)*c",
    r"(\w+\s?)*\Z!",
    r"(?:(?:a|b)*)*c",
    r"(a+|b+|c+)*d",
    r"(.+)+(.+)+(.+)+!",
    r"([^/]+/?)+\.so$",
]


@pytest.mark.parametrize("pattern", EXPLODING)
@pytest.mark.parametrize("text", ["a" * 4000, "ab" * 2000, "usr/lib/" + "a/" * 1500, "aaaa,bb c" * 400])
def test_no_pattern_explodes(pattern: str, text: str) -> None:
    assert why_unbounded(pattern) == ""
    began = time.process_time()
    matcher([pattern])(text)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a+)+\1$", "refers back"),
        (r"(?=(a+)+$)b", "looks around"),
        (r"(a+)+(?<!b)$", "looks around"),
        (r"(?i)(a+)+$", "flags"),
        (r"(?i:(a+)+)$", "flags"),
        (r"((a{1,999}){1,999}){1,999}", "repeats too much"),
        (r"(a*){5000}", "repeats too much"),
        (r"(a+)+\b", "refers back, looks around"),
        (r"((a|b)*)++c", "never gives back"),
    ],
)
def test_what_may_take_for_ever_is_refused(pattern: str, why: str) -> None:
    assert why in why_unbounded(pattern)
    with pytest.raises(Unbounded):
        matcher([pattern])


@pytest.mark.parametrize("pattern", [r"(?!usr/).*", r"(a)\1", r"(?i)usr/.*", r"\busr", r"a++b"])
def test_what_is_quick_may_be_anything(pattern: str) -> None:
    assert why_unbounded(pattern) == ""
    for text in ("usr/lib", "USR/x", "aa", "aab", ""):
        assert bool(matcher([pattern])(text)) == bool(re.match(pattern, text))


def test_lithifys_own_patterns_are_left_to_python() -> None:
    long = "usr/lib/" + "d/" * SHORT + "libx.so.1.2"
    for product in (*MODERN.chunk_rules, *MODERN.stratum_rules):
        for pattern in product.include:
            assert why_unbounded(pattern) == ""
            for text in ("usr/lib/libz.so.1.2.3", "usr/bin/x", "x-devel", long):
                assert bool(matcher([pattern])(text)) == bool(re.match(pattern, text))


atoms = st.sampled_from(
    ["a", "b", ".", r"\.", r"\d", r"\w", "[ab]", "[^a]", "[^/]", "/", "\n", "^", "$", r"\Z"]
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "*?", "+?", "{2}", "{1,3}", "{,2}", "{2,}"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, repeats).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


@settings(max_examples=500, deadline=None)
@given(st.recursive(atoms, grown, max_leaves=5), st.text("ab/.1\n", max_size=7))
def test_an_automaton_matches_as_python_does(pattern: str, text: str) -> None:
    assert Automaton(_parser.parse(pattern)).matches(text) == bool(re.match(pattern, text))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.recursive(atoms, grown, max_leaves=4), max_size=4), st.text("ab/.1\n", max_size=7))
def test_any_of_several_patterns(patterns: list[str], text: str) -> None:
    assert bool(matcher(patterns)(text)) == any(re.match(pattern, text) for pattern in patterns)
