"""Looks at the layers that a build will most likely mount, while its modules are still being loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from msgspec.structs import replace

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.store.lookers import Lookers


@contextmanager
def looking(invocation: Invocation, mounted: Sequence[str]) -> Iterator[Invocation]:
    """Yield the invocation with what looks at the layers ``mounted``; all of it has ended at the end of the block.

    Only what is looked at after the build has its claim on the cache counts for where a layer is; so one that is collected
    meanwhile is made again.
    """
    with closing(Lookers()) as lookers:
        if os.geteuid() == 0:  # others see their own ids only in the namespace that a build enters later
            layers = CacheFolder(invocation.settings.cachedir.absolute()).layers
            lookers.look(layers, mounted, max(1, len(os.sched_getaffinity(0)) - 1))
        yield replace(invocation, lookers=lookers)
