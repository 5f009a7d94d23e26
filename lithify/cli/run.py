"""What commands that build, or ask about builds, have in common: a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lithify.cli.invocation import Invocation
from lithify.cli.origin import caller_of
from lithify.definitions.root import find_root
from lithify.events import Report, timed
from lithify.schedule.definitions_from_git import Origin, folder_of
from lithify.schedule.session import Session, open_session
from lithify.store.reading import Repository


@contextmanager
def opened(invocation: Invocation, report: Report, origin: Origin | None = None) -> Iterator[Session]:
    """Yield a session on the definitions of a commit, or on those around the folder where the command was started."""
    root = find_root(invocation.cwd) if origin is None else folder_of(origin, caller_of(invocation, report))
    with timed(report, "load"):
        session = open_session(root, invocation.settings, report, invocation.environment)
    try:
        yield session
    finally:
        session.claim.close()
        session.facts.close()


def stored_only(invocation: Invocation) -> Repository:
    """Return the local store, for reading."""
    return Repository(invocation.settings.cachedir.absolute() / "ostree")
