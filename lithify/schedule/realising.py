"""A chunk or a system is made available: found, taken from an equal build, or built; each key once, whoever wants it.

The order is DESIGN's: look up by definition key; else know the inputs and look up by build key; else build.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lithify.build.baserock import ClassicIdentity
from lithify.build.chunk import ChunkOrder, build_chunk
from lithify.build.kept_folder import kept_folder
from lithify.build.laying_out import IMPORT, LaidOut, lay_out
from lithify.build.metadata import (
    BothKeys,
    BuiltChunk,
    BuiltSystem,
    DefinitionsState,
    adopted_metadata,
    build_ref,
    definition_ref,
    last_ref,
    licensing_facts,
    read_chunk,
    read_system,
    source_records,
)
from lithify.build.system import SystemOrder, compose_system
from lithify.build.workshop import Bench, Workshop, bench
from lithify.cache import hold_lock
from lithify.definitions.model import Source
from lithify.events import ComponentFinished, ComponentStarted, Waiting
from lithify.graph.keys import Keys, build_key, known
from lithify.graph.model import DefinitionKey, SystemGraph
from lithify.graph.pins import Pin
from lithify.graph.staging_order import prefixes_below
from lithify.sources.compose import known_tree_digest


class Undertaking(Struct, frozen=True, kw_only=True):
    """One system's build: the graph, its keys and pins, and what makes it."""

    workshop: Workshop
    graph: SystemGraph
    keys: Keys
    pins: Mapping[Source, Pin]
    definitions: DefinitionsState
    classic: Mapping[tuple[str, str], ClassicIdentity] | None = None
    there: Mapping[str, BuiltChunk] = field(default_factory=dict)
    """Chunks that were read before; they count while their refs name the same commits."""

    def key(self, name: str) -> DefinitionKey:
        """Return a chunk's definition key; raises :class:`Unpinned` where it cannot be known yet."""
        return known(self.keys.chunk[name])

    def system_key(self) -> DefinitionKey:
        """Return the system's definition key; raises like :meth:`key`."""
        return known(self.keys.system)

    def pins_of(self, name: str) -> list[tuple[Source, Pin]]:
        """Return the sources that a chunk is built from with their pins, in order."""
        return [(source, self.pins[source]) for source in self.graph.chunks[name].built_from]

    def log(self, key: DefinitionKey) -> Path:
        """Return where the log of a build is kept."""
        return self.workshop.cache.logs / f"{key}.log"


def find_chunk(undertaking: Undertaking, name: str) -> BuiltChunk | None:
    """Return a chunk that is in the store under its definition key, or None."""
    repository = undertaking.workshop.store.reading
    commit = repository.ref(definition_ref(undertaking.key(name)))
    read = undertaking.there.get(name)
    if read is not None and read.commit == commit:
        return read
    return None if commit is None else read_chunk(repository, commit)


def known_order(
    undertaking: Undertaking, name: str, staged_chunks: Mapping[str, BuiltChunk]
) -> ChunkOrder | None:
    """Return what a build of a chunk takes whose dependencies are available; None where its source tree is not known yet."""
    digest = known_tree(undertaking, name)
    return None if digest is None else chunk_order(undertaking, name, staged_chunks, digest)


def has_equal_build(undertaking: Undertaking, order: ChunkOrder) -> bool:
    """Return whether a build of the same inputs is in the store, so that nothing has to be built."""
    return _earlier(undertaking, order) is not None


def realise_chunk(
    undertaking: Undertaking,
    name: str,
    staged_chunks: Mapping[str, BuiltChunk],
    order: ChunkOrder | None = None,
) -> BuiltChunk:
    """Make a chunk available whose dependencies are, and return it; reports how.

    ``staged_chunks`` holds at least everything that it stages; ``order`` is what :func:`known_order` returned, where that was
    asked before. Raises what :func:`build_chunk` raises.
    """
    workshop = undertaking.workshop
    key = undertaking.key(name)
    began = time.monotonic()
    workshop.report(ComponentStarted(name=name, kind="chunk", key=key))
    waited: list[str] = []

    def on_wait(holder: str) -> None:
        waited.append(holder)
        workshop.report(Waiting(what=name, holder=holder))

    with ExitStack() as held:
        held.enter_context(_hold(workshop, f"d-{key}", on_wait))
        found = find_chunk(undertaking, name)
        if found is not None:
            _finished(workshop, name, "chunk", key, "waited" if waited else "cached", began)
            return found
        own_bench = held.enter_context(bench(workshop, name))
        laid_out = None
        if order is None:
            laid_out, order = _chunk_order(undertaking, own_bench, name, staged_chunks)
        held.enter_context(_hold(workshop, f"b-{order.keys.build}", on_wait))
        earlier = _earlier(undertaking, order)
        if earlier is not None:
            adopted = _adopt(workshop, order, earlier)
            _finished(workshop, name, "chunk", key, "reused", began)
            return adopted
        if order.chunk.workspace is not None and order.chunk.build_system != IMPORT:
            laid_out = held.enter_context(kept_folder(workshop, own_bench, order))
        elif laid_out is None:
            laid_out = lay_out(workshop, own_bench, order.chunk, order.pins, as_objects=True)
        last = _last_content(workshop, "chunk", name, order.chunk.arch, order.keys.workspaces)
        built = build_chunk(workshop, own_bench, order, laid_out)
        same = last == built.whole.digest
        seconds = time.monotonic() - began
        if order.chunk.workspace is None:  # one that goes on says nothing of how long a whole build takes
            workshop.facts.put("seconds", name, f"{seconds:.3f}")
        _finished(workshop, name, "chunk", key, "built", began, same_content=same)
        return built


def _chunk_order(
    undertaking: Undertaking, own_bench: Bench, name: str, available: Mapping[str, BuiltChunk]
) -> tuple[LaidOut | None, ChunkOrder]:
    """Return what a build of the chunk takes; its sources are laid out only where their tree is not known yet."""
    digest = known_tree(undertaking, name)
    laid_out = None
    if digest is None:
        chunk = undertaking.graph.chunks[name]
        pins = undertaking.pins_of(name)
        laid_out = lay_out(undertaking.workshop, own_bench, chunk, pins, as_objects=True)
        digest = laid_out.digest
    return laid_out, chunk_order(undertaking, name, available, digest)


def known_tree(undertaking: Undertaking, name: str) -> str | None:
    """Return the digest of a chunk's source tree, or None where it must be laid out to be known."""
    chunk = undertaking.graph.chunks[name]
    if chunk.workspace is not None:
        return str(undertaking.pins[chunk.workspace].digest_data["tree"])
    pins = undertaking.pins_of(name)
    sources = [source for source, _ in pins]
    return known_tree_digest(sources, dict(pins), undertaking.workshop.sources, keep_git=chunk.keep_git)


def chunk_order(
    undertaking: Undertaking, name: str, available: Mapping[str, BuiltChunk], digest: str
) -> ChunkOrder:
    """Return what a build of the chunk takes; ``digest``: of its source tree."""
    workshop, graph = undertaking.workshop, undertaking.graph
    chunk = graph.chunks[name]
    groups = undertaking.keys.staged(name)
    everything = [available[member] for group in groups for member in group.chunks]
    content = {built.name: built.whole.digest for built in everything}
    workspaces = undertaking.keys.workspaces_of(name)
    inputs = undertaking.keys.chunk_build_inputs(
        name, tree=digest, content=content, host=workshop.host_fingerprint, workspaces=workspaces
    )
    key = undertaking.key(name)
    return ChunkOrder(
        chunk=chunk,
        format=graph.format,
        pins=undertaking.pins_of(name),
        keys=BothKeys(
            definition=key,
            definition_inputs=undertaking.keys.expanded("chunk", name),
            build=build_key(inputs),
            build_inputs=undertaking.keys.expanded_build(inputs, name, content),
            workspaces=workspaces,
        ),
        definitions=undertaking.definitions,
        staged=everything,
        prefixes=prefixes_below(graph, name, undertaking.keys.order),
        log=undertaking.log(key),
    )


def _earlier(undertaking: Undertaking, order: ChunkOrder) -> str | None:
    """Return the commit of an earlier build with the same inputs, or None.

    Where workspaces went into it, a clean build of the same tree on the same content will do too, and never the other way.
    """
    repository = undertaking.workshop.store.reading
    found = repository.ref(build_ref(order.keys.build))
    if found is not None or not order.keys.workspaces:
        return found
    inputs = order.keys.build_inputs["inputs"]
    clean = {name: value for name, value in inputs.items() if name != "workspaces"}
    return repository.ref(build_ref(build_key(clean)))


def _adopt(workshop: Workshop, order: ChunkOrder, earlier: str) -> BuiltChunk:
    """Write a new commit on the tree of an earlier one, with this source's own metadata."""
    repository = workshop.store.reading
    stored = repository.commit(earlier)
    metadata = adopted_metadata(
        stored.metadata,
        earlier,
        keys=order.keys,
        own={**order.definitions.record(), "sources": source_records(order.pins)},
        adopted_at=int(time.time()),
    )
    chunk = order.chunk
    with workshop.store.transaction() as transaction:
        commit = transaction.commit(
            stored.tree,
            metadata,
            refs=order.keys.refs("chunk", chunk.name, chunk.arch),
        )
    return read_chunk(repository, commit)


def find_system(undertaking: Undertaking) -> BuiltSystem | None:
    """Return the system that is in the store under its definition key, or None."""
    repository = undertaking.workshop.store.reading
    commit = repository.ref(definition_ref(undertaking.system_key()))
    return None if commit is None else read_system(commit, repository.commit(commit))


def _hold(workshop: Workshop, lock: str, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
    return hold_lock(workshop.cache.locks / lock, on_wait=on_wait, gives_up=workshop.interrupt.is_set)


def realise_system(undertaking: Undertaking, chunks: Mapping[str, BuiltChunk]) -> BuiltSystem:
    """Make a system available whose selected chunks are, and return it; reports how."""
    workshop, graph = undertaking.workshop, undertaking.graph
    system = graph.system
    key = undertaking.system_key()
    began = time.monotonic()
    workshop.report(ComponentStarted(name=system.name, kind="system", key=key))

    def on_wait(holder: str) -> None:
        workshop.report(Waiting(what=system.name, holder=holder))

    with ExitStack() as held:
        held.enter_context(_hold(workshop, f"d-{key}", on_wait))
        found = find_system(undertaking)
        if found is not None:
            _finished(workshop, system.name, "system", key, "cached", began)
            return found
        order = system_order(undertaking, key, chunks)
        held.enter_context(_hold(workshop, f"b-{order.keys.build}", on_wait))
        earlier = workshop.store.reading.ref(build_ref(order.keys.build))
        if earlier is not None:
            adopted = _adopt_system(workshop, order, earlier)
            _finished(workshop, system.name, "system", key, "reused", began)
            return adopted
        last = _last_content(workshop, "system", system.name, system.arch, order.keys.workspaces)
        own_bench = held.enter_context(bench(workshop, system.name))
        built = compose_system(workshop, own_bench, order)
        same = last == built.content.digest
        _finished(workshop, system.name, "system", key, "built", began, same_content=same)
        return built


def system_order(
    undertaking: Undertaking, key: DefinitionKey, chunks: Mapping[str, BuiltChunk]
) -> SystemOrder:
    """Return what composing the system takes; ``chunks``: at least those that it selects."""
    graph = undertaking.graph
    content = {
        (selected.chunk, selected.artifact): chunks[selected.chunk].artifacts[selected.artifact].digest
        for selected in graph.system.selected
    }
    inputs = undertaking.keys.system_build_inputs(content=content)
    if undertaking.classic is not None:
        inputs = {
            **inputs,
            "definition-key": key,
        }  # the image's .meta files name the keys of all that is in it
    return SystemOrder(
        graph=graph,
        keys=BothKeys(
            definition=key,
            definition_inputs=undertaking.keys.expanded("system", graph.system.name),
            build=build_key(inputs),
            build_inputs={"inputs": inputs, "groups": []},
            workspaces=undertaking.keys.workspaces_of_system(),
        ),
        chunks=chunks,
        classic=undertaking.classic,
        definitions=undertaking.definitions,
        log=undertaking.log(key),
    )


def _adopt_system(workshop: Workshop, order: SystemOrder, earlier: str) -> BuiltSystem:
    repository = workshop.store.reading
    stored = repository.commit(earlier)
    metadata = adopted_metadata(
        stored.metadata,
        earlier,
        keys=order.keys,
        own={**order.definitions.record(), "facts": licensing_facts(order.graph)},
        adopted_at=int(time.time()),
    )
    system = order.graph.system
    with workshop.store.transaction() as transaction:
        commit = transaction.commit(
            stored.tree, metadata, refs=order.keys.refs("system", system.name, system.arch)
        )
    return read_system(commit, repository.commit(commit))


def renew_facts(undertaking: Undertaking, built: BuiltSystem) -> BuiltSystem:
    """Return the system with the facts that the definitions give now: the same tree, another commit where they differ."""
    workshop, graph = undertaking.workshop, undertaking.graph
    repository = workshop.store.reading
    stored = repository.commit(built.commit)
    facts = licensing_facts(graph)
    if stored.metadata.get("facts") == facts:
        return built
    key = undertaking.system_key()
    with workshop.store.transaction() as transaction:
        commit = transaction.commit(
            stored.tree,
            {**stored.metadata, "facts": facts},
            refs=[
                last_ref(
                    "system", graph.system.name, graph.system.arch, stored.metadata.get("workspaces", ())
                ),
                definition_ref(key),
            ],
        )
    return replace(built, commit=commit)


def _last_content(
    workshop: Workshop, kind: str, name: str, arch: str, workspaces: Sequence[str]
) -> str | None:
    commit = workshop.store.reading.ref(last_ref(kind, name, arch, workspaces))
    return None if commit is None else str(workshop.store.reading.commit(commit).metadata["content"])


def _finished(
    workshop: Workshop,
    name: str,
    kind: Any,
    key: DefinitionKey,
    outcome: Any,
    began: float,
    *,
    same_content: bool = False,
) -> None:
    workshop.report(
        ComponentFinished(
            name=name,
            kind=kind,
            key=key,
            outcome=outcome,
            seconds=time.monotonic() - began,
            same_content=same_content,
        )
    )


def earlier_seconds(undertaking: Undertaking, names: Sequence[str]) -> dict[str, float]:
    """Return how long the last build of each name took, where one is known."""
    known = {name: undertaking.workshop.facts.get("seconds", name) for name in names}
    return {name: float(text) for name, text in known.items() if text is not None}
