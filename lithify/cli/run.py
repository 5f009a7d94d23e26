"""What commands that build or ask have in common: a session, and a reader of its events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lithify.cli.invocation import Invocation
from lithify.cli.plain import PlainReader
from lithify.definitions.tree import find_root
from lithify.events import Report
from lithify.schedule.session import Session, open_session
from lithify.store.reading import Repository


@contextmanager
def reading_events(invocation: Invocation) -> Iterator[Report]:
    """Yield a report whose events are shown on stderr as the settings say; completed at the end of the block."""
    settings = invocation.settings
    reader = PlainReader(sys.stderr, quiet=settings.quiet, verbose=settings.verbose or settings.debug)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def opened(invocation: Invocation, report: Report) -> Iterator[Session]:
    """Yield a session on the definitions around the folder where the command was started."""
    session = open_session(find_root(invocation.cwd), invocation.settings, report, invocation.environment)
    try:
        yield session
    finally:
        session.facts.close()


def stored_only(invocation: Invocation) -> Repository:
    """Return the local store, for reading."""
    return Repository(invocation.settings.cachedir.absolute() / "ostree")
