from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.graph.model import SplitRule, StratumArtifact
from lithify.graph.splitting import UnsplitFiles, assign, split_rules, stratum_artifacts

DEFAULTS = (
    ("-bins", ("(usr/)?s?bin/.*",)),
    ("-libs", (r"(usr/)?lib(32|64)?/lib[^/]*\.so(\.\d+)*", "(usr/)libexec/.*")),
    ("-devel", ("(usr/)?include/.*",)),
    ("-misc", (".*",)),
)


def test_the_first_rule_that_matches_wins() -> None:
    paths = ["usr", "usr/bin", "usr/bin/tool", "usr/lib/libz.so.1", "usr/include/zlib.h", "etc/libz.conf"]
    assert assign(paths, split_rules("zlib", (), DEFAULTS)) == {
        "zlib-bins": ["usr/bin/tool"],
        "zlib-libs": ["usr/lib/libz.so.1"],
        "zlib-devel": ["usr/include/zlib.h"],
        "zlib-misc": ["usr", "usr/bin", "etc/libz.conf"],
    }


def test_a_pattern_matches_from_the_start_and_need_not_match_all() -> None:
    rules = split_rules("a", (("a-lib", ("lib",)),), ())
    assert assign(["library/x", "lib"], rules) == {"a-lib": ["library/x", "lib"]}
    with pytest.raises(UnsplitFiles, match="usr/lib"):
        assign(["usr/lib"], rules)


def test_products_go_first_and_replace_defaults_of_their_name() -> None:
    rules = split_rules("glibc", (("glibc-nss", ("etc/nsswitch",)), ("glibc-bins", ("sbin/.*",))), DEFAULTS)
    assert [rule.artifact for rule in rules] == [
        "glibc-nss",
        "glibc-bins",
        "glibc-libs",
        "glibc-devel",
        "glibc-misc",
    ]
    assert assign(["sbin/x", "bin/x", "etc/nsswitch.conf"], rules)["glibc-bins"] == ["sbin/x"]


def test_without_any_rule_all_is_one_artifact() -> None:
    assert assign(["a", "b/c"], split_rules("x", (), ())) == {"x": ["a", "b/c"]}


def test_every_artifact_is_there_even_if_empty() -> None:
    assert assign([], split_rules("x", (), DEFAULTS)) == {f"x{suffix}": [] for suffix, _ in DEFAULTS}


def test_patterns_with_groups_of_their_own_keep_their_meaning() -> None:
    rules = (
        SplitRule(artifact="twice", include=("(x|y)", r"(.)\1")),
        SplitRule(artifact="any-case", include=("(?i:readme)",)),
        SplitRule(artifact="rest", include=("",)),
    )
    assert assign(["aab", "abb", "ReadMe", "x"], rules) == {
        "twice": ["aab", "x"],
        "any-case": ["ReadMe"],
        "rest": ["abb"],
    }


patterns = st.lists(st.sampled_from([".*", "a", "b|c", "(a|b)*c", r"\.so", "[^/]*/x", ""]), max_size=3)


@settings(deadline=None)
@given(
    st.lists(st.text("abcx/.", min_size=1), unique=True, max_size=20),
    st.lists(st.tuples(st.sampled_from("pqrs"), patterns), max_size=4),
)
def test_it_does_what_the_rule_says(paths: list[str], listed: list[tuple[str, list[str]]]) -> None:
    rules = tuple(SplitRule(artifact=name, include=tuple(include)) for name, include in listed)
    expected: dict[str, list[str]] = {rule.artifact: [] for rule in rules}
    left: list[str] = []
    for path in paths:
        owner = next((r.artifact for r in rules if any(re.match(p, path) for p in r.include)), None)
        (left if owner is None else expected[owner]).append(path)
    if left:
        with pytest.raises(UnsplitFiles) as caught:
            assign(paths, rules)
        assert caught.value.paths == tuple(left)
    else:
        assert assign(paths, rules) == expected


def test_a_stratum_assigns_by_entry_then_by_product_then_by_default() -> None:
    rules = split_rules(
        "base",
        (("base-minimal", ("busybox-.*", "glibc-nss")),),
        (("-devel", (".*-devel", ".*-doc")), ("-runtime", (".*-bins", ".*-libs", ".*"))),
    )
    chunks = [
        ("busybox", ("busybox-bins", "busybox-devel")),
        ("glibc", ("glibc-nss", "glibc-libs", "glibc-devel")),
        ("gcc", ("gcc-libs", "gcc-doc")),
    ]
    assigned = {("gcc", "gcc-libs"): "base-minimal", ("glibc", "glibc-nss"): "base-extra"}
    assert stratum_artifacts(chunks, assigned, rules) == (
        StratumArtifact(
            name="base-minimal",
            members=(("busybox", "busybox-bins"), ("busybox", "busybox-devel"), ("gcc", "gcc-libs")),
        ),
        StratumArtifact(name="base-extra", members=(("glibc", "glibc-nss"),)),
        StratumArtifact(name="base-devel", members=(("glibc", "glibc-devel"), ("gcc", "gcc-doc"))),
        StratumArtifact(name="base-runtime", members=(("glibc", "glibc-libs"),)),
    )
