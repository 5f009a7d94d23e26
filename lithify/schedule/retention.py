"""What in a cache is kept, whatever its size: what systems need as they are defined now, and what somebody wants to keep."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from lithify.cache import CacheFolder, publish, remove_tree
from lithify.errors import LithifyError
from lithify.graph.keys import Unresolved
from lithify.schedule.session import Resolved, Session
from lithify.sources.keeping import kept_for

_SUFFIX = ".json"


class Retention(Struct, frozen=True, kw_only=True):
    """What stays, with why: definition keys, and paths of sources below the cache folder."""

    keys: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    young_from: float = 0.0
    """What was made after it is young; seconds since 1970."""

    def is_young(self, made_at: float) -> bool:
        """Whether something is too young to go because nobody names it."""
        return made_at > self.young_from

    def with_kept(self, kept: Iterable[KeptBuild]) -> Retention:
        """Return the retention of all this and of builds that somebody wants to keep."""
        builds = list(kept)
        return replace(
            self,
            keys={**{key: f"keep {build.name}" for build in builds for key in build.keys}, **self.keys},
            sources={
                **{path: f"keep {build.name}" for build in builds for path in build.sources},
                **self.sources,
            },
        )


class KeptBuild(Struct, frozen=True, kw_only=True):
    """A system's build that stays in the cache until somebody drops it."""

    name: str
    key: str
    """Of the system."""
    since: int
    """Seconds since 1970."""
    keys: Sequence[str]
    """Of the system and all chunks that it is made from."""
    sources: Sequence[str]
    """What they are made from, below the cache folder."""


def needed_by(session: Session, systems: Iterable[Resolved]) -> Retention:
    """Return what systems need, each with the name of one that needs it."""
    keys: dict[str, str] = {}
    sources: dict[str, str] = {}
    context = replace(session.sources(), no_git_update=True)
    asked: set[tuple[Any, Any]] = set()
    for resolved in systems:
        name = resolved.graph.system.name
        for key in _keys_of(resolved):
            keys.setdefault(key, name)
        for chunk in resolved.graph.needed:
            for source in resolved.graph.chunks[chunk].sources:
                pin = resolved.pins.get(source)
                if (source, repr(pin)) in asked:
                    continue
                asked.add((source, repr(pin)))
                for path in kept_for(source, pin, context):
                    sources.setdefault(str(path.relative_to(session.cache.root)), name)
    return Retention(keys=keys, sources=sources)


def _keys_of(resolved: Resolved) -> list[str]:
    keys = [*(resolved.keys.chunk[name] for name in resolved.graph.needed), resolved.keys.system]
    return [str(key) for key in keys if not isinstance(key, Unresolved)]


def keep(session: Session, resolved: Resolved) -> KeptBuild:
    """Keep a system that is built, as it is defined now; returns what was noted. Held by the cache's lease."""
    needed = needed_by(session, [resolved])
    kept = KeptBuild(
        name=resolved.graph.system.name,
        key=str(resolved.keys.system),
        since=int(time.time()),
        keys=sorted(needed.keys),
        sources=sorted(needed.sources),
    )
    place = _place(session.cache, kept.key)
    publish(place, lambda aside: _write(aside, kept), locks=session.cache.locks, sync=session.settings.fsync)
    return kept


def kept_builds(cache: CacheFolder) -> tuple[KeptBuild, ...]:
    """Return what somebody wants to keep, by name; raises :class:`LithifyError` where a note of it cannot be read."""
    try:
        names = sorted(os.listdir(cache.kept))
    except FileNotFoundError:
        return ()
    found = [_read(cache.kept / name) for name in names if name.endswith(_SUFFIX) and name[0] != "."]
    return tuple(sorted(found, key=lambda kept: (kept.name, kept.since, kept.key)))


def let_go(cache: CacheFolder, kept: KeptBuild) -> None:
    """Keep a build no longer; what it holds goes with the next collection, unless something else keeps it."""
    remove_tree(_place(cache, kept.key))


def _place(cache: CacheFolder, key: str) -> Path:
    return cache.kept / f"{key}{_SUFFIX}"


def _write(path: Path, kept: KeptBuild) -> None:
    path.write_text(json.dumps(asdict(kept)) + "\n", encoding="utf-8")


def _read(path: Path) -> KeptBuild:
    """Return a note; one that is damaged stops whoever would throw away what it may name."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return KeptBuild(
            name=str(data["name"]),
            key=str(data["key"]),
            since=int(data["since"]),
            keys=[str(key) for key in data["keys"]],
            sources=[str(source) for source in data["sources"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LithifyError(
            f"{path} does not say what is kept: it is damaged",
            hints=["remove it, and name the system with `lithify keep` again"],
        ) from error
