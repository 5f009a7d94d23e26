"""Whether a system can be had again from its definitions alone: each source's commit, where it is kept, and on which host.

What asks a repository is handed in; everything else is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from lithify.definitions.model import GitSource, Source, WorkspaceSource, place_of
from lithify.errors import Place
from lithify.graph.model import Chunk, SystemGraph
from lithify.graph.pins import declared_pin, source_identity
from lithify.sources.kinds import UNLOCKED
from lithify.sources.lock import Lock
from lithify.sources.pins import LOCK_FORMAT
from lithify.sources.urls import expand_alias, is_on_host, shown

WhyLost = Callable[[str, str], str]
"""(repository as written, commit) → why it may be gone one day; empty where a branch or tag leads to it."""


class Reason(Struct, frozen=True, kw_only=True):
    """Why a chunk stands in the way of a certificate."""

    chunk: str
    place: Place
    kind: Literal["ref", "lock", "reach", "host"]
    """No whole commit; nothing in the lock file; no branch or tag leads there, or nobody can tell; another host."""
    text: str


class Keepers(Struct, frozen=True, kw_only=True):
    """What is known of where sources are kept."""

    lock: Lock
    aliases: Mapping[str, str]
    """``alias:path`` → pull URL."""
    trove_host: str
    """Where all repositories must be; empty: anywhere."""
    why_lost: WhyLost


def reasons_against(graph: SystemGraph, keepers: Keepers) -> tuple[Reason, ...]:
    """Return what is against certifying a system, by place: of all chunks, needed or not."""
    return tuple(sorted(_reasons(graph, keepers), key=lambda reason: reason.place))


def _reasons(graph: SystemGraph, keepers: Keepers) -> Iterator[Reason]:
    for chunk in graph.chunks.values():
        for source in chunk.sources:
            if isinstance(source, GitSource):
                yield from _against_git(chunk, source, graph.format, keepers)
            elif not isinstance(source, WorkspaceSource) and _lacks_a_pin(source, keepers.lock):
                text = f"{source_identity(source)} is not pinned in the lock file"
                yield Reason(chunk=chunk.name, place=place_of(source), kind="lock", text=text)


def _lacks_a_pin(source: Source, lock: Lock) -> bool:
    return source.kind not in UNLOCKED and lock.get(source) is None


def _against_git(chunk: Chunk, source: GitSource, format: int, keepers: Keepers) -> Iterator[Reason]:
    locked = keepers.lock.get(source) if format >= LOCK_FORMAT else None
    pin = declared_pin(source) or locked
    name = source.ref or source.track or ""
    field = "ref" if source.ref is not None else "track"
    if pin is None and format >= LOCK_FORMAT:
        text = f"{field} {name} of {shown(source.url)} is not pinned in the lock file"
        yield Reason(chunk=chunk.name, place=place_of(source, field), kind="lock", text=text)
    elif pin is None:
        text = f"{field} {name} of {shown(source.url)} is not a commit of 40 digits"
        yield Reason(chunk=chunk.name, place=place_of(source, field), kind="ref", text=text)
    else:
        lost = keepers.why_lost(source.url, str(pin.digest_data["commit"]))
        if lost:
            yield Reason(chunk=chunk.name, place=place_of(source, field), kind="reach", text=lost)
    pull = expand_alias(source.url, keepers.aliases)
    if keepers.trove_host and not is_on_host(pull, keepers.trove_host):
        text = f"{shown(pull)} is not on {keepers.trove_host}"
        yield Reason(chunk=chunk.name, place=_url_place(source), kind="host", text=text)


def _url_place(source: GitSource) -> Place:
    """Return where a repository is named: ``url`` of a source, or ``repo`` of a chunk entry."""
    return place_of(source, "url" if source.origin is not None and "url" in source.origin else "repo")
