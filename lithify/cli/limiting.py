"""The setting ``cachedir-max-size`` at a build's end."""

from __future__ import annotations

from lithify.cli.invocation import Invocation
from lithify.cli.keeping import retention_of
from lithify.cli.text import seconds_text, size
from lithify.errors import LithifyError
from lithify.events import Report
from lithify.schedule.collecting import keep_to_limit
from lithify.schedule.session import Session


def keep_to_size(invocation: Invocation, session: Session, report: Report) -> None:
    """Remove what it takes for the cache to be no larger than the setting says, and say so; nothing the session may use.

    Where another command works on the cache nothing goes: the last that ends keeps to the size. What stands in the way is a
    warning, since the build itself has succeeded.
    """
    limit, warn = invocation.settings.cachedir_max_size, invocation.messages.warn
    if limit is None:
        return
    session.claim.close()
    try:
        removal = keep_to_limit(invocation.settings, limit, lambda: retention_of(invocation, session), report)
    except LithifyError as error:
        warn(f"warning: the cache is larger than {size(limit)}, and nothing was removed: {error.message}")
        return
    if removal is None or removal.busy:
        return
    eviction = removal.eviction
    if eviction.gone:
        warn(
            f"cachedir-max-size {size(limit)}: {size(removal.freed)} freed; "
            f"{len(eviction.gone)} builds and sources are gone, {seconds_text(eviction.seconds)} to have again"
        )
    if eviction.left > limit:
        warn(f"warning: the cache has {size(eviction.left)}, more than {size(limit)}: all of it is needed")
