"""What a system is stacked from: whole chunks, where that is the same as their artifacts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lithify.build.metadata import BuiltChunk, Content
from lithify.build.system import system_contents
from lithify.graph.model import ContentDigest, SelectedArtifact, SystemGraph
from lithify.graph.resolve import resolve
from lithify.store.entries import paths
from lithify.store.manifest import Manifest, manifest_of
from lithify.store.merge import Part, merge
from lithify.store.selecting import select
from tests.graph.trees import chunk, files, stratum, system, tree
from tests.store.trees import Dir, File, Memory, Spec, plain_specs

ARTIFACTS = ("app-bins", "app-libs", "app-misc")


def content(memory: Memory, spec: Spec, manifest: Manifest, chosen: set[str] | None = None) -> Content:
    whole = memory.tree(spec, manifest)
    if chosen is not None:
        frozen = select(memory, whole, manifest, chosen)
        whole, manifest = memory.write(frozen), frozen.manifest
    return Content(tree=whole, manifest=manifest, digest=ContentDigest(f"{whole} {manifest}"))


def built(memory: Memory, spec: Spec, manifest: Manifest, split: dict[str, set[str]]) -> BuiltChunk:
    return BuiltChunk(
        name="app",
        commit="c",
        whole=content(memory, spec, manifest),
        artifacts={name: content(memory, spec, manifest, chosen) for name, chosen in split.items()},
    )


def graph_of(*artifacts: str) -> SystemGraph:
    graph = resolve(tree(files(system("s"), stratum("s", [chunk("app")]))), "systems/demo.morph")
    selected = [
        SelectedArtifact(artifact=name, chunk="app", stratum="s", stratum_artifact="s-runtime")
        for name in artifacts
    ]
    return replace(graph, system=replace(graph.system, selected=tuple(selected)))


def names(graph: SystemGraph, app: BuiltChunk) -> list[str]:
    return [name for name, _ in system_contents(graph, {"app": app})]


def test_a_chunk_is_taken_whole_where_all_of_it_is_selected() -> None:
    memory = Memory()
    spec: Spec = {"usr": Dir(), "usr/a": File(b"a"), "usr/b": File(b"b"), "usr/c": File(b"c")}
    split = dict(zip(ARTIFACTS, ({"usr/a"}, {"usr/b"}, {"usr/c"}), strict=True))
    app = built(memory, spec, Manifest(), split)
    assert names(graph_of(*ARTIFACTS), app) == ["app"]
    assert names(graph_of(*ARTIFACTS[:2]), app) == list(ARTIFACTS[:2])
    assert system_contents(graph_of(*ARTIFACTS), {}) == []


def test_a_link_between_two_artifacts_is_none_in_a_system() -> None:
    memory = Memory()
    spec: Spec = {"a": File(b"x"), "b": File(b"x"), "c": File(b"x")}
    linked = manifest_of([], [["a", "b"]])
    within = built(memory, spec, linked, dict(zip(ARTIFACTS, ({"a", "b"}, {"c"}, set()), strict=True)))
    assert names(graph_of(*ARTIFACTS), within) == ["app"]
    across = built(memory, spec, linked, dict(zip(ARTIFACTS, ({"a"}, {"b"}, {"c"}), strict=True)))
    assert names(graph_of(*ARTIFACTS), across) == list(ARTIFACTS)


@given(plain_specs(), st.data())
def test_whatever_is_taken_the_merge_is_that_of_the_artifacts(spec: Spec, data: st.DataObject) -> None:
    memory = Memory()
    everything = sorted(paths(memory, memory.tree(spec), Manifest()))
    regular = [path for path in everything if isinstance(spec.get(path), File)]
    same = [path for path in regular if spec[path] == spec[regular[0]]]
    links = [same[:2]] if len(same) > 1 else []
    split: dict[str, set[str]] = {name: set() for name in ARTIFACTS}
    for path in everything:
        split[data.draw(st.sampled_from(ARTIFACTS))].add(path)
    app = built(memory, spec, manifest_of([], links), split)
    taken = system_contents(graph_of(*ARTIFACTS), {"app": app})
    by_artifact = [(name, app.artifacts[name]) for name in ARTIFACTS]

    def merged(contents: list[tuple[str, Content]]) -> object:
        found = merge(
            memory, [Part(name=name, tree=one.tree, manifest=one.manifest) for name, one in contents]
        )
        return found.tree, found.manifest, found.overlaps

    assert merged(taken) == merged(by_artifact)
