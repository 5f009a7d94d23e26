"""Which files and mirrors in the cache's ``sources/`` a declared source needs, and what they take to fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lithify.definitions.model import GitSource, Source
from lithify.errors import LithifyError
from lithify.graph.canonical import Value
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext
from lithify.sources.git import check_outs
from lithify.sources.git_mirror import mirror_of

FETCHED_BYTES_A_SECOND = 2 << 20
"""How fast sources are assumed to be fetched, where it matters what it would take to have them again."""
LAID_OUT_BYTES_A_SECOND = 100 << 20
"""How fast the definitions of a commit are laid out from its repository."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FOLDERS = ("archives", "debian")
"""Of files that are named by their digest."""


def kept_for(source: Source, pin: Pin | None, context: SourceContext) -> frozenset[Path]:
    """Return what in ``sources/`` a source is laid out from, whether it is there or not; asks no server.

    Of a repository whose commit is not in the cache, its submodules are not known.
    """
    if isinstance(source, GitSource):
        return frozenset(_mirrors(source, pin, context))
    digests = set(_digests(dict(pin.digest_data))) if pin is not None else set()
    return frozenset(context.cache.sources / folder / digest for folder in _FOLDERS for digest in digests)


def _mirrors(source: GitSource, pin: Pin | None, context: SourceContext) -> Iterator[Path]:
    try:
        yield mirror_of(source.url, context).path
        if pin is not None and (commit := pin.digest_data.get("commit")):
            for checkout in check_outs(source, str(commit), context, fetch=False):
                yield checkout.mirror.path
    except LithifyError:
        return  # it cannot be laid out as it is, so there is nothing to keep for it


def _digests(value: Value) -> Iterator[str]:
    """Yield every SHA-256 in what a pin says."""
    if isinstance(value, str):
        yield from _DIGEST.findall(value) if _DIGEST.fullmatch(value) else ()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _digests(item)
