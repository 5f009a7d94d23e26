"""What a build is asked for, and whether all of it is there already.

To find that nothing is to be done costs reading definitions and some refs: no program is started, no namespace entered.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lithify.build.metadata import BuiltSystem, licensing_facts
from lithify.definitions.architectures import builds_for
from lithify.definitions.nearest import meant
from lithify.errors import LithifyError
from lithify.graph.keys import known
from lithify.graph.model import SystemGraph
from lithify.graph.resolve import require_sound
from lithify.schedule.session import (
    Resolved,
    Session,
    chunk_is_cached,
    declared_in,
    resolve_system,
    stored_system,
)
from lithify.sources.pins import refuse_unpinned
from lithify.staging.architecture import host_architecture


class Request(Struct, frozen=True, kw_only=True):
    """A system, or some of its chunks, with what of it is in the store."""

    resolved: Resolved
    components: tuple[str, ...] | None
    """The chunks that were asked for; None for the whole system."""
    lines: tuple[str, ...]
    """``KEY.kind.name`` of what was asked for."""
    stored: BuiltSystem | None
    """The system where it is in the store; always None where components were asked for."""
    is_done: bool
    """Nothing is to be done."""


def request_for(session: Session, system: str, components: Sequence[str] = ()) -> Request:
    """Return what building a system, or the named chunks and strata of it, comes to.

    Raises what a build would stop at before it begins: definitions that are not sound, another machine's architecture,
    sources that are not pinned.
    """
    resolved = resolve_system(session, system, ask=True)
    graph = resolved.graph
    require_sound(graph)
    _refuse_foreign(graph)
    refuse_unpinned(declared_in(graph), resolved.pins)
    if components:
        names, lines = _components(resolved, components)
        done = all(chunk_is_cached(session, resolved, name) for name in names)
        return Request(resolved=resolved, components=names, lines=lines, stored=None, is_done=done)
    key = known(resolved.keys.system)
    stored = stored_system(session, key)
    return Request(
        resolved=resolved,
        components=None,
        lines=(f"{key}.system.{graph.system.name}-rootfs",),
        stored=stored,
        is_done=stored is not None and facts_are_current(session, stored.commit, graph),
    )


def _refuse_foreign(graph: SystemGraph) -> None:
    system, host = graph.system, host_architecture()
    if not builds_for(host, system.arch):
        raise LithifyError(
            f"Are you trying to cross-build? {system.name} is for {system.arch}, and this machine is {host}",
            hints=[f"build it on a machine that is {system.arch}"],
        )


def facts_are_current(session: Session, commit: str, graph: SystemGraph) -> bool:
    """Return whether a system's commit says of its chunks (licence, homepage, …) what the definitions say now."""
    return session.repository.commit(commit).metadata.get("facts") == licensing_facts(graph)


def _components(resolved: Resolved, components: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the chunks that the named components need, and the ``KEY.kind.name`` lines of what was asked for."""
    graph, keys = resolved.graph, resolved.keys
    names: dict[str, None] = {}
    lines: list[str] = []
    for component in components:
        name = component.removesuffix(".morph").rsplit("/", 1)[-1]
        if name in graph.chunks:
            names[name] = None
            key = known(keys.chunk[name])
            lines.extend(f"{key}.chunk.{artifact}" for artifact in graph.chunks[name].artifacts)
        elif name in graph.strata:
            stratum = graph.strata[name]
            names.update(dict.fromkeys(stratum.chunks))
            lines.extend(
                f"{known(keys.stratum_artifact[name, artifact.name])}.stratum.{artifact.name}"
                for artifact in stratum.artifacts
            )
        else:
            raise LithifyError(
                f"{graph.system.name} has no chunk or stratum {component}",
                hints=meant(name, [*graph.chunks, *graph.strata]),
            )
    return tuple(names), tuple(sorted(set(lines)))
