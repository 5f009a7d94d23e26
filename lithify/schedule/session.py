"""A run of the program on one definitions tree and one cache: from names to graphs, keys and plans.

Queries need no namespace, no lock and no libostree; what changes things is in :mod:`lithify.schedule.building`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lithify.build.metadata import BuiltSystem, definition_ref, read_system
from lithify.cache import CacheFolder, host_error_of, open_cache
from lithify.config import Settings
from lithify.definitions.model import Source, WorkspaceSource
from lithify.definitions.tree import Definitions, load
from lithify.definitions.watching import Status, WatchedFolder, status_of
from lithify.events import Report, Waiting, timed
from lithify.facts import Facts
from lithify.graph.keys import Keys, definition_keys, known
from lithify.graph.model import DefinitionKey, SystemGraph
from lithify.graph.pins import Pin
from lithify.graph.resolve import resolve
from lithify.graph.workspaces import with_workspaces
from lithify.lease import Lease
from lithify.schedule.detection import detector
from lithify.schedule.plan import Plan, plan_chunks
from lithify.sources.kinds import SourceContext
from lithify.sources.lock import LOCK_NAME, Lock, read_lock
from lithify.sources.open_workspaces import Workspace, open_workspaces
from lithify.sources.pins import resolve_pins
from lithify.store.lookers import Lookers
from lithify.store.looking import Looking
from lithify.store.reading import Repository


class Session(Struct, frozen=True, kw_only=True):
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
    began: int
    """Before anything was read: nanoseconds since 1970."""
    watched: WatchedFolder
    """What the definitions are read by."""
    claim: Lease
    """This process's claim on the cache."""
    workspaces: Mapping[str, Workspace]
    """Chunk → the folder in which somebody works on it."""
    lock_status: Status | None
    """The lock file's, as it was before it was read; None where there was none."""
    lookers: Looking = field(default_factory=Lookers)
    """What looks at layers ahead of their use; closed by whoever builds."""

    def hold_cache(self) -> None:
        """Keep what is cached from being thrown away to the end of the session; waits while it is being cleaned up.

        Whoever uses what is looked up calls this before.
        """

        def waiting(holder: str) -> None:
            self.report(Waiting(what="the cache, which is being cleaned up", holder=holder))

        try:
            if self.cache.locks.is_dir():
                self.claim.share(waiting)
        except OSError as error:
            raise host_error_of(error, self.cache.root) from error

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


class Resolved(Struct, frozen=True, kw_only=True):
    """One system of a session: its graph, pins and keys."""

    graph: SystemGraph
    pins: Mapping[Source, Pin]
    keys: Keys

    def chunk_ref(self, name: str) -> str:
        """Return the ref under which a finished build of the chunk stands."""
        return definition_ref(known(self.keys.chunk[name]))


def open_session(
    root: Path, settings: Settings, report: Report, caller_environment: Mapping[str, str]
) -> Session:
    """Return a session on the definitions at ``root``; reads ``VERSION``, ``DEFAULTS`` and the lock file."""
    began = time.time_ns()
    cache = CacheFolder(settings.cachedir.absolute())
    watched = WatchedFolder(root)
    lock_status = _status(root / LOCK_NAME)
    return Session(
        settings=settings,
        definitions=load(root, read=watched),
        lock=read_lock(root / LOCK_NAME),
        cache=cache,
        facts=Facts(cache.facts),
        repository=Repository(cache.ostree),
        report=report,
        interrupt=threading.Event(),
        caller_environment=caller_environment,
        began=began,
        watched=watched,
        lock_status=lock_status,
        claim=Lease(cache),
        workspaces=open_workspaces(root),
    )


def _status(path: Path) -> Status | None:
    try:
        return status_of(path.stat())
    except OSError:
        return None


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
    with timed(session.report, "load", detail="definitions"):
        graph = resolve(session.definitions, system, detect=detect)
        graph = with_workspaces(graph, {one.chunk: source_of(one) for one in session.workspaces.values()})
    with timed(session.report, "resolve", detail="pins"):
        pins = resolve_pins(declared_in(graph), session.lock, context, graph.format)
    with timed(session.report, "resolve", detail="keys"):
        return Resolved(graph=graph, pins=pins, keys=definition_keys(graph, pins))


def source_of(workspace: Workspace) -> WorkspaceSource:
    """Return what a chunk is built from while somebody works on it."""
    return WorkspaceSource(path=workspace.path, id=workspace.id, chunk=workspace.chunk)


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
    with timed(session.report, "plan"):
        return plan_chunks(resolved.keys, names, lambda name: chunk_is_cached(session, resolved, name))


def declared_in(graph: SystemGraph) -> dict[Source, str]:
    """Return every source of a graph with the chunk that declares it."""
    return {source: name for name, chunk in graph.chunks.items() for source in chunk.built_from}


def find_built(session: Session, system: str) -> tuple[Resolved, BuiltSystem | None]:
    """Return a system's resolution, and the system where it is in the store as its definitions are now."""
    resolved = resolve_system(session, system)
    return resolved, stored_system(session, known(resolved.keys.system))


def stored_system(session: Session, key: DefinitionKey) -> BuiltSystem | None:
    """Return the system that is in the store under a definition key, or None."""
    commit = session.repository.ref(definition_ref(key))
    return None if commit is None else read_system(commit, session.repository.commit(commit))
