"""What must hold within one file and no field alone can tell: names that stand twice, fields that exclude one another.

Each check is a pure function from a model to faults. What needs other files is in :mod:`lithify.definitions.links`,
what needs the whole graph in ``graph/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import islice

from msgspec import Struct

from lithify.definitions.architectures import ARCHITECTURES
from lithify.definitions.base import Definition, place_of
from lithify.definitions.builtin import IMPORT, MANUAL
from lithify.definitions.context import MAX_FAULTS
from lithify.definitions.formats import Format
from lithify.definitions.model import (
    ChunkBody,
    ChunkEntry,
    ChunkFile,
    ClusterFile,
    ClusterSystem,
    DefaultsFile,
    StratumFile,
    SystemFile,
)
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.text import quoted
from lithify.errors import Fault


class Language(Struct, frozen=True):
    """What a file's checks depend on."""

    format: Format
    build_systems: frozenset[str]


def check_defaults(file: DefaultsFile, form: Format) -> tuple[Fault, ...]:
    """Return the faults of a ``DEFAULTS`` file that was read without a fault."""
    if form.defaults != "built in" or IMPORT not in file.build_systems:
        return ()
    place = place_of(file, "build-systems", IMPORT, key=True)
    message = (
        f"build system {IMPORT} cannot be defined anew: it takes the sources as they are, without commands"
    )
    return (Fault(place=place, message=message, hint="give it another name"),)


def check(file: Definition, language: Language, gone: frozenset[str] | None = None) -> tuple[Fault, ...]:
    """Return the faults of a file, at most so many as are told apart.

    ``gone``: of a file that parts were left out of, their names; nothing is said of it that they may explain.
    """
    found: Iterator[Fault] = iter(())
    if isinstance(file, ChunkFile):
        found = _body(file, language)
    elif isinstance(file, StratumFile):
        found = _stratum(file, language, gone)
    elif isinstance(file, SystemFile):
        found = _system(file, language)
    elif isinstance(file, ClusterFile):
        found = _cluster(file)
    return tuple(islice(found, MAX_FAULTS))


def is_inline(entry: ChunkEntry) -> bool:
    """Whether a chunk entry says itself how the chunk is built."""
    return entry.build_system is not None or bool(entry.commands)


def _body(body: ChunkBody, language: Language) -> Iterator[Fault]:
    """Yield the faults of what says how a chunk is built."""
    system = body.build_system
    if system is not None and system not in language.build_systems:
        yield Fault(
            place=place_of(body, "build-system"),
            message=f'undefined build system "{system}"',
            hint=did_you_mean(system, language.build_systems)
            or "known are " + ", ".join(sorted(language.build_systems)),
        )
    if system == IMPORT and language.format.defaults == "built in":
        step = next((step for step, commands in body.commands.items() if commands), None)
        if step is not None:
            yield Fault(
                place=place_of(body, f"{step}-commands", key=True),
                message="a chunk with build-system: import takes no commands, since there is no shell to run them with",
                hint="make what the packages' scripts would have made (links, passwd) in a second chunk that "
                "build-depends on this one",
                related=((place_of(body, "build-system", key=True), "the sources are the result"),),
            )


def _stratum(stratum: StratumFile, language: Language, gone: frozenset[str] | None) -> Iterator[Fault]:
    if not stratum.chunks and gone is None:
        yield Fault(
            place=place_of(stratum, "chunks", key=True), message=f"stratum {stratum.name} has no chunks"
        )
    first: dict[str, ChunkEntry] = {}
    for entry in stratum.chunks:
        if entry.name in first:
            yield Fault(
                place=place_of(entry, "name"),
                message=f'chunk "{entry.name}" stands twice in stratum {stratum.name}',
                related=((place_of(first[entry.name], "name"), "the first one"),),
            )
        first.setdefault(entry.name, entry)
    for entry in stratum.chunks:
        yield from _dependencies(entry, stratum, first.keys() | (gone or ()))
    if (
        language.format.stratum_needs_base
        and stratum.build_depends is None
        and stratum.chunks
        and gone is None
    ):
        yield from _base(stratum)


def _base(stratum: StratumFile) -> Iterator[Fault]:
    if all(entry.build_mode == "staging" for entry in stratum.chunks):
        yield Fault(
            place=place_of(stratum),
            message=f"stratum {stratum.name} has no build-depends, and no chunk in bootstrap mode to begin with",
            hint="name the strata that it is built upon, or give chunks build-mode: bootstrap",
        )


def _dependencies(entry: ChunkEntry, stratum: StratumFile, known: Set[str]) -> Iterator[Fault]:
    for index, name in enumerate(entry.build_depends or ()):
        if name not in known:
            yield Fault(
                place=place_of(entry, "build-depends", index),
                message=f'chunk "{entry.name}" build-depends on "{name}", which is not in stratum {stratum.name}',
                hint=did_you_mean(name, known)
                or "chunks of other strata are there by the stratum's build-depends, and are not named here",
            )


def check_entry(entry: ChunkEntry, language: Language) -> Iterator[Fault]:
    """Yield the faults of one chunk of a stratum; the others of the stratum are not hurt by them."""
    yield from _where_from(entry, language.format)
    yield from _how_built(entry, language.format)
    if is_inline(entry):
        yield from _body(entry, language)


def _where_from(entry: ChunkEntry, form: Format) -> Iterator[Fault]:
    """Yield the faults of an entry's sources."""
    if entry.sources:
        for field in ("repo", "ref", "submodules"):
            if getattr(entry, field):
                yield Fault(
                    place=place_of(entry, field, key=True),
                    message=f'chunk "{entry.name}" has both "sources" and "{field}"',
                    hint="a git repository is a source of kind git",
                    related=((place_of(entry, "sources", key=True), "its sources"),),
                )
        return
    may_be_elsewhere = form.inline_chunks and entry.morph is not None
    if entry.repo is None and entry.ref is None and may_be_elsewhere:
        return
    for field in ("repo", "ref"):
        if getattr(entry, field) is None:
            yield Fault(
                place=place_of(entry),
                message=f'chunk "{entry.name}" has no "{field}"',
                hint='give it "repo" and "ref", or "sources"' if form.inline_chunks else "",
            )


def _how_built(entry: ChunkEntry, form: Format) -> Iterator[Fault]:
    """Yield the faults of an entry that says twice, or not at all, how the chunk is built."""
    if entry.morph is not None and is_inline(entry):
        field = "build-system" if entry.build_system else f"{next(iter(entry.commands))}-commands"
        yield Fault(
            place=place_of(entry, field, key=True),
            message=f'conflicting fields: chunk "{entry.name}" has both "morph" and "{field}"',
            hint="say how it is built in one place",
            related=((place_of(entry, "morph", key=True), "its chunk file"),),
        )
    if entry.morph is None and not is_inline(entry) and not form.detects_build_systems:
        hint = "give it morph: FILE or build-system: NAME"
        if form.inline_chunks:
            hint += f"; {IMPORT} takes the sources as they are, {MANUAL} runs only the commands given"
        yield Fault(
            place=place_of(entry),
            message=f'chunk "{entry.name}" has no build-system defined, and no chunk .morph',
            hint=hint,
        )


def _system(system: SystemFile, language: Language) -> Iterator[Fault]:
    if system.arch not in ARCHITECTURES:
        yield Fault(
            place=place_of(system, "arch"),
            message=f'unknown arch "{system.arch}" in system {system.name}',
            hint=did_you_mean(system.arch, ARCHITECTURES) or "known are " + ", ".join(sorted(ARCHITECTURES)),
        )
    first: dict[str, int] = {}
    for index, selection in enumerate(system.strata):
        path = selection.morph
        if path in first:
            yield Fault(
                place=place_of(selection, "morph"),
                message=f'stratum "{path}" stands twice in system {system.name}',
                related=((place_of(system, "strata", first[path]), "the first one"),),
            )
        first.setdefault(path, index)


def _cluster(cluster: ClusterFile) -> Iterator[Fault]:
    first: dict[str, ClusterSystem] = {}
    for system in _all_systems(cluster.systems):
        if not system.deploy:
            yield Fault(
                place=place_of(system),
                message=f'system "{system.morph}" of cluster {cluster.name} has no deployment',
                hint='it needs a field "deploy", a mapping from name to deployment',
            )
        for name in system.deploy:
            if name in first:
                yield Fault(
                    place=place_of(system, "deploy", name, key=True),
                    message=f"deployment {quoted(name)} stands twice in cluster {cluster.name}",
                    related=((place_of(first[name], "deploy", name, key=True), "the first one"),),
                )
            first.setdefault(name, system)


def _all_systems(systems: tuple[ClusterSystem, ...]) -> Iterator[ClusterSystem]:
    for system in systems:
        yield system
        yield from _all_systems(system.subsystems)
