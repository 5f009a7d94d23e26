"""All keys of a system's graph: computed once, without recursion, in one pass over chunks and declared edges.

What each key is made of stands in :mod:`lithify.graph.inputs`. A key that cannot be known yet is an :class:`Unresolved`, and
so is each one that depends on it; the rest of the graph has its keys all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

from msgspec import Struct

from lithify.definitions.model import Source
from lithify.errors import Unpinned
from lithify.graph import inputs as made_of
from lithify.graph.canonical import Value, digest
from lithify.graph.inputs import Inputs
from lithify.graph.model import (
    BuildKey,
    Chunk,
    ContentDigest,
    DefinitionKey,
    StagedGroup,
    StratumArtifact,
    SystemGraph,
)
from lithify.graph.order import in_order
from lithify.graph.pins import Pin, source_identity
from lithify.graph.staging_order import StagingOrder, prefixes_below, staged, staging_order

_Key = TypeVar("_Key", bound=str)
Kind = Literal["chunk", "stratum", "system"]
_SHORT = 16
"""Hex digits of a key that are kept beside a name, to show what changed; the whole stands in a group's digest."""


class Unresolved(Struct, frozen=True, kw_only=True):
    """A key that cannot be known yet."""

    reason: str
    origin: str
    """The chunk whose own input is missing; others have no key because they depend on it."""
    is_fault: bool = False
    """Whether its definition is wrong, so that no pin helps."""


def definition_key(inputs: Inputs) -> DefinitionKey:
    """Return the definition key with these inputs."""
    return DefinitionKey(digest(inputs))


def build_key(inputs: Inputs) -> BuildKey:
    """Return the build key with these inputs."""
    return BuildKey(digest(inputs))


def known(key: DefinitionKey | Unresolved) -> DefinitionKey:
    """Return a key; raises :class:`Unpinned`, naming what is missing, for one that cannot be known yet."""
    if isinstance(key, Unresolved):
        pins = f"`lithify lock` pins it, `lithify lock {key.origin}` it alone"
        raise Unpinned(
            f"{key.origin}: {key.reason}", hints=["`lithify validate` tells where" if key.is_fault else pins]
        )
    return key


class Keys(Struct, frozen=True, kw_only=True):
    """The definition keys of one graph with one set of pins, and what each is made of."""

    graph: SystemGraph
    order: StagingOrder
    pins: Mapping[Source, Pin]
    chunk: Mapping[str, DefinitionKey | Unresolved]
    group: Mapping[str, str | Unresolved]
    """Stratum → its :func:`~lithify.graph.inputs.stratum_group`; of those strata that a chunk is built on."""
    stratum_artifact: Mapping[tuple[str, str], DefinitionKey | Unresolved]
    """(stratum, artifact) → key."""
    system: DefinitionKey | Unresolved
    workspaces: Mapping[str, tuple[str, ...]]
    """Chunk → ids of the workspaces that went into it, or into anything below it, sorted; chunks without are left out."""

    def inputs(self, kind: Kind, name: str) -> Inputs:
        """Return what the key of a chunk, of a stratum artifact or of the system is the digest of.

        Raises :class:`Unpinned` where the key is unresolved, :class:`KeyError` for a name that is not in the graph.
        """
        if kind == "chunk":
            return _chunk_inputs(
                self.graph, self.order, self.pins, self.graph.chunks[name], self.chunk, self.group
            )
        if kind == "system":
            return _system_inputs(self.graph, self.chunk)
        for stratum in self.graph.strata.values():
            for artifact in stratum.artifacts:
                if artifact.name == name:
                    return _stratum_artifact_inputs(artifact, self.chunk)
        raise KeyError(name)

    def expanded(self, kind: Kind, name: str) -> Mapping[str, Value]:
        """Return the inputs, and beside them the names behind each group digest: what a commit keeps for ``why``.

        ``groups`` stands in the order of the input ``strata``; an entry is a stratum and [chunk, start of its key] of all
        that it brings. ``stratum`` is a chunk's own.
        """
        groups: list[Value] = []
        stratum_of_it = self.graph.chunks[name].stratum if kind == "chunk" else ""
        if kind == "chunk":
            for stratum in self.graph.chunks[name].stratum_depends:
                members = [(member, self.chunk[member]) for member in self.order.members[stratum]]
                groups.append([stratum, [[member, str(key)[:_SHORT]] for member, key in members]])
        return {"inputs": self.inputs(kind, name), "groups": groups, "stratum": stratum_of_it}

    def staged(self, name: str) -> tuple[StagedGroup, ...]:
        """Return everything that the chunk is built on, lowest layer first."""
        return staged(self.graph, name, self.order)

    def workspaces_of(self, name: str) -> tuple[str, ...]:
        """Return the ids of the workspaces that went into a chunk, or into anything below it however far, sorted."""
        return self.workspaces.get(name, ())

    def workspaces_of_system(self) -> tuple[str, ...]:
        """Return the ids of the workspaces that went into the system, sorted."""
        return tuple(
            sorted({one for item in self.graph.system.selected for one in self.workspaces_of(item.chunk)})
        )

    def chunk_build_inputs(
        self,
        name: str,
        *,
        tree: str,
        content: Mapping[str, ContentDigest],
        host: str = "",
        workspaces: Sequence[str] = (),
    ) -> Inputs:
        """Return what the build key of a chunk is made of.

        ``tree``: digest of its source tree; ``content``: at least of every chunk in :meth:`staged`; ``host``: fingerprint
        of the host's tools, for a chunk in bootstrap or test mode; ``workspaces``: :meth:`workspaces_of` it.
        """
        return made_of.chunk_build_inputs(
            self.graph.chunks[name],
            prefixes=prefixes_below(self.graph, name, self.order),
            tree=tree,
            staged=self.staged(name),
            content=content,
            pins=self.pins,
            host=host,
            workspaces=workspaces,
        )

    def expanded_build(
        self, inputs: Inputs, name: str, content: Mapping[str, ContentDigest]
    ) -> Mapping[str, Value]:
        """Return a chunk's build inputs with the names behind ``staged``, in its order, as :meth:`expanded` does."""
        groups: list[Value] = [
            [group.stratum, [[chunk, content[chunk][:_SHORT]] for chunk in group.chunks]]
            for group in self.staged(name)
        ]
        return {"inputs": inputs, "groups": groups}

    def system_build_inputs(self, *, content: Mapping[tuple[str, str], ContentDigest]) -> Inputs:
        """Return what the build key of the system is made of; ``content``: of each selected (chunk, artifact)."""
        return made_of.system_build_inputs(
            self.graph,
            content=content,
            definition=_known(self.system),
            workspaces=self.workspaces_of_system(),
        )


def definition_keys(
    graph: SystemGraph, pins: Mapping[Source, Pin], order: StagingOrder | None = None
) -> Keys:
    """Return all definition keys of a graph; linear in chunks and declared edges."""
    order = order or staging_order(graph)
    chunks: dict[str, DefinitionKey | Unresolved] = {}
    groups: dict[str, str | Unresolved] = {}
    for name, chunk in graph.chunks.items():
        for stratum in in_order(
            chunk.stratum_depends, lambda other: () if other in groups else order.needs[other]
        ):
            if stratum not in groups:
                groups[stratum] = _group(order, stratum, chunks, groups)
        missing = _missing(chunk, pins) or _first_unresolved(
            (
                *(chunks[other] for other in order.depends[name]),
                *(groups[other] for other in chunk.stratum_depends),
            )
        )
        chunks[name] = missing or definition_key(_chunk_inputs(graph, order, pins, chunk, chunks, groups))
    artifacts: dict[tuple[str, str], DefinitionKey | Unresolved] = {}
    for stratum_name, artifact in (
        (s.name, artifact) for s in graph.strata.values() for artifact in s.artifacts
    ):
        missing = _first_unresolved(chunks[member] for member, _ in artifact.members)
        artifacts[stratum_name, artifact.name] = missing or definition_key(
            _stratum_artifact_inputs(artifact, chunks)
        )
    missing = _first_unresolved(chunks[item.chunk] for item in graph.system.selected)
    return Keys(
        graph=graph,
        order=order,
        pins=pins,
        chunk=chunks,
        group=groups,
        stratum_artifact=artifacts,
        system=missing or definition_key(_system_inputs(graph, chunks)),
        workspaces=_workspaces(graph, order),
    )


def _workspaces(graph: SystemGraph, order: StagingOrder) -> dict[str, tuple[str, ...]]:
    """Return which workspaces went into each chunk: also through what is below it and not staged with it any more."""
    if not any(chunk.workspace for chunk in graph.chunks.values()):
        return {}
    into: dict[str, frozenset[str]] = {}
    strata: dict[str, frozenset[str]] = {}
    for name, chunk in graph.chunks.items():
        for stratum in in_order(
            chunk.stratum_depends, lambda other: () if other in strata else order.needs[other]
        ):
            if stratum not in strata:
                below = (strata[other] for other in order.needs[stratum])
                strata[stratum] = frozenset().union(*below, *(into[one] for one in order.members[stratum]))
        own = frozenset({chunk.workspace.id} if chunk.workspace else ())
        staged_below = (into[other] for other in order.depends[name])
        into[name] = own.union(*staged_below, *(strata[other] for other in chunk.stratum_depends))
    return {name: tuple(sorted(ids)) for name, ids in into.items() if ids}


_ChunkKeys = Mapping[str, DefinitionKey | Unresolved]
_Groups = Mapping[str, str | Unresolved]


def _chunk_inputs(
    graph: SystemGraph,
    order: StagingOrder,
    pins: Mapping[Source, Pin],
    chunk: Chunk,
    keys: _ChunkKeys,
    groups: _Groups,
) -> Inputs:
    missing = _missing(chunk, pins)
    if missing:
        raise Unpinned(f"{missing.origin}: {missing.reason}")
    return made_of.chunk_definition_inputs(
        chunk,
        prefixes=prefixes_below(graph, chunk.name, order),
        pins=pins,
        depends=[(name, _known(keys[name])) for name in order.depends[chunk.name]],
        strata=[_known(groups[name]) for name in chunk.stratum_depends],
    )


def _system_inputs(graph: SystemGraph, keys: _ChunkKeys) -> Inputs:
    names = dict.fromkeys(item.chunk for item in graph.system.selected)
    return made_of.system_definition_inputs(graph, {name: _known(keys[name]) for name in names})


def _stratum_artifact_inputs(artifact: StratumArtifact, keys: _ChunkKeys) -> Inputs:
    members = [(chunk, part, _known(keys[chunk])) for chunk, part in artifact.members]
    return made_of.stratum_artifact_inputs(artifact.name, members)


def _group(order: StagingOrder, stratum: str, keys: _ChunkKeys, groups: _Groups) -> str | Unresolved:
    needs = [groups[name] for name in order.needs[stratum]]
    members = [keys[name] for name in order.members[stratum]]
    missing = _first_unresolved((*needs, *members))
    return missing or made_of.stratum_group(
        [_known(group) for group in needs], [_known(member) for member in members]
    )


def _missing(chunk: Chunk, pins: Mapping[Source, Pin]) -> Unresolved | None:
    """Return what keeps a chunk from having a key by itself."""
    if chunk.unresolved:
        is_fault = any(fault.severity == "error" for fault in chunk.faults)
        return Unresolved(reason=chunk.unresolved, origin=chunk.name, is_fault=is_fault)
    for source in chunk.built_from:
        if source not in pins:
            return Unresolved(reason=f"not pinned: {source_identity(source)}", origin=chunk.name)
    return None


def _first_unresolved(items: Iterable[str | Unresolved]) -> Unresolved | None:
    return next((item for item in items if isinstance(item, Unresolved)), None)


def _known(item: _Key | Unresolved) -> _Key:
    if isinstance(item, Unresolved):
        raise Unpinned(f"{item.origin}: {item.reason}")
    return item
