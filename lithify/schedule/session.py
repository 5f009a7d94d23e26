"""A run of the program on one definitions tree and one cache: from names to graphs, keys, plans and finished builds.

Queries need no namespace, no lock and no libostree; :func:`open_workshop` is where a run begins to change things.
"""

from __future__ import annotations

import difflib
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lithify.build.metadata import (
    BuiltChunk,
    BuiltSystem,
    definition_ref,
    last_ref,
    licensing_facts,
    read_system,
)
from lithify.build.workshop import Workshop, sweep
from lithify.cache import CacheFolder, open_cache
from lithify.config import Settings
from lithify.definitions.architectures import builds_for
from lithify.definitions.model import Source
from lithify.definitions.tree import Definitions, load
from lithify.errors import LithifyError, UsageError
from lithify.events import BuildPlanned, Note, Report
from lithify.facts import Facts
from lithify.graph.keys import Keys, definition_keys
from lithify.graph.model import DefinitionKey, SystemGraph
from lithify.graph.pins import Pin
from lithify.graph.resolve import require_sound, resolve
from lithify.schedule.classic import classic_identities
from lithify.schedule.detection import detector
from lithify.schedule.plan import Plan, plan_chunks
from lithify.schedule.realising import Undertaking, known, realise_system, renew_facts
from lithify.schedule.run import Policy, run_plan, selected_chunks
from lithify.sources.git_program import checked_out_commit
from lithify.sources.kinds import SourceContext
from lithify.sources.lock import LOCK_NAME, Lock, read_lock
from lithify.sources.pins import refuse_unpinned, resolve_pins
from lithify.staging.architecture import host_architecture
from lithify.staging.host import fingerprint
from lithify.staging.methods import choose as choose_method
from lithify.staging.namespace import enter
from lithify.staging.sandbox import Limits, confined
from lithify.store.reading import Repository
from lithify.store.writing import Store

Outcome = Literal["built", "unchanged", "cached"]
"""``cached``: nothing was to do. ``unchanged``: something was done, and the system came out the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One definitions tree and one cache, read as they are now."""

    settings: Settings
    definitions: Definitions
    lock: Lock
    cache: CacheFolder
    facts: Facts
    repository: Repository
    report: Report
    interrupt: threading.Event
    caller_environment: Mapping[str, str]
    """For git alone, which runs as the user configured it: credentials, proxies, ssh."""

    def sources(self) -> SourceContext:
        """Return what source kinds need; nothing can be unpacked with it before a workshop is open."""
        settings = self.settings
        return SourceContext(
            cache=self.cache,
            facts=self.facts,
            definitions_root=self.definitions.root,
            confined=None,
            mirrors=settings.mirror,
            aliases=settings.pull_aliases(),
            report=self.report,
            no_git_update=settings.no_git_update,
            git_environment=self.caller_environment,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One system of a session: its graph, pins and keys."""

    graph: SystemGraph
    pins: Mapping[Source, Pin]
    keys: Keys

    def chunk_ref(self, name: str) -> str:
        """Return the ref under which a finished build of the chunk stands."""
        return definition_ref(known(self.keys.chunk[name]))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build made available."""

    resolved: Resolved
    system: BuiltSystem | None
    """None where only components were asked for."""
    chunks: Mapping[str, BuiltChunk]
    lines: tuple[str, ...]
    """``KEY.kind.name`` of what was asked for."""
    outcome: Outcome


def open_session(
    root: Path, settings: Settings, report: Report, caller_environment: Mapping[str, str]
) -> Session:
    """Return a session on the definitions at ``root``; reads ``VERSION``, ``DEFAULTS`` and the lock file."""
    cache = CacheFolder(settings.cachedir.absolute())
    return Session(
        settings=settings,
        definitions=load(root),
        lock=read_lock(root / LOCK_NAME),
        cache=cache,
        facts=Facts(cache.facts),
        repository=Repository(cache.ostree),
        report=report,
        interrupt=threading.Event(),
        caller_environment=caller_environment,
    )


def resolve_system(session: Session, system: str, *, ask: bool = False) -> Resolved:
    """Return a system's graph, pins and keys; what no pin is known of is ``unresolved`` in the keys.

    ``ask`` lets git servers be asked, before format 9, what a branch means and how a chunk is built; else only what the
    cache knows of them counts.
    """
    if ask:
        open_cache(session.settings.cachedir)
    sources = session.sources()
    context = sources if ask else replace(sources, no_git_update=True)
    detect = detector(session.definitions, context, ask=ask)
    graph = resolve(session.definitions, system, detect=detect)
    pins = resolve_pins(declared_in(graph), session.lock, context, graph.format)
    return Resolved(graph=graph, pins=pins, keys=definition_keys(graph, pins))


def chunk_is_cached(session: Session, resolved: Resolved, name: str) -> bool:
    """Return whether a finished build of the chunk is in the store."""
    return session.repository.ref(resolved.chunk_ref(name)) is not None


def plan_of(session: Session, resolved: Resolved, wanted: Sequence[str] | None = None) -> Plan:
    """Return what building the system (or the chunks ``wanted``) has to do; changes nothing."""
    names = (
        wanted
        if wanted is not None
        else tuple(dict.fromkeys(s.chunk for s in resolved.graph.system.selected))
    )
    return plan_chunks(resolved.keys, names, lambda name: chunk_is_cached(session, resolved, name))


def open_workshop(session: Session, graph: SystemGraph | None) -> Workshop:
    """Enter the user namespace, choose the staging method and return what builds are made with.

    No thread may have been started before. Raises :class:`HostError` with the command that mends what is missing.
    """
    settings = session.settings
    cache = open_cache(settings.cachedir)
    tempdir = settings.tempdir or Path(tempfile.gettempdir()) / f"lithify-{_owner(cache)}"
    enter()
    tempdir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(cache, lambda label, failed: not failed)
    method = choose_method(cache, settings.staging_method)
    session.report(Note(text=f"staging by {method.describe()}"))
    bootstraps = graph is not None and any(chunk.build_mode != "staging" for chunk in graph.chunks.values())
    return Workshop(
        cache=cache,
        facts=session.facts,
        store=Store(cache, sync=settings.fsync, min_free=reserve(cache), report=session.report),
        method=method,
        sources=replace(session.sources(), cache=cache, confined=confined),
        tempdir=tempdir,
        limits=Limits(timeout=settings.timeout, log_bytes=settings.log_limit, memory=settings.memory_limit),
        max_jobs=settings.max_jobs,
        report=session.report,
        interrupt=session.interrupt,
        host_fingerprint=fingerprint() if bootstraps else "",
    )


def reserve(cache: CacheFolder) -> int:
    """Return the bytes of the cache's file system that are never used up: 500 MiB, less on small ones, never nothing."""
    total = shutil.disk_usage(cache.root).total
    return max(1 << 20, min(500 << 20, total // 50))


def _owner(cache: CacheFolder) -> int:
    return cache.root.stat().st_uid


def build_system(
    session: Session, system: str, *, components: Sequence[str] = (), policy: Policy
) -> BuildResult:
    """Make a system, or the named chunks and strata of it, available, and return what there is now.

    A system that is there already costs reading its definitions and one ref: no program is started, no namespace entered.
    """
    resolved = resolve_system(session, system, ask=True)
    require_sound(resolved.graph)
    _refuse_foreign(resolved.graph)
    _refuse_unpinned(resolved)
    if components:
        return _build_components(session, resolved, components, policy)
    graph = resolved.graph
    key = known(resolved.keys.system)
    lines = (f"{key}.system.{graph.system.name}-rootfs",)
    there = _stored_system(session, key)
    if there is not None and _facts_are_current(session, there, graph):
        return BuildResult(resolved=resolved, system=there, chunks={}, lines=lines, outcome="cached")
    last = session.repository.ref(last_ref("system", graph.system.name, graph.system.arch))
    before = None if last is None else read_system(last, session.repository.commit(last)).content.digest
    undertaking = undertaking_of(session, resolved)
    if there is not None:
        renewed = renew_facts(undertaking, there)
        return BuildResult(resolved=resolved, system=renewed, chunks={}, lines=lines, outcome="unchanged")
    chunks = _run(session, undertaking, tuple(selected_chunks(graph)), policy)
    built = realise_system(undertaking, chunks)
    outcome: Outcome = "unchanged" if built.content.digest == before else "built"
    return BuildResult(resolved=resolved, system=built, chunks=chunks, lines=lines, outcome=outcome)


def _refuse_foreign(graph: SystemGraph) -> None:
    system, host = graph.system, host_architecture()
    if not builds_for(host, system.arch):
        raise LithifyError(
            f"Are you trying to cross-build? {system.name} is for {system.arch}, and this machine is {host}",
            hints=[f"build it on a machine that is {system.arch}"],
        )


def _refuse_unpinned(resolved: Resolved) -> None:
    declared = declared_in(resolved.graph)
    refuse_unpinned(declared, resolved.pins)


def declared_in(graph: SystemGraph) -> dict[Source, str]:
    """Return every source of a graph with the chunk that declares it."""
    return {source: name for name, chunk in graph.chunks.items() for source in chunk.sources}


def find_built(session: Session, system: str) -> tuple[Resolved, BuiltSystem | None]:
    """Return a system's resolution, and the system where it is in the store as its definitions are now."""
    resolved = resolve_system(session, system)
    return resolved, _stored_system(session, known(resolved.keys.system))


def _build_components(
    session: Session, resolved: Resolved, components: Sequence[str], policy: Policy
) -> BuildResult:
    names, lines = _components(resolved, components)
    if all(chunk_is_cached(session, resolved, name) for name in names):
        return BuildResult(resolved=resolved, system=None, chunks={}, lines=lines, outcome="cached")
    undertaking = undertaking_of(session, resolved)
    chunks = _run(session, undertaking, names, policy)
    return BuildResult(resolved=resolved, system=None, chunks=chunks, lines=lines, outcome="built")


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
            raise UsageError(
                f"{graph.system.name} has no chunk or stratum {component}",
                hints=nearest(name, [*graph.chunks, *graph.strata]),
            )
    return tuple(names), tuple(sorted(set(lines)))


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return a hint that names the nearest known names, or none."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return [f"did you mean {' or '.join(close)}?"] if close else []


def _stored_system(session: Session, key: DefinitionKey) -> BuiltSystem | None:
    commit = session.repository.ref(definition_ref(key))
    return None if commit is None else read_system(commit, session.repository.commit(commit))


def _facts_are_current(session: Session, system: BuiltSystem, graph: SystemGraph) -> bool:
    return session.repository.commit(system.commit).metadata.get("facts") == licensing_facts(graph)


def undertaking_of(session: Session, resolved: Resolved) -> Undertaking:
    """Open a workshop for one system's build; see :func:`open_workshop`."""
    graph = resolved.graph
    return Undertaking(
        workshop=open_workshop(session, graph),
        graph=graph,
        keys=resolved.keys,
        pins=resolved.pins,
        classic=classic_identities(graph, resolved.keys, resolved.pins) if graph.format < 9 else None,
        definitions_commit=checked_out_commit(session.definitions.root),
    )


def _run(
    session: Session, undertaking: Undertaking, wanted: Sequence[str], policy: Policy
) -> dict[str, BuiltChunk]:
    resolved = Resolved(graph=undertaking.graph, pins=undertaking.pins, keys=undertaking.keys)
    plan = plan_of(session, resolved, wanted)
    session.report(
        BuildPlanned(
            target=undertaking.graph.system.name,
            total=len(plan.cached) + len(plan.to_build),
            cached=len(plan.cached),
            to_build=len(plan.to_build),
        )
    )
    return run_plan(undertaking, plan, policy)
