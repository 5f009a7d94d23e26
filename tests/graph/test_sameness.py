"""Systems that are the same in two trees are told without resolving them, and never wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.errors import DefinitionErrors
from lithify.graph.difference import changes
from lithify.graph.resolve import resolve
from lithify.graph.sameness import Sameness
from tests.graph.trees import COMMIT, stratum, tree

Files = Mapping[str, str | Mapping[str, Any]]


def files(**changed: Any) -> dict[str, str | Mapping[str, Any]]:
    made: dict[str, str | Mapping[str, Any]] = {
        "systems/one.morph": {
            "name": "one",
            "kind": "system",
            "arch": "x86_64",
            "strata": [{"morph": "strata/work.morph"}],
        },
        "strata/base.morph": stratum(
            "base", [{"name": "libc", "repo": "a:libc", "ref": COMMIT, "build-system": "autotools"}]
        ),
        "strata/work.morph": stratum(
            "work", [{"name": "app", "repo": "a:app", "ref": COMMIT, "morph": "chunks/app.morph"}], "base"
        ),
        "chunks/app.morph": {"name": "app", "kind": "chunk", "build-commands": ["make"]},
        "chunks/other.morph": {"name": "other", "kind": "chunk"},
    }
    return {**made, **changed}


def same(old: Files, new: Files) -> bool:
    return Sameness(tree(old), tree(new)).is_same("systems/one.morph")


def test_equal_trees_are_the_same() -> None:
    assert same(files(), files())


def test_what_the_system_does_not_name_does_not_count() -> None:
    assert same(files(), files(**{"chunks/other.morph": {"name": "other", "kind": "chunk", "max-jobs": 1}}))


def test_comments_do_not_count() -> None:
    text = "name: app # a comment\nbuild-commands:\n- make\nkind: chunk\n"
    assert same(files(), files(**{"chunks/app.morph": text}))


def test_any_file_of_the_closure_counts() -> None:
    for name, text in {
        "chunks/app.morph": "name: app\nkind: chunk\nbuild-commands:\n- make all\n",
        "strata/base.morph": "name: base\nkind: stratum\nchunks: []\n",
        "DEFAULTS": "build-systems:\n  autotools:\n    build-commands: [true]\n",
    }.items():
        assert not same(files(), files(**{name: text})), name


def test_another_format_counts() -> None:
    assert not Sameness(tree(files()), tree(files(), version=8)).is_same("systems/one.morph")


def test_nobody_can_tell_of_what_is_broken_or_missing() -> None:
    assert not same(files(), files(**{"strata/base.morph": "name: ["}))
    assert not same(files(**{"chunks/app.morph": "name: ["}), files(**{"chunks/app.morph": "name: ["}))
    assert not Sameness(tree(files()), tree(files())).is_same("systems/none.morph")


CHANGES = {
    "strata/base.morph": stratum(
        "base", [{"name": "libc", "repo": "a:libc", "ref": COMMIT[::-1], "build-system": "autotools"}]
    ),
    "strata/work.morph": stratum(
        "work", [{"name": "app", "repo": "a:app", "ref": COMMIT, "morph": "chunks/other.morph"}], "base"
    ),
    "chunks/app.morph": {"name": "app", "kind": "chunk", "build-commands": ["make -s"]},
    "chunks/other.morph": {"name": "other", "kind": "chunk", "max-jobs": 2},
}


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(sorted(CHANGES))), st.sets(st.sampled_from(sorted(CHANGES))))
def test_where_graphs_differ_the_systems_are_not_the_same(before: set[str], after: set[str]) -> None:
    old, new = (files(**{name: CHANGES[name] for name in names}) for names in (before, after))
    try:
        differences = changes(*(resolve(tree(one), "systems/one.morph") for one in (old, new)))
    except DefinitionErrors:
        return
    if differences:
        assert not same(old, new)
