"""What of a cache is kept for the definitions around, and for what somebody wants to keep."""

from __future__ import annotations

import time

from msgspec.structs import replace

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.cli.naming import all_sound, system_files
from lithify.cli.run import opened
from lithify.definitions.root import find_root
from lithify.errors import DefinitionErrors, LithifyError
from lithify.events import Report
from lithify.graph.resolve import require_sound
from lithify.schedule.retention import Retention, kept_builds, needed_by
from lithify.schedule.session import Resolved, Session, resolve_system

_ELSEWHERE = "what these definitions need is kept; mend them, or keep nothing for them: lithify -C / gc"


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
    return _completed(invocation, needed_by(session, [one for state in states for one in _systems(state)]))


def _systems(session: Session) -> list[Resolved]:
    """Return all systems of the definitions.

    Raises :class:`DefinitionErrors` where one of them is broken, :class:`LithifyError` where there may be others in a folder
    that cannot be looked into: what these need would not be kept.
    """

    def resolved(file: str) -> Resolved:
        one = resolve_system(session, file)
        require_sound(one.graph)
        return one

    try:
        systems = all_sound(system_files(session), resolved)
    except DefinitionErrors as error:
        error.hints = (_ELSEWHERE,)
        raise
    session.definitions.refuse_unreadable("what systems need is not known")
    return systems


def _completed(invocation: Invocation, retention: Retention) -> Retention:
    cache = CacheFolder(invocation.settings.cachedir.absolute())
    young_from = time.time() - invocation.settings.gc_keep
    return replace(retention, young_from=young_from).with_kept(kept_builds(cache))
