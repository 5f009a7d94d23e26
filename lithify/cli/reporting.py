"""Events on stderr, as the settings say; what queries need of them, without all that a build imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lithify.cli.invocation import Invocation
from lithify.cli.plain import PlainReader
from lithify.events import Report


@contextmanager
def reading_events(invocation: Invocation) -> Iterator[Report]:
    """Yield a report whose events are shown on stderr as the settings say; completed at the end of the block."""
    settings = invocation.settings
    reader = PlainReader(sys.stderr, quiet=settings.quiet, verbose=settings.verbose or settings.debug)
    try:
        yield reader
    finally:
        reader.close()
