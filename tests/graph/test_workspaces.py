"""Keys of what a workspace went into are in a domain of their own, whatever is open and whatever the content is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.definitions.model import WorkspaceSource
from lithify.graph.keys import Keys, build_key, definition_keys
from lithify.graph.model import ContentDigest
from lithify.graph.pins import Pin
from lithify.graph.resolve import resolve
from lithify.graph.workspaces import with_workspaces
from tests.graph.golden_cases import pins_of
from tests.graph.test_keys import demo_files
from tests.graph.trees import tree

GRAPH = resolve(tree(demo_files(), version=9), "systems/demo.morph")
CLEAN = definition_keys(GRAPH, pins_of(GRAPH))
CONTENT = {name: ContentDigest("0" * 64) for name in GRAPH.chunks}


def opened(names: set[str], *, workspace: str = "1", files: str = "0") -> Keys:
    """Return the keys with workspaces of these chunks."""
    sources = {name: WorkspaceSource(path=f"/{name}", id=f"{workspace}-{name}", chunk=name) for name in names}
    pins = {
        source: Pin(kind="workspace", digest_data={"workspace": source.id, "tree": files * 64})
        for source in sources.values()
    }
    graph = with_workspaces(GRAPH, sources)
    return definition_keys(graph, {**pins_of(GRAPH), **pins})


def built(keys: Keys, name: str) -> str:
    """Return a chunk's build key; all trees and all contents are the same."""
    workspaces = keys.workspaces_of(name)
    inputs = keys.chunk_build_inputs(name, tree="0" * 64, content=CONTENT, workspaces=workspaces)
    return build_key(inputs)


def above(names: set[str]) -> set[str]:
    """Return chunks and all that is built on them, or on what is built on them: graphs are in build order."""
    found = set(names)
    for name in GRAPH.chunks:
        staged = {member for group in CLEAN.staged(name) for member in group.chunks}
        if staged & found:
            found.add(name)
    return found


some = st.sets(st.sampled_from(sorted(GRAPH.chunks)))


@settings(deadline=None)
@given(some)
def test_just_what_is_built_on_a_workspace_has_other_keys(names: set[str]) -> None:
    keys = opened(names)
    assert {name for name in GRAPH.chunks if keys.chunk[name] != CLEAN.chunk[name]} == above(names)
    assert {name for name in GRAPH.chunks if built(keys, name) != built(CLEAN, name)} == above(names)
    selected = {item.chunk for item in GRAPH.system.selected}
    assert (keys.system != CLEAN.system) == bool(selected & above(names))
    assert bool(keys.workspaces_of_system()) == bool(selected & above(names))


@settings(deadline=None)
@given(some)
def test_no_clean_key_is_one_of_a_workspace(names: set[str]) -> None:
    clean = {*CLEAN.chunk.values(), *(built(CLEAN, name) for name in GRAPH.chunks)}
    keys = opened(names)
    assert clean.isdisjoint({key for name in above(names) for key in (keys.chunk[name], built(keys, name))})


@settings(deadline=None)
@given(some.filter(bool))
def test_a_workspace_opened_anew_is_another(names: set[str]) -> None:
    one, other = opened(names), opened(names, workspace="2")
    for name in above(names):
        assert one.chunk[name] != other.chunk[name]
        assert built(one, name) != built(other, name)


def test_the_files_are_in_the_definition_key() -> None:
    one, other = opened({"zlib"}), opened({"zlib"}, files="1")
    assert {name for name in GRAPH.chunks if one.chunk[name] != other.chunk[name]} == above({"zlib"})


def test_a_workspace_of_a_chunk_that_is_not_there_changes_nothing() -> None:
    source = WorkspaceSource(path="/x", id="1", chunk="nobody")
    assert with_workspaces(GRAPH, {"nobody": source}) is GRAPH
