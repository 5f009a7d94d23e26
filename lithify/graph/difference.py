"""What differs between two graphs, in the words of the definitions: what ``lithify diff FROM TO`` shows.

It compares what was written, not keys: a description or a moved file is no change here either, a chunk that moved to another
stratum is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

from msgspec import Struct

from lithify.definitions.model import GitSource
from lithify.graph.canonical import canonical
from lithify.graph.inputs import source_layout
from lithify.graph.model import STEPS, Chunk, Stratum, System, SystemGraph
from lithify.graph.pins import source_identity

_T = TypeVar("_T")


class Change(Struct, frozen=True, kw_only=True):
    """One thing that is otherwise in the second graph."""

    kind: Literal["chunk", "stratum", "system"]
    name: str
    what: str
    """``added``, ``removed``, ``stratum`` (moved), ``repo``, ``ref``, ``sources``, ``split-rules``, ``build-commands`` and
    other names of fields, as in the definitions."""
    old: Any = None
    new: Any = None


def changes(old: SystemGraph, new: SystemGraph) -> tuple[Change, ...]:
    """Return what differs, the system's first, then strata, then chunks, each in the order of the second graph."""
    found = [*_system_changes(old.system, new.system)]
    for name, was, now in _both(old.strata, new.strata):
        if was is None or now is None:
            found.append(_came_or_went("stratum", name, now is not None))
        else:
            found += _stratum_changes(was, now)
    for name, before, after in _both(old.chunks, new.chunks):
        if before is None or after is None:
            found.append(_came_or_went("chunk", name, after is not None))
        else:
            found += chunk_changes(before, after)
    return tuple(found)


def _both(old: Mapping[str, _T], new: Mapping[str, _T]) -> Iterator[tuple[str, _T | None, _T | None]]:
    for name in dict.fromkeys((*new, *old)):
        yield name, old.get(name), new.get(name)


def _came_or_went(kind: Literal["chunk", "stratum"], name: str, came: bool) -> Change:
    return Change(kind=kind, name=name, what="added" if came else "removed")


def chunk_changes(old: Chunk, new: Chunk) -> Iterator[Change]:
    """Yield what differs between two definitions of a chunk."""
    for what, was, now in (*_source_fields(old, new), *_chunk_fields(old, new)):
        if was != now:
            yield Change(kind="chunk", name=new.name, what=what, old=was, new=now)


def _source_fields(old: Chunk, new: Chunk) -> Iterator[tuple[str, Any, Any]]:
    """Yield what is compared of the sources: repository and ref where both are one git source, else all of them."""
    one, other = _single_git(old), _single_git(new)
    if one is None or other is None:
        yield "sources", _sources(old), _sources(new)
        return
    yield "repo", one.url, other.url
    yield "ref", one.ref or one.track, other.ref or other.track
    yield "submodules", one.submodules, other.submodules
    yield "into", one.into, other.into


def _single_git(chunk: Chunk) -> GitSource | None:
    source = chunk.sources[0] if len(chunk.sources) == 1 else None
    return source if isinstance(source, GitSource) else None


def _sources(chunk: Chunk) -> tuple[str, ...]:
    """Return each source as text: its identity, and how it is laid out."""
    texts = []
    for source in chunk.sources:
        layout = {**source_layout(source), "into": source.into}
        texts.append(f"{source_identity(source)} {canonical(layout).decode()}")
    return tuple(texts)


def _chunk_fields(old: Chunk, new: Chunk) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name of the field, value in the old, value in the new) for all that says how a chunk is built."""
    was, now = dict(old.commands), dict(new.commands)
    yield "stratum", old.stratum, new.stratum
    yield "build-system", old.build_system, new.build_system
    for step in STEPS:
        yield f"{step}-commands", was.get(step, ()), now.get(step, ())
    yield "build-mode", old.build_mode, new.build_mode
    yield "prefix", old.prefix, new.prefix
    yield "arch", old.arch, new.arch
    yield "environment", dict(old.environment), dict(new.environment)
    yield "max-jobs", old.max_jobs, new.max_jobs
    yield "build-depends", sorted(old.build_depends), sorted(new.build_depends)
    yield "split-rules", _rules(old), _rules(new)
    yield "system-integration", old.integration, new.integration
    yield "devices", old.devices, new.devices
    yield "keep-git", old.keep_git, new.keep_git
    yield "compiler-cache", old.compiler_cache, new.compiler_cache


def _rules(chunk: Chunk) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((rule.artifact, rule.include) for rule in chunk.split_rules)


def _stratum_changes(old: Stratum, new: Stratum) -> Iterator[Change]:
    common = set(old.chunks) & set(new.chunks)
    fields: tuple[tuple[str, Any, Any], ...] = (
        ("build-depends", old.build_depends, new.build_depends),
        ("order of chunks", _listed(old, common), _listed(new, common)),
        ("artifacts", _artifacts(old, common), _artifacts(new, common)),
    )
    for what, was, now in fields:
        if was != now:
            yield Change(kind="stratum", name=new.name, what=what, old=was, new=now)


def _listed(stratum: Stratum, chunks: set[str]) -> tuple[str, ...]:
    return tuple(name for name in stratum.chunks if name in chunks)


def _artifacts(stratum: Stratum, chunks: set[str]) -> dict[str, tuple[str, ...]]:
    """Return what each artifact selects, of the given chunks."""
    return {
        artifact.name: tuple(name for chunk, name in artifact.members if chunk in chunks)
        for artifact in stratum.artifacts
    }


def _system_changes(old: System, new: System) -> Iterator[Change]:
    fields = (
        ("name", old.name, new.name),
        ("arch", old.arch, new.arch),
        ("strata", old.strata, new.strata),
        ("artifacts", old.stratum_artifacts, new.stratum_artifacts),
        ("overlaps", old.overlaps, new.overlaps),
        ("os-release", dict(old.os_release), dict(new.os_release)),
        ("classic-os-release", old.classic_os_release, new.classic_os_release),
        ("configuration-extensions", old.configuration_extensions, new.configuration_extensions),
    )
    for what, was, now in fields:
        if was != now:
            yield Change(kind="system", name=new.name, what=what, old=was, new=now)
