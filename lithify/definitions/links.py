"""From a name in one file to the file that it means: strata of systems, chunk files of strata, systems of clusters.

Each function returns what was found and the faults of the link, at the place of the name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Protocol, TypeVar

from msgspec import Struct

from lithify.definitions.base import place_of
from lithify.definitions.checks import Language, check_entry, is_inline
from lithify.definitions.loading import File, Loaded
from lithify.definitions.model import (
    ChunkBody,
    ChunkEntry,
    ChunkFile,
    ClusterSystem,
    GitSource,
    LocalSource,
    PatchSource,
    Source,
    StratumFile,
    StratumReference,
    StratumSelection,
    SystemFile,
)
from lithify.errors import Fault, Place

T = TypeVar("T", bound=File)
Faults = tuple[Fault, ...]


class Files(Protocol):
    """The files of a tree, by name."""

    @property
    def language(self) -> Language:
        """The tree's format, and the build systems defined."""

    def loaded(self, name: str) -> Loaded | None:
        """Return a file as far as it could be read; None where there is none."""

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""

    def similar(self, name: str, kind: str = "") -> str:
        """Return a hint that offers files of a kind with names like this one."""


class FoundChunk(Struct, frozen=True, kw_only=True):
    """How a chunk entry's chunk is built, as far as the definitions tell."""

    file: str
    """The chunk file, or ``NAME.morph`` where the entry says all."""
    body: ChunkBody | None
    """None: only the source can tell, by the file ``file`` in it, else by its files (``detect_build_system``)."""


def file_name(name: str) -> str:
    """Return the file that a name means: a bare one, without slash and ending, gets the ending."""
    bare = "/" not in name and not name.endswith(".morph")
    return posixpath.normpath(f"{name}.morph" if bare else name)


def find(files: Files, name: str, wanted: type[T], at: Place) -> tuple[T | None, Faults]:
    """Return the file that ``name`` at ``at`` means, if it is of the wanted kind."""
    path = file_name(name)
    loaded = files.loaded(path)
    if loaded is None:
        hint = files.similar(path, wanted.kind_of_mapping)
        return None, (Fault(place=at, message=f'no file "{path}"', hint=hint),)
    if loaded.file is None:
        return None, loaded.errors
    if not isinstance(loaded.file, wanted):
        kind, want = loaded.file.kind, wanted.kind_of_mapping
        message = f'"{path}" is a {kind}, not a {want}'
        where = place_of(loaded.file, "kind", key=True)
        return None, (Fault(place=at, message=message, related=((where, "its kind"),)),)
    return loaded.file, loaded.errors


def selected_stratum(files: Files, selection: StratumSelection) -> tuple[StratumFile | None, Faults]:
    """Return the stratum that a system selects."""
    stratum, faults = find(files, selection.morph, StratumFile, place_of(selection, "morph"))
    if stratum is not None and selection.name is not None and selection.name != stratum.name:
        mismatch = Fault(
            place=place_of(selection, "name"),
            message=f'stratum "{selection.name}" is named "{stratum.name}" in its file',
            related=((place_of(stratum, "name"), "its name"),),
        )
        return None, (*faults, mismatch)
    return stratum, faults


def referenced_stratum(
    files: Files, reference: StratumReference, user: StratumFile | None = None
) -> tuple[StratumFile | None, Faults]:
    """Return the stratum that another one, ``user``, is built upon."""
    place = place_of(reference, "morph")
    stratum, faults = find(files, reference.morph, StratumFile, place)
    if stratum is not None and stratum is user:
        message = f"stratum {stratum.name} build-depends on itself"
        return None, (*faults, Fault(place=place, message=message))
    return stratum, faults


def system_of(files: Files, part: ClusterSystem) -> tuple[SystemFile | None, Faults]:
    """Return the system that a cluster deploys."""
    return find(files, part.morph, SystemFile, place_of(part, "morph"))


def chunk_of(files: Files, entry: ChunkEntry) -> tuple[FoundChunk | None, Faults]:
    """Return how an entry's chunk is built; the faults may be warnings beside it."""
    found, faults = _chunk_of(files, entry)
    faults = (*check_entry(entry, files.language), *faults, *_sources_there(files, entry))
    if any(fault.severity == "error" for fault in faults):
        return None, faults
    return found, faults


def _chunk_of(files: Files, entry: ChunkEntry) -> tuple[FoundChunk | None, Faults]:
    if entry.morph is None:
        return (
            (FoundChunk(file=f"{entry.name}.morph", body=entry), ())
            if is_inline(entry)
            else _undeclared(files, entry)
        )
    path = file_name(entry.morph)
    if files.language.format.chunk_files_in_repositories and files.loaded(path) is None:
        return FoundChunk(file=path, body=None), ()
    chunk, faults = find(files, entry.morph, ChunkFile, place_of(entry, "morph"))
    if chunk is None or faults:
        return None, faults
    return FoundChunk(file=path, body=chunk), (
        *_agreement(entry, chunk),
        *_sources_there(files, chunk),
    )


def _undeclared(files: Files, entry: ChunkEntry) -> tuple[FoundChunk | None, Faults]:
    """Return the chunk of an entry that says nothing, in formats that look further."""
    if not files.language.format.detects_build_systems:
        return None, ()
    path = file_name(f"{entry.name}.morph")
    if files.loaded(path) is None:
        return FoundChunk(file=path, body=None), ()
    chunk, faults = find(files, path, ChunkFile, place_of(entry))
    return None if chunk is None else FoundChunk(file=path, body=chunk), faults


def _agreement(entry: ChunkEntry, chunk: ChunkFile) -> Iterator[Fault]:
    """Yield what an entry and its chunk file say differently."""
    if chunk.name != entry.name:
        yield Fault(
            place=place_of(entry, "name"),
            message=f'chunk "{entry.name}" is named "{chunk.name}" in its file; the entry\'s name counts',
            severity="warning",
            related=((place_of(chunk, "name"), "the other name"),),
        )
    fields = [field for field in ("sources", "repo") if getattr(entry, field)]
    if fields and chunk.sources:
        yield Fault(
            place=place_of(entry, fields[0], key=True),
            message=f'chunk "{entry.name}" has its sources twice: in the stratum and in its file',
            hint="leave one of them out",
            related=((place_of(chunk, "sources", key=True), "the others"),),
        )
    if not fields and not chunk.sources:
        yield Fault(
            place=place_of(entry),
            message=f'chunk "{entry.name}" has no sources',
            hint='give it "sources", or "repo" and "ref", here or in its file',
            related=((place_of(chunk), "its file"),),
        )


def _sources_there(files: Files, owner: ChunkBody) -> Iterator[Fault]:
    """Yield the sources below the definitions that are not there."""
    for index, source in enumerate(owner.sources):
        if isinstance(source, (LocalSource, PatchSource)) and not files.exists(source.path):
            yield Fault(
                place=place_of(owner, "sources", index, "path"),
                message=f'no file or folder "{source.path}" in the definitions',
                hint=f"the path of a {source.kind} source is relative to the root of the definitions",
            )


def declared_sources(entry: ChunkEntry, body: ChunkBody | None) -> tuple[Source, ...]:
    """Return a chunk's sources, from its entry or its file; ``repo`` and ``ref`` are a git source."""
    if entry.sources:
        return entry.sources
    if body is not None and body.sources:
        return body.sources
    if entry.repo is None or entry.ref is None:
        return ()
    source = GitSource(url=entry.repo, ref=entry.ref, submodules=entry.submodules)
    source.set_origin(entry.origin)
    return (source,)


def links_of(files: Files, file: File) -> Iterator[Fault]:
    """Yield the faults of all that a file names."""
    if isinstance(file, ChunkFile):
        yield from _sources_there(files, file)
    elif isinstance(file, StratumFile):
        for reference in file.build_depends or ():
            yield from referenced_stratum(files, reference, file)[1]
        for entry in file.chunks:
            yield from chunk_of(files, entry)[1]
    elif isinstance(file, SystemFile):
        for selection in file.strata:
            yield from selected_stratum(files, selection)[1]
    else:
        yield from _cluster_links(files, file.systems)


def _cluster_links(files: Files, systems: tuple[ClusterSystem, ...]) -> Iterator[Fault]:
    for system in systems:
        yield from system_of(files, system)[1]
        yield from _cluster_links(files, system.subsystems)
