"""Pinned sources are fetched: several at a time, each into the cache, each checked."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable

from lithify.definitions.model import Source
from lithify.errors import PinGone, PinMismatch, SourceError
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext
from lithify.sources.kinds import kind_of

JOBS = 4
"""Sources that are fetched at the same time; one of them may open several connections."""


def fetch_all(
    wanted: Iterable[tuple[Source, Pin]], context: SourceContext, *, chunk: str = "", jobs: int = JOBS
) -> None:
    """Have all sources in the cache, whole and as pinned.

    ``chunk`` is named in errors, and in the command that they hint at. Raises the first error, after the fetches that were
    running have ended; those that had not begun are given up.
    """
    missing = [
        (source, pin)
        for source, pin in dict(wanted).items()
        if not kind_of(source).is_fetched(source, pin, context)
    ]
    if len(missing) < 2:
        for source, pin in missing:
            _fetch(source, pin, context, chunk)
        return
    with concurrent.futures.ThreadPoolExecutor(min(jobs, len(missing))) as pool:
        futures = [pool.submit(_fetch, source, pin, context, chunk) for source, pin in missing]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        finally:
            for future in futures:
                future.cancel()


def _fetch(source: Source, pin: Pin, context: SourceContext, chunk: str) -> None:
    try:
        kind_of(source).fetch(source, pin, context)
    except SourceError as error:
        if chunk:
            error.message = f"{chunk}: {error.message}"
        if isinstance(error, PinGone | PinMismatch):
            command = f"lithify lock --update {chunk}".rstrip()
            error.hints = (f"`{command}` moves the pin to what the server has now", *error.hints)
        raise
