"""A build is carried out: a workshop is opened, and what a request lacks is made.

:func:`open_workshop` is where a run begins to change things. Imported by a command only when there is something to do.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from lithify.build.baserock import script_files
from lithify.build.benches import sweep
from lithify.build.metadata import BuiltChunk, BuiltSystem, last_ref, read_system
from lithify.build.system import system_contents
from lithify.build.workshop import Workshop
from lithify.cache import CacheFolder, open_cache
from lithify.errors import LithifyError, SeveralFailed
from lithify.events import BuildPlanned, Note, Warned, timed
from lithify.graph.model import ContentDigest, SystemGraph
from lithify.schedule.ahead import chunks_there, layers_of
from lithify.schedule.classic import classic_identities
from lithify.schedule.definitions_state import definitions_state
from lithify.schedule.plan import Plan
from lithify.schedule.realising import Undertaking, find_system, realise_system, renew_facts
from lithify.schedule.request import Request
from lithify.schedule.run import Choice, Policy, run_plan, selected_chunks
from lithify.schedule.session import Resolved, Session, plan_of
from lithify.staging.host import fingerprint
from lithify.staging.methods import choose as choose_method
from lithify.staging.names import names_in_memory
from lithify.staging.namespace import enter
from lithify.staging.sandbox import Limits, confined, describe_limits
from lithify.staging.weaknesses import weaknesses
from lithify.store.damage import DamagedObject
from lithify.store.healing import heal
from lithify.store.lookers import usual_processes
from lithify.store.signing import Signer, SigningKeys
from lithify.store.writing import Store

MOST_HEALINGS = 20
"""How often a build begins again because it came upon damaged objects; each time it gets further."""
Outcome = Literal["built", "unchanged"]
"""``unchanged``: something was done, and the system came out the same."""


class BuildResult(Struct, frozen=True, kw_only=True):
    """What a build made available."""

    system: BuiltSystem | None
    """None where only components were asked for."""
    chunks: Mapping[str, BuiltChunk]
    outcome: Outcome
    workshop: Workshop
    """What it was made with."""
    mounted: tuple[ContentDigest, ...] = ()
    """The layers that the system was composed on, where its integration commands were run; of some chunks, all."""


def open_workshop(
    session: Session, graph: SystemGraph | None, *, ahead: Sequence[ContentDigest] = ()
) -> Workshop:
    """Enter the user namespace, choose the staging method and return what builds are made with.

    ``ahead``: content of layers that are looked at meanwhile, since they will be mounted. No thread may have been started
    before. Raises :class:`HostError` with the command that mends what is missing.
    """
    settings = session.settings
    cache = open_cache(settings.cachedir)
    session.hold_cache()
    open_cache(settings.cachedir)  # once more: it may have been emptied while we waited
    tempdir = settings.tempdir or Path(tempfile.gettempdir()) / f"lithify-{_owner(cache)}"
    signer = _signer(session)
    enter()
    session.lookers.look(cache.layers, ahead, usual_processes())
    tempdir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(cache, lambda label, failed: not failed)
    method = choose_method(cache, settings.staging_method).with_names(names_in_memory())
    session.report(Note(text=f"staging by {method.describe()}; {describe_limits()}"))
    weak = weaknesses(memory_limit=settings.memory_limit)
    for weakness in weak:
        session.report(Warned(text=f"the sandbox is weaker here: {weakness}"))
    on_host = [] if graph is None else [n for n, c in graph.chunks.items() if c.build_mode != "staging"]
    if on_host:
        session.report(Note(text=f"built with this machine's own tools: {', '.join(sorted(on_host))}"))
    store = Store(
        cache,
        sync=settings.fsync,
        min_free=reserve(cache),
        report=session.report,
        lease=session.claim,
        signer=signer,
        lookers=session.lookers,
    )
    return Workshop(
        cache=cache,
        facts=session.facts,
        store=store,
        method=method,
        sources=replace(session.sources(), cache=cache, confined=confined),
        tempdir=tempdir,
        limits=Limits(timeout=settings.timeout, log_bytes=settings.log_limit, memory=settings.memory_limit),
        max_jobs=settings.max_jobs,
        ccache=not settings.no_ccache,
        builder=settings.builder_id,
        report=session.report,
        interrupt=session.interrupt,
        weaknesses=weak,
        host_fingerprint=fingerprint() if on_host else "",
    )


def _signer(session: Session) -> Signer | None:
    """Start what signs commits, outside of the namespace; None where they are not signed."""
    settings = session.settings
    keys = SigningKeys(
        gpg=settings.sign_gpg,
        gpg_homedir=str(settings.gpg_homedir or ""),
        ed25519=str(settings.sign_ed25519 or ""),
    )
    return Signer(keys, session.caller_environment) if keys else None


def reserve(cache: CacheFolder) -> int:
    """Return the bytes of the cache's file system that are never used up: 500 MiB, less on small ones, never nothing."""
    total = shutil.disk_usage(cache.root).total
    return max(1 << 20, min(500 << 20, total // 50))


def _owner(cache: CacheFolder) -> int:
    return cache.root.stat().st_uid


def build(
    session: Session,
    request: Request,
    *,
    keep_going: bool,
    on_failure: Callable[[Undertaking, str, LithifyError], Choice] | None = None,
    because: Callable[[Plan], Sequence[str]] = lambda plan: (),
) -> BuildResult:
    """Make what was asked for available, and return what there is now; ``on_failure``: see :class:`Policy`.

    ``because`` is asked why a plan has something to build, in a few words each. Damaged objects that come up are dropped from
    the store, with a warning, and what held them is made anew.
    """
    settings = session.settings
    undertaking, plan = _undertaking_for(session, request)
    policy = Policy(
        jobs=settings.jobs,
        processors=os.cpu_count() or 1,
        memory=settings.memory_limit or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        keep_going=keep_going,
        on_failure=on_failure,
        because=tuple(because(plan)),
    )
    graph = request.resolved.graph
    workspaces = request.resolved.keys.workspaces_of_system()
    last = session.repository.ref(last_ref("system", graph.system.name, graph.system.arch, workspaces))
    before = None if last is None else read_system(last, session.repository.commit(last)).content.digest
    try:
        for _ in range(MOST_HEALINGS):
            try:
                return _build(session, request, undertaking, plan, before, policy)
            except LithifyError as error:
                if not _healed(session, undertaking.workshop.store, error):
                    raise
            plan = plan_of(session, request.resolved, _wanted(request))
        return _build(session, request, undertaking, plan, before, policy)
    finally:
        session.lookers.close()
        undertaking.workshop.sources.spoolers.close()
        undertaking.workshop.store.settle()


def _undertaking_for(session: Session, request: Request) -> tuple[Undertaking, Plan]:
    """Open a workshop for a request, with a look ahead at what it will mount; return it with what is to be done."""
    resolved = request.resolved
    session.hold_cache()  # what is read now may be used until the end
    plan = plan_of(session, resolved, _wanted(request))
    there = chunks_there(session, resolved, plan)
    composes = request.components is None and bool(script_files(resolved.graph))
    ahead = layers_of(resolved, plan, there, composes=composes)
    return replace(undertaking_of(session, resolved, ahead=ahead), there=there), plan


def _wanted(request: Request) -> Sequence[str]:
    if request.components is not None:
        return request.components
    return tuple(selected_chunks(request.resolved.graph))


def _healed(session: Session, store: Store, error: LithifyError) -> bool:
    """Drop the damaged objects that an error tells of; return whether there is nothing else to it."""
    errors = error.failures if isinstance(error, SeveralFailed) else [error]
    damaged = [one for one in errors if isinstance(one, DamagedObject)]
    if damaged:
        healed = heal(store, damaged)
        session.repository.forget()
        what = "; ".join(one.message for one in damaged)
        session.report(
            Warned(text=f"{what}: dropped, with the {len(healed.commits)} commits that held it; made anew")
        )
    return len(damaged) == len(errors)


def heal_first(session: Session, error: DamagedObject) -> None:
    """Drop a damaged object that came up before the build began; enters the user namespace, like :func:`tidy`."""
    cache = open_cache(session.settings.cachedir)
    enter()
    store = Store(
        cache,
        sync=session.settings.fsync,
        min_free=reserve(cache),
        report=session.report,
        lease=session.claim,
    )
    _healed(session, store, error)


def tidy(session: Session) -> None:
    """Remove what killed commands left; enters the user namespace, so no thread may have been started before."""
    enter()
    sweep(session.cache, lambda label, failed: not failed)


def _build(
    session: Session,
    request: Request,
    undertaking: Undertaking,
    plan: Plan,
    before: str | None,
    policy: Policy,
) -> BuildResult:
    workshop = undertaking.workshop
    if request.components is not None:
        chunks = _run(session, undertaking, plan, policy)
        mounted = workshop.store.layers.digests()
        return BuildResult(system=None, chunks=chunks, outcome="built", workshop=workshop, mounted=mounted)
    stored = None if request.stored is None else find_system(undertaking)
    if stored is not None:  # it may have been collected before we had our claim on the cache
        renewed = renew_facts(undertaking, stored)
        return BuildResult(system=renewed, chunks={}, outcome="unchanged", workshop=workshop)
    chunks = _run(session, undertaking, plan, policy)
    built = realise_system(undertaking, chunks)
    outcome: Outcome = "unchanged" if built.content.digest == before else "built"
    contents = system_contents(undertaking.graph, chunks) if script_files(undertaking.graph) else ()
    mounted = tuple(content.digest for _, content in contents)
    return BuildResult(system=built, chunks=chunks, outcome=outcome, workshop=workshop, mounted=mounted)


def undertaking_of(
    session: Session, resolved: Resolved, *, ahead: Sequence[ContentDigest] = ()
) -> Undertaking:
    """Open a workshop for one system's build; see :func:`open_workshop`."""
    graph = resolved.graph
    with timed(session.report, "prepare", detail="namespace and staging"):
        workshop = open_workshop(session, graph, ahead=ahead)
    return Undertaking(
        workshop=workshop,
        graph=graph,
        keys=resolved.keys,
        pins=resolved.pins,
        classic=classic_identities(graph, resolved.keys, resolved.pins) if graph.format < 9 else None,
        definitions=definitions_state(session.definitions.root, session.watched.files),
    )


def _run(session: Session, undertaking: Undertaking, plan: Plan, policy: Policy) -> dict[str, BuiltChunk]:
    session.report(
        BuildPlanned(
            target=undertaking.graph.system.name,
            total=len(plan.cached) + len(plan.to_build),
            cached=len(plan.cached),
            to_build=len(plan.to_build),
            workspaces=tuple(sorted(session.workspaces.keys() & undertaking.graph.needed)),
            because=policy.because,
        )
    )
    return run_plan(undertaking, plan, policy)
