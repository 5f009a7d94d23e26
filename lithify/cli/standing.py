"""What `lithify build SYSTEM` prints where nothing is to be done, without parsing a command or a definition."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.definitions.root import find_root
from lithify.schedule.standing import Standing, standing_answer


def answer(arguments: Sequence[str], invocation: Invocation) -> Standing:
    """Return what is known of the command: nothing, where more than a system is named."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return Standing()
    cache = CacheFolder(invocation.settings.cachedir.absolute())
    root = find_root(invocation.cwd)
    return standing_answer(cache, root, invocation.cwd, arguments[0], invocation.settings)
