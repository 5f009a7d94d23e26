"""What `lithify build SYSTEM` prints where nothing is to be done, without parsing a command or a definition."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.definitions.root import find_root
from lithify.schedule.standing import Standing, question, standing_answer


def answer(arguments: Sequence[str], invocation: Invocation) -> Standing:
    """Return what is known of the command: of more than a system, no answer."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        return Standing()
    cache = CacheFolder(invocation.settings.cachedir.absolute())
    root = find_root(invocation.cwd)
    return standing_answer(cache, root, invocation.cwd, question(arguments), invocation.settings)
