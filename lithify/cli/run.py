"""What commands that build, or ask about builds, have in common: a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec.structs import replace

from lithify.cache import CacheFolder, open_cache
from lithify.cli.invocation import Invocation
from lithify.cli.origin import caller_of
from lithify.definitions.root import find_root
from lithify.events import Report, Waiting, timed
from lithify.lease import Lease
from lithify.schedule.definitions_from_git import Origin, folder_of
from lithify.schedule.session import Session, open_session
from lithify.store.reading import Repository


@contextmanager
def opened(invocation: Invocation, report: Report, origin: Origin | None = None) -> Iterator[Session]:
    """Yield a session on the definitions of a commit, or on those around the folder where the command was started."""
    settings = invocation.settings
    with closing(Lease(CacheFolder(settings.cachedir.absolute()))) as claim:
        root = find_root(invocation.cwd) if origin is None else laid_out(invocation, report, origin, claim)
        with timed(report, "load"):
            session = replace(open_session(root, settings, report, invocation.environment), claim=claim)
            if invocation.lookers is not None:
                session = replace(session, lookers=invocation.lookers)
        try:
            yield session
        finally:
            session.facts.close()


def laid_out(invocation: Invocation, report: Report, origin: Origin, claim: Lease) -> Path:
    """Return a folder of the cache with the definitions of a commit; nobody may collect it before the session ends."""
    open_cache(invocation.settings.cachedir.absolute())
    claim.share(lambda holder: report(Waiting(what="the cache, which is being cleaned up", holder=holder)))
    return folder_of(origin, caller_of(invocation, report))


def stored_only(invocation: Invocation) -> Repository:
    """Return the local store, for reading."""
    return Repository(invocation.settings.cachedir.absolute() / "ostree")
