"""What the keys are made of: everything that can change a result, and nothing else.

Two keys each. The *definition key* is known before anything is fetched or built: it takes pins and the definition keys of
what is staged. The *build key* is known when the source tree and all layers are there: it takes their digests instead, and
so finds a build whose inputs came out the same although something below changed (early cut-off).

Names count where the result shows them: a chunk's own (``/NAME.build`` is its folder, its artifacts are named after it), a
stratum's in a system (its ``.meta`` files). Descriptions, licences, file names, comments, ``unpetrify-ref``, stratum names
in chunks, resources and timeouts do not count. Each function here is the whole truth about one key, for ``lithify why`` too.
Manual: ``docs/internals/keys.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from lithify.definitions.model import ArchiveSource, DebianSourcePackage, PatchSource, Source
from lithify.graph.canonical import Value, digest
from lithify.graph.environment import chunk_environment
from lithify.graph.integration import integration_scripts
from lithify.graph.model import Chunk, ContentDigest, DefinitionKey, StagedGroup, SystemGraph
from lithify.graph.pins import Pin, source_identity

FORMAT = 1
"""Goes up when the meaning of any input changes: no key of before is found any more. ``tests/graph/golden`` follows."""

Inputs = Mapping[str, Value]
"""What a key is the digest of."""


def recipe(chunk: Chunk, prefixes: Sequence[str]) -> dict[str, Value]:
    """Return what both keys of a chunk take from its definition: all that is done to its source, and with what.

    ``variables`` is the whole environment that the commands see: it follows from other inputs, and guards them.
    """
    return {
        "name": chunk.name,
        "arch": chunk.arch,
        "build-mode": chunk.build_mode,
        "prefix": chunk.prefix,
        "import": chunk.build_system == "import",
        "commands": dict(chunk.commands),
        "environment": dict(chunk.environment),
        "variables": chunk_environment(chunk, prefixes),
        "max-jobs": chunk.max_jobs,
        "keep-git": chunk.keep_git,
        "compiler-cache": chunk.compiler_cache,
        "split-rules": [[rule.artifact, rule.include] for rule in chunk.split_rules],
        "integration": [[item.artifact, item.prefix, item.commands] for item in chunk.integration],
        "devices": [
            {
                "filename": device.filename,
                "type": device.type,
                "mode": device.mode,
                "major": device.major,
                "minor": device.minor,
                "uid": device.uid,
                "gid": device.gid,
            }
            for device in chunk.devices
        ],
    }


def source_inputs(source: Source, pin: Pin) -> dict[str, Value]:
    """Return what a definition key takes from a source: its pin, and how it is laid out. Never where it comes from."""
    return {"kind": pin.kind, "pin": pin.digest_data, "into": source.into, **source_layout(source)}


def source_layout(source: Source) -> dict[str, Value]:
    """Return the options of a source that change the tree which one and the same pin gives."""
    if isinstance(source, ArchiveSource | PatchSource):
        return {"strip": source.strip}
    if isinstance(source, DebianSourcePackage):
        return {"patches": source.patches}
    return {}


def chunk_definition_inputs(
    chunk: Chunk,
    *,
    prefixes: Sequence[str],
    pins: Mapping[Source, Pin],
    depends: Sequence[tuple[str, DefinitionKey]],
    strata: Sequence[str],
) -> Inputs:
    """Return what the definition key of a chunk is made of.

    ``depends``: what it build-depends on in its stratum, in layer order. ``strata``: the :func:`stratum_group` of the
    strata below, in layer order. Each of these says all about what is below it in turn.
    """
    return {
        "format": FORMAT,
        "kind": "chunk",
        **recipe(chunk, prefixes),
        "sources": [source_inputs(source, pins[source]) for source in chunk.built_from],
        "depends": [[name, key] for name, key in depends],
        "strata": list(strata),
    }


def stratum_group(needs: Sequence[str], chunks: Sequence[DefinitionKey]) -> str:
    """Return the digest of a stratum as others are built on it: strata below it and its chunks, both in layer order."""
    return digest([list(needs), list(chunks)])


def chunk_build_inputs(
    chunk: Chunk,
    *,
    prefixes: Sequence[str],
    tree: str,
    staged: Sequence[StagedGroup],
    content: Mapping[str, ContentDigest],
    pins: Mapping[Source, Pin],
    host: str,
    workspaces: Sequence[str] = (),
) -> Inputs:
    """Return what the build key of a chunk is made of.

    ``tree``: digest of its source tree. ``content``: of every chunk in ``staged``, what its layer holds. ``pins`` count
    only where ``keep-git`` leaves the commit to be seen, ``host`` (a fingerprint) only where the host's tools build.
    ``workspaces``: ids of those that went into it, or into what it is built on. Where there are any, the key is in a domain of
    its own, in which no clean build looks.
    """
    with_git = ("git", "workspace") if chunk.keep_git else ()
    git = [source for source in chunk.built_from if source.kind in with_git]
    return {
        "format": FORMAT,
        "kind": "chunk build",
        **recipe(chunk, prefixes),
        "tree": tree,
        "staged": [layers_digest(content[name] for name in group.chunks) for group in staged],
        "commits": [pins[source].digest_data for source in git],
        "host": "" if chunk.build_mode == "staging" else host,
        **_domain(workspaces),
    }


def _domain(workspaces: Sequence[str]) -> dict[str, Value]:
    return {"workspaces": sorted(workspaces)} if workspaces else {}


def layers_digest(layers: Iterable[ContentDigest]) -> str:
    """Return the digest of a group of layers, lowest first."""
    return digest(list(layers))


def stratum_artifact_inputs(name: str, members: Sequence[tuple[str, str, DefinitionKey]]) -> Inputs:
    """Return what the key of a stratum artifact is made of; ``members``: (chunk, artifact, the chunk's key)."""
    return {
        "format": FORMAT,
        "kind": "stratum",
        "name": name,
        "members": [list(member) for member in members],
    }


def system_definition_inputs(graph: SystemGraph, keys: Mapping[str, DefinitionKey]) -> Inputs:
    """Return what the definition key of a system is made of; ``keys``: of all chunks that artifacts are selected of."""
    by_stratum = groupby(graph.system.selected, key=lambda item: item.stratum)
    return {
        "format": FORMAT,
        "kind": "system",
        **_composition(graph),
        "selected": [
            [stratum, [[item.chunk, item.artifact] for item in items]] for stratum, items in by_stratum
        ],
        "chunks": {item.chunk: keys[item.chunk] for item in graph.system.selected},
    }


def system_build_inputs(
    graph: SystemGraph,
    *,
    content: Mapping[tuple[str, str], ContentDigest],
    definition: DefinitionKey,
    workspaces: Sequence[str] = (),
) -> Inputs:
    """Return what the build key of a system is made of; ``content``: of each selected (chunk, artifact), its digest.

    The system's own ``definition`` key counts only in formats 0 to 8: there the image names the commits and the keys of all
    that is in it, so that early cut-off ends at the chunks. ``workspaces``: as in :func:`chunk_build_inputs`.
    """
    selected = graph.system.selected
    return {
        "format": FORMAT,
        "kind": "system build",
        **_composition(graph),
        "selected": [[item.artifact, content[item.chunk, item.artifact]] for item in selected],
        "integration": [[script.name, script.command] for script in integration_scripts(graph)],
        "definition": definition if is_classic(graph) else "",
        **_domain(workspaces),
    }


def is_classic(graph: SystemGraph) -> bool:
    """Whether the image's ``.meta`` files have morph's fields (formats 0 to 8): sources, commits and keys among them."""
    return graph.format < 9


def _composition(graph: SystemGraph) -> dict[str, Value]:
    """Return what both keys of a system take from its definition alone."""
    system = graph.system
    members = {
        (stratum.name, artifact.name): artifact.members
        for stratum in graph.strata.values()
        for artifact in stratum.artifacts
    }
    chunks = dict.fromkeys(item.chunk for item in system.selected if is_classic(graph))
    return {
        "name": system.name,
        "arch": system.arch,
        "strata": [
            [stratum, artifact, [name for _, name in members[stratum, artifact]]]
            for stratum, artifact in system.stratum_artifacts
        ],
        "overlaps": system.overlaps,
        "os-release": dict(system.os_release),
        "classic-os-release": system.classic_os_release,
        "sources": {
            name: [source_identity(source) for source in graph.chunks[name].built_from] for name in chunks
        },
        "meta": "morph" if is_classic(graph) else "content",
    }
