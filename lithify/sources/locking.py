"""``lithify lock``: pins what is not pinned yet, and moves pins where that is asked for."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Collection, Iterable

from msgspec import Struct

from lithify.definitions.model import Source
from lithify.errors import LithifyError, SeveralFailed
from lithify.graph.pins import Pin, declared_pin, source_identity
from lithify.sources.context import SourceContext
from lithify.sources.kinds import UNLOCKED, kind_of
from lithify.sources.lock import Lock, differences

JOBS = 4
"""Sources that are pinned at the same time."""


class Change(Struct, frozen=True, kw_only=True):
    """A pin that was made, moved or dropped."""

    identity: str
    chunks: tuple[str, ...]
    before: Pin | None
    after: Pin | None

    def parts(self) -> tuple[tuple[str, str, str], ...]:
        """Return (name, old version, new version) of what moved, sorted; "" where there was or is none."""
        return tuple(differences(self.before, self.after))


def lock_sources(
    declared: Iterable[tuple[str, Source]],
    lock: Lock,
    context: SourceContext,
    *,
    update: Collection[str] = (),
    drop_others: bool = False,
) -> tuple[Lock, tuple[Change, ...]]:
    """Return a lock in which every declared source has a pin, and what changed, sorted by identity.

    ``declared``: (chunk, source); ``update``: chunks whose pins move to the newest. ``drop_others``: pins that nobody
    declares any more go. Raises what pinning raised: one error as it is, several as :class:`SeveralFailed`.
    """
    sources: dict[str, Source] = {}
    chunks: dict[str, list[str]] = {}
    for chunk, source in declared:
        if source.kind in UNLOCKED or declared_pin(source) is not None:
            continue
        identity = source_identity(source)
        sources.setdefault(identity, source)
        chunks.setdefault(identity, []).append(chunk)
    wanted = [
        identity
        for identity in sorted(sources)
        if identity not in lock.pins or not set(update).isdisjoint(chunks[identity])
    ]
    pins = {identity: pin for identity, pin in lock.pins.items() if identity in sources or not drop_others}
    pins |= _pin_all({identity: sources[identity] for identity in wanted}, chunks, context)
    changes = [
        Change(
            identity=identity,
            chunks=tuple(dict.fromkeys(chunks.get(identity, ()))),
            before=lock.pins.get(identity),
            after=pins.get(identity),
        )
        for identity in sorted({*lock.pins, *pins})
        if lock.pins.get(identity) != pins.get(identity)
    ]
    return Lock(pins=pins), tuple(changes)


def _pin_all(
    wanted: dict[str, Source], chunks: dict[str, list[str]], context: SourceContext
) -> dict[str, Pin]:
    if not wanted:
        return {}
    pins: dict[str, Pin] = {}
    failures: list[LithifyError] = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        futures = {
            identity: pool.submit(kind_of(source).pin, source, context) for identity, source in wanted.items()
        }
        for identity, future in futures.items():
            try:
                pins[identity] = future.result()
            except LithifyError as error:
                error.message = f"{', '.join(dict.fromkeys(chunks[identity]))}: {error.message}"
                failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise SeveralFailed(failures)
    return pins
