"""The artifacts of a graph: their names with their keys, and what each depends on directly."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from lithify.definitions.model import GitSource
from lithify.graph.keys import Keys, Kind, Unresolved
from lithify.graph.model import DefinitionKey, SystemGraph
from lithify.graph.order import in_order
from lithify.graph.pins import source_identity
from lithify.graph.staging_order import staging_order


class Artifact(Struct, frozen=True, order=True):
    """An artifact of a chunk, stratum or system. Names of chunk artifacts are unique only with their chunk."""

    kind: Kind
    source: str
    """The chunk, stratum or system that it is of."""
    name: str


class KeyedArtifact(Struct, frozen=True, kw_only=True):
    """An artifact and its definition key."""

    artifact: Artifact
    key: DefinitionKey | Unresolved

    def __str__(self) -> str:
        """Return ``KEY.kind.name``, the way in which artifacts are named to users."""
        key = "unresolved" if isinstance(self.key, Unresolved) else self.key
        return f"{key}.{self.artifact.kind}.{self.artifact.name}"


def system_artifact(graph: SystemGraph) -> Artifact:
    """Return the one artifact of the system."""
    return Artifact("system", graph.system.name, f"{graph.system.name}-rootfs")


def needed_artifacts(keys: Keys) -> tuple[KeyedArtifact, ...]:
    """Return the artifacts that a build of the system makes or selects: of needed chunks alone, each once, sorted."""
    graph = keys.graph
    found = {system_artifact(graph): keys.system}
    strata = set(graph.system.stratum_artifacts)
    direct = {stratum for name in graph.needed for stratum in graph.chunks[name].stratum_depends}
    for stratum in in_order(sorted(direct), keys.order.needs.__getitem__):
        strata.update((stratum, artifact.name) for artifact in graph.strata[stratum].artifacts)
    for pair in strata:
        found[Artifact("stratum", *pair)] = keys.stratum_artifact[pair]
    for name in graph.needed:
        for artifact in graph.chunks[name].artifacts:
            found[Artifact("chunk", name, artifact)] = keys.chunk[name]
    return tuple(KeyedArtifact(artifact=artifact, key=found[artifact]) for artifact in sorted(found))


def artifact_dependencies(graph: SystemGraph) -> Iterator[tuple[Artifact, tuple[Artifact, ...]]]:
    """Yield each artifact of the whole closure with those that it depends on directly, dependencies first.

    A chunk's depend on all artifacts of what it build-depends on; a stratum's on the chunk artifacts that it selects, and on
    all artifacts of the strata below; the system's on the stratum artifacts that it selects.
    """
    of_chunk = {
        name: tuple(Artifact("chunk", name, part) for part in chunk.artifacts)
        for name, chunk in graph.chunks.items()
    }
    of_stratum = {
        name: tuple(Artifact("stratum", name, part.name) for part in stratum.artifacts)
        for name, stratum in graph.strata.items()
    }
    depends = staging_order(graph).depends
    for name, chunk in graph.chunks.items():
        below = (
            *(part for other in depends[name] for part in of_chunk[other]),
            *(part for stratum in chunk.stratum_depends for part in of_stratum[stratum]),
        )
        for artifact in of_chunk[name]:
            yield artifact, below
    for stratum in graph.strata.values():
        strata = tuple(part for other in stratum.build_depends for part in of_stratum[other])
        for artifact, selection in zip(of_stratum[stratum.name], stratum.artifacts, strict=True):
            yield artifact, (*(Artifact("chunk", *member) for member in selection.members), *strata)
    yield system_artifact(graph), tuple(Artifact("stratum", *pair) for pair in graph.system.stratum_artifacts)


def dependency_lines(graph: SystemGraph, repo: str, ref: str) -> Iterator[str]:
    """Yield the lines of ``show-dependencies``; ``repo`` and ``ref`` stand for the definitions' own.

    Each artifact is ``REPO|REF|FILE|SOURCE|ARTIFACT``, the first two as the definitions write them.
    """
    yield f"dependency graph for {repo}|{ref}|{graph.system.file}:"
    for artifact, below in artifact_dependencies(graph):
        yield f"  {_line(graph, artifact, repo, ref)}"
        for other in below:
            yield f"    -> {_line(graph, other, repo, ref)}"


def _line(graph: SystemGraph, artifact: Artifact, repo: str, ref: str) -> str:
    match artifact.kind:
        case "chunk":
            chunk = graph.chunks[artifact.source]
            first = chunk.sources[0] if chunk.sources else None
            if isinstance(first, GitSource):
                repo, ref = first.url, first.ref or first.track or ""
            elif first is not None:
                repo, ref = source_identity(first), ""
            return f"{repo}|{ref}|{chunk.file}|{chunk.name}|{artifact.name}"
        case "stratum":
            return f"{repo}|{ref}|{graph.strata[artifact.source].file}|{artifact.name}|{artifact.name}"
        case "system":
            return f"{repo}|{ref}|{graph.system.file}|{artifact.source}|{artifact.name}"
