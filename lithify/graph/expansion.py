"""A chunk entry and its file become a chunk: sources, commands, split rules, every default filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lithify.definitions.builtin import MANUAL
from lithify.definitions.links import FoundChunk, chunk_of, declared_sources
from lithify.definitions.model import (
    ChunkBody,
    ChunkEntry,
    DebianBinaries,
    Source,
    StratumFile,
    place_of,
)
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.tree import Definitions
from lithify.errors import Fault
from lithify.graph.model import (
    STEPS,
    Chunk,
    Command,
    DeviceNode,
    Integration,
    Licensing,
    Resources,
    SplitRule,
)
from lithify.graph.splitting import split_rules

Detect = Callable[[ChunkEntry, FoundChunk], ChunkBody | str | None]
"""Asks a chunk's source how it is built (formats below 6): its own chunk file, or the name of a build system, or None."""

DEBIAN_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86_32": "i386",
    "armv8l64": "arm64",
    "armv7lhf": "armhf",
    "armv7l": "armel",
    "armv5l": "armel",
    "ppc64": "ppc64",
    "mips64l": "mips64el",
    "mips32l": "mipsel",
}
"""Our names of architectures → Debian's."""


class Expanded(Struct, frozen=True, kw_only=True):
    """A chunk, and what its stratum does with its artifacts."""

    chunk: Chunk
    entry: ChunkEntry
    assigned: tuple[tuple[str, str], ...]
    """(chunk artifact, stratum artifact), as the entry says by ``artifacts:``."""


def expand(
    definitions: Definitions,
    stratum: StratumFile,
    entry: ChunkEntry,
    *,
    arch: str,
    build_depends: tuple[str, ...],
    stratum_depends: tuple[str, ...],
    detect: Detect | None,
) -> Expanded:
    """Return the chunk that an entry of a stratum means."""
    found, faults = chunk_of(definitions, entry)
    body, build_system, unresolved = _how_built(entry, found, faults, detect)
    said = _Said(entry, body)
    products = [(product.artifact, product.include) for product in said.get("products")]
    defaults = [(rule.artifact, rule.include) for rule in definitions.defaults.chunk_rules]
    rules = split_rules(entry.name, products, defaults)
    sources, source_faults = _sources(entry, body, arch)
    own_faults = [*faults, *source_faults]
    if body is not None:
        own_faults += _unknown_artifacts(definitions, entry, said, rules)
    broken = next((fault.message for fault in own_faults if fault.severity == "error"), "")
    chunk = Chunk(
        name=entry.name,
        stratum=stratum.name,
        file=found.file if found is not None else entry.morph or f"{entry.name}.morph",
        place=place_of(entry, "name"),
        arch=arch,
        build_mode=entry.build_mode,
        prefix=entry.prefix,
        build_system=build_system,
        unresolved=unresolved or broken,
        sources=sources,
        commands=_commands(definitions, said, build_system),
        environment=tuple(sorted(said.get("environment").items())),
        max_jobs=said.get("max_jobs"),
        split_rules=rules,
        integration=_integration(said, rules),
        devices=_devices(said),
        keep_git=said.get("keep_git"),
        compiler_cache=said.get("compiler_cache"),
        build_depends=build_depends,
        stratum_depends=stratum_depends,
        resources=Resources(memory=said.get("resources").memory, jobs=said.get("resources").jobs),
        timeout=said.get("timeout"),
        licensing=_licensing(said),
        faults=tuple(own_faults),
    )
    return Expanded(chunk=chunk, entry=entry, assigned=tuple(sorted(entry.artifacts.items())))


class _Said:
    """What an entry and its chunk file say together: what stands in the entry counts."""

    def __init__(self, entry: ChunkEntry, body: ChunkBody | None) -> None:
        self._entry = entry
        self.own: ChunkBody = entry if body is None else body
        """Where all stands that the entry does not say."""

    def get(self, field: str) -> Any:
        """Return the value of a field that both have."""
        return getattr(self.owner(field), field)

    def owner(self, field: str) -> ChunkBody:
        """Return what says it."""
        return self._entry if self._entry.says(field) else self.own


def _how_built(
    entry: ChunkEntry, found: FoundChunk | None, faults: tuple[Fault, ...], detect: Detect | None
) -> tuple[ChunkBody | None, str, str]:
    """Return (what says how it is built, its build system, why that is not known)."""
    if found is None:
        return (
            None,
            "",
            next((fault.message for fault in faults if fault.severity == "error"), "it is broken"),
        )
    body = found.body
    if body is None and detect is not None:
        told = detect(entry, found)
        if isinstance(told, str):
            return None, told, ""
        body = told
    if body is None:
        return None, "", "only its source can tell how it is built"
    return body, body.build_system or MANUAL, ""


def _sources(entry: ChunkEntry, body: ChunkBody | None, arch: str) -> tuple[tuple[Source, ...], list[Fault]]:
    """Return the declared sources; a ``debian`` one without ``arch`` is of the system's."""
    sources: list[Source] = []
    faults: list[Fault] = []
    for source in declared_sources(entry, body):
        if isinstance(source, DebianBinaries) and source.arch is None:
            known = DEBIAN_ARCHITECTURES.get(arch)
            if known is None:
                message = f"Debian has no name for the architecture {arch}"
                faults.append(
                    Fault(place=place_of(source), message=message, hint='give the source an "arch"')
                )
            placed = replace(source, arch=known)
            placed.set_origin(source.origin)
            sources.append(placed)
        else:
            sources.append(source)
    return tuple(sources), faults


def _commands(
    definitions: Definitions, said: _Said, build_system: str
) -> tuple[tuple[str, tuple[Command, ...]], ...]:
    """Return the commands of each step that has any: the chunk's own, else the build system's."""
    commands = {**definitions.defaults.build_systems.get(build_system, {}), **said.own.commands}
    return tuple((step, tuple(commands[step])) for step in STEPS if commands.get(step))


def _integration(said: _Said, rules: tuple[SplitRule, ...]) -> tuple[Integration, ...]:
    """Return the integration of the artifacts that there are, by artifact and prefix."""
    known = {rule.artifact for rule in rules}
    return tuple(
        Integration(artifact=artifact, prefix=prefix, commands=tuple(commands))
        for artifact, by_prefix in sorted(said.get("system_integration").items())
        for prefix, commands in sorted(by_prefix.items())
        if artifact in known
    )


def _devices(said: _Said) -> tuple[DeviceNode, ...]:
    return tuple(
        DeviceNode(
            filename=device.filename.lstrip("/"),
            type=device.type,
            mode=device.permissions,
            major=device.major,
            minor=device.minor,
            uid=device.uid,
            gid=device.gid,
        )
        for device in said.get("devices")
    )


def _licensing(said: _Said) -> Licensing:
    return Licensing(
        licence=said.get("licence") or "",
        purl=said.get("purl") or "",
        cpe=said.get("cpe") or "",
        homepage=said.get("homepage") or "",
        description=said.get("description"),
    )


def _unknown_artifacts(
    definitions: Definitions, entry: ChunkEntry, said: _Said, rules: tuple[SplitRule, ...]
) -> Iterator[Fault]:
    """Yield what is said of artifacts that no split rule makes."""
    known = {rule.artifact for rule in rules}
    owner = said.owner("system_integration")
    for name in said.get("system_integration"):
        if name not in known:
            yield Fault(
                place=place_of(owner, "system-integration", name, key=True),
                message=f'no split rule of chunk "{entry.name}" makes the artifact "{name}" that has integration commands',
                hint=did_you_mean(name, known),
                severity=definitions.format.unknown_inner_field,
            )
    for name in entry.artifacts:
        if name not in known:
            yield Fault(
                place=place_of(entry, "artifacts", name, key=True),
                message=f'no split rule of chunk "{entry.name}" makes the artifact "{name}"',
                hint=did_you_mean(name, known),
            )
