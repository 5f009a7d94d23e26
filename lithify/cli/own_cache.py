"""The cache, for commands that need the owners in it as they are."""

from __future__ import annotations

import os
import pwd

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.errors import HostError


def own_cache(invocation: Invocation, command: str) -> CacheFolder:
    """Return the cache, whether it is there or not; raises :class:`HostError` where it is another user's.

    Owners look otherwise to anybody else: what is read would look damaged, and what is written would be.
    """
    cache = CacheFolder(invocation.settings.cachedir.absolute())
    try:
        owner = cache.root.stat().st_uid
    except OSError:
        return cache
    if owner != os.geteuid():
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"uid {owner}"
        raise HostError(
            f"the cache {cache.root} belongs to {name}",
            hints=[f"run `lithify {command}` as {name}: owners look otherwise to anybody else"],
        )
    return cache
