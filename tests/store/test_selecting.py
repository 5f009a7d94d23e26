"""Selections of a tree: exactly the paths chosen and their parents; all selections merged are the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.store.entries import paths
from lithify.store.gvariant import Tree
from lithify.store.manifest import Device, Manifest, manifest_of
from lithify.store.merge import Part, merge
from lithify.store.selecting import select
from tests.store.trees import Dir, File, Memory, Spec, Symlink, files, folders, plain_specs, specs

NULL = Device(path="dev/null", type="c", mode=0o666, major=1, minor=3)


def selected(memory: Memory, tree: Tree, manifest: Manifest, chosen: set[str]) -> tuple[Tree, Manifest]:
    frozen = select(memory, tree, manifest, chosen)
    return memory.write(frozen), frozen.manifest


def test_a_selection_has_what_was_chosen_and_the_parents_as_they_are() -> None:
    memory = Memory()
    tree = memory.tree(
        {
            "usr": Dir(0o711),
            "usr/a": File(b"a"),
            "usr/b": File(b"b"),
            "etc": Dir(0o700),
            "etc/c": Symlink("d"),
        }
    )
    assert selected(memory, tree, Manifest(), {"usr/b"})[0] == memory.tree(
        {"usr": Dir(0o711), "usr/b": File(b"b")}
    )
    assert selected(memory, tree, Manifest(), {"etc"})[0] == memory.tree({"etc": Dir(0o700)})
    assert selected(memory, tree, Manifest(), set())[0] == memory.tree({})


def test_the_manifest_is_selected_with_the_paths() -> None:
    memory = Memory()
    manifest = manifest_of([NULL], [["a", "b", "c"]])
    tree = memory.tree({name: File(b"x") for name in "abc"} | {"d": File()}, manifest)
    assert selected(memory, tree, manifest, {"a", "c", "dev/null"}) == (
        memory.tree({"a": File(b"x"), "c": File(b"x"), "dev": Dir()}),
        manifest_of([NULL], [["a", "c"]]),
    )
    assert selected(memory, tree, manifest, {"a", "d"})[1] == Manifest()


@pytest.mark.parametrize("path", ["none", "usr/none", "usr/a/none"])
def test_a_path_that_is_not_there_is_an_error(path: str) -> None:
    memory = Memory()
    with pytest.raises(KeyError):
        select(memory, memory.tree({"usr/a": File()}), Manifest(), {path})


@given(specs(files | folders), st.randoms(use_true_random=False))
def test_selecting_everything_changes_nothing(spec: Spec, _: object) -> None:
    memory = Memory()
    tree = memory.tree(spec)
    assert selected(memory, tree, Manifest(), set(paths(memory, tree, Manifest())))[0] == tree


@given(plain_specs(), st.data())
def test_all_selections_merged_are_the_whole(spec: Spec, data: st.DataObject) -> None:
    """As split rules do it: each path goes to one artifact, and a system has them all."""
    memory = Memory()
    tree = memory.tree(spec)
    artifacts: dict[str, set[str]] = {"bins": set(), "libs": set(), "misc": set()}
    for path in paths(memory, tree, Manifest()):
        artifacts[data.draw(st.sampled_from(sorted(artifacts)))].add(path)
    parts = [
        Part(name=name, tree=selected(memory, tree, Manifest(), chosen)[0])
        for name, chosen in artifacts.items()
    ]
    result = merge(memory, parts)
    assert (result.tree, result.overlaps) == (tree, ())
