"""What of a cache is kept for the definitions around, and for what somebody wants to keep."""

from __future__ import annotations

import time

from msgspec.structs import replace

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.cli.naming import system_files
from lithify.cli.run import opened
from lithify.definitions.root import find_root
from lithify.errors import LithifyError
from lithify.events import Report
from lithify.schedule.retention import Retention, kept_builds, needed_by
from lithify.schedule.session import Session, resolve_system


def retention_around(invocation: Invocation, report: Report) -> Retention:
    """Return what is kept where the command was started; outside of a definitions tree, what somebody wants to keep."""
    try:
        find_root(invocation.cwd)
    except LithifyError:
        return _completed(invocation, Retention())
    with opened(invocation, report) as session:
        return retention_of(invocation, session)


def retention_of(invocation: Invocation, session: Session) -> Retention:
    """Return what is kept for the systems of a session's definitions, with the workspaces that are open and without."""
    clean = replace(session, workspaces={})
    states = (session, clean) if session.workspaces else (clean,)
    systems = (resolve_system(one, file) for one in states for file in system_files(one))
    return _completed(invocation, needed_by(session, systems))


def _completed(invocation: Invocation, retention: Retention) -> Retention:
    cache = CacheFolder(invocation.settings.cachedir.absolute())
    young_from = time.time() - invocation.settings.gc_keep
    return replace(retention, young_from=young_from).with_kept(kept_builds(cache))
