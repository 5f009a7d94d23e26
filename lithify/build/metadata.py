"""What a commit says of itself: names, keys and their inputs, sources, timings, sizes, and the manifest.

Pure: values in, the mapping out that :mod:`lithify.store` keeps as canonical JSON in the commit's metadata, and back.
Manual: ``docs/internals/store-and-merge.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from lithify.definitions.model import Source
from lithify.graph.canonical import digest
from lithify.graph.model import BuildKey, Chunk, ContentDigest, DefinitionKey, SystemGraph
from lithify.graph.pins import Pin, source_identity
from lithify.store.gvariant import Tree
from lithify.store.manifest import Manifest
from lithify.store.reading import Commit, Repository

METADATA_VERSION = 1
CHECK_PREFIX = "check/"
"""How the refs begin of what is built again to be compared."""


def definition_ref(key: DefinitionKey) -> str:
    """Return the ref that finds a finished build by definition key."""
    return f"d/{key}"


def build_ref(key: BuildKey) -> str:
    """Return the ref that finds a finished build by build key."""
    return f"b/{key}"


def last_ref(kind: str, name: str, arch: str, workspaces: Sequence[str] = ()) -> str:
    """Return the ref of the last build of a name; hashed, since a name may hold what a ref may not (``gtk+``).

    ``workspaces``: ids of those that went into it. Such builds have refs of their own, so that clean ones are compared with
    clean ones.
    """
    if workspaces:
        return f"workspace-last/{digest([kind, name, arch, *sorted(workspaces)])}"
    return f"last/{digest([kind, name, arch])}"


class Content(Struct, frozen=True, kw_only=True):
    """A tree in the store, what OSTree cannot hold of it, and the digest over both."""

    tree: Tree
    manifest: Manifest
    digest: ContentDigest


class BothKeys(Struct, frozen=True, kw_only=True):
    """The two keys of a build, and what they are made of."""

    definition: DefinitionKey
    definition_inputs: Mapping[str, Any]
    """Expanded: with the names behind each group digest, for ``why``."""
    build: BuildKey
    build_inputs: Mapping[str, Any]
    workspaces: Sequence[str] = ()
    """Ids of the workspaces that went into the build, sorted."""

    def record(self) -> dict[str, Any]:
        """Return what a commit keeps of them."""
        return {
            "definition-key": self.definition,
            "definition-inputs": self.definition_inputs,
            "build-key": self.build,
            "build-inputs": self.build_inputs,
            **({"workspaces": list(self.workspaces)} if self.workspaces else {}),
        }

    def refs(self, kind: str, name: str, arch: str) -> list[str]:
        """Return the refs that name the finished build, the one that answers "is it built?" last."""
        return [
            last_ref(kind, name, arch, self.workspaces),
            build_ref(self.build),
            definition_ref(self.definition),
        ]


class DefinitionsState(Struct, frozen=True, kw_only=True):
    """Which state of a definitions tree something was built from; all empty where it is in no git work tree."""

    repository: str = ""
    """Where it was cloned from, without a password."""
    commit: str = ""
    """What the work tree stands at."""
    changed: Sequence[str] = ()
    """Files that were read and are not as in that commit, sorted."""

    def record(self) -> dict[str, Any]:
        """Return what a commit keeps of it."""
        return {
            "definitions-repository": self.repository,
            "definitions-commit": self.commit,
            "definitions-changed": list(self.changed),
        }


class BuiltChunk(Struct, frozen=True, kw_only=True):
    """A chunk that is in the store."""

    name: str
    commit: str
    whole: Content
    """``all/``: the layer that staging uses."""
    artifacts: Mapping[str, Content]


class BuiltSystem(Struct, frozen=True, kw_only=True):
    """A system that is in the store."""

    name: str
    commit: str
    content: Content


class Run(Struct, frozen=True, kw_only=True):
    """What was measured while something was built."""

    seconds: Mapping[str, float]
    """Wall time of each step."""
    peak_memory: int | None
    """Bytes, where it could be measured."""
    sandbox: str
    """The staging method."""
    limits: str
    """By what memory and processes were limited."""
    weaknesses: Sequence[str]
    """What of the sandbox was weaker than it should be, a sentence each."""
    lithify_version: str
    started_at: int
    """Seconds since 1970, as ``built_at``."""
    built_at: int
    builder: str
    """The URI by which whoever vouches for this machine's builds is known; empty where nobody does."""
    log: str
    """SHA-256 of the build's log; empty where nothing was run."""
    compiler_cache: tuple[int, int] | None = None
    """Compilations found in the chunk's compiler cache, and not found; None where none was used."""


def chunk_metadata(
    *,
    chunk: Chunk,
    keys: BothKeys,
    definitions: DefinitionsState,
    tree_digest: str,
    sources: Sequence[Mapping[str, Any]],
    staged: Sequence[BuiltChunk],
    environment: Mapping[str, str],
    whole: Content,
    artifacts: Mapping[str, Content],
    files: int,
    size: int,
    run: Run,
) -> dict[str, Any]:
    """Return the metadata of a chunk's commit."""
    return {
        "version": METADATA_VERSION,
        "kind": "chunk",
        "name": chunk.name,
        "arch": chunk.arch,
        "build-mode": chunk.build_mode,
        "uses-host": chunk.build_mode != "staging",
        **keys.record(),
        **definitions.record(),
        "source-tree": tree_digest,
        "sources": list(sources),
        "staged": [[built.name, built.commit, built.whole.digest] for built in staged],
        "environment": dict(environment),
        "content": whole.digest,
        "manifest": whole.manifest.to_json(),
        "artifacts": {
            name: {"content": content.digest, "manifest": content.manifest.to_json()}
            for name, content in artifacts.items()
        },
        "files": files,
        "size": size,
        **run_metadata(run),
    }


def run_metadata(run: Run) -> dict[str, Any]:
    """Return what a commit says of its making; times in whole milliseconds, since keys hold no floats."""
    return {
        "timings": {step: round(seconds * 1000) for step, seconds in run.seconds.items()},
        "peak-memory": run.peak_memory,
        "sandbox": run.sandbox,
        "sandbox-limits": run.limits,
        "sandbox-weaknesses": list(run.weaknesses),
        "lithify": run.lithify_version,
        "started-at": run.started_at,
        "built-at": run.built_at,
        "builder": run.builder,
        "log": run.log,
        **({"compiler-cache": _hits(*run.compiler_cache)} if run.compiler_cache is not None else {}),
    }


def _hits(hits: int, misses: int) -> dict[str, int]:
    return {"hits": hits, "misses": misses}


def adopted_metadata(
    earlier: Mapping[str, Any],
    earlier_commit: str,
    *,
    keys: BothKeys,
    own: Mapping[str, Any],
    adopted_at: int,
) -> dict[str, Any]:
    """Return the metadata of a new commit on the tree of an earlier one whose build key was the same.

    What is this source's own is its own: keys, inputs, and what ``own`` holds. What tells of the making stays the
    earlier build's, and ``content-from`` says whose it is.
    """
    return {
        **earlier,
        **keys.record(),
        **own,
        "content-from": earlier.get("content-from", earlier_commit),
        "adopted-at": adopted_at,
    }


def licensing_facts(graph: SystemGraph) -> dict[str, dict[str, str]]:
    """Return the facts outside the keys (licence, purl, …) of each chunk in the system, by chunk name."""
    in_system = {selected.chunk for selected in graph.system.selected}
    facts: dict[str, dict[str, str]] = {}
    for name in sorted(in_system):
        licensing = graph.chunks[name].licensing
        given = {
            "licence": licensing.licence,
            "purl": licensing.purl,
            "cpe": licensing.cpe,
            "homepage": licensing.homepage,
            "description": licensing.description,
        }
        facts[name] = {field: value for field, value in given.items() if value}
    return facts


def read_chunk(repository: Repository, commit: str) -> BuiltChunk:
    """Return the chunk that ``commit`` holds; needs no namespace and changes nothing."""
    stored = repository.commit(commit)
    metadata = stored.metadata
    artifacts_tree = repository.subtree(stored.tree, "artifacts")
    trees = {name: Tree(tree, meta) for name, tree, meta in repository.dirtree(artifacts_tree.dirtree).dirs}
    return BuiltChunk(
        name=metadata["name"],
        commit=commit,
        whole=Content(
            tree=repository.subtree(stored.tree, "all"),
            manifest=Manifest.from_json(metadata["manifest"]),
            digest=ContentDigest(metadata["content"]),
        ),
        artifacts={
            name: Content(
                tree=trees[name],
                manifest=Manifest.from_json(entry["manifest"]),
                digest=ContentDigest(entry["content"]),
            )
            for name, entry in metadata["artifacts"].items()
        },
    )


def read_system(commit: str, stored: Commit) -> BuiltSystem:
    """Return the system that ``commit`` holds."""
    metadata = stored.metadata
    return BuiltSystem(
        name=metadata["name"],
        commit=commit,
        content=Content(
            tree=stored.tree,
            manifest=Manifest.from_json(metadata["manifest"]),
            digest=ContentDigest(metadata["content"]),
        ),
    )


def source_records(pins: Sequence[tuple[Source, Pin]]) -> list[dict[str, Any]]:
    """Return what a commit says of its sources: as declared, and what each is pinned to."""
    return [
        {
            "source": source_identity(source),
            "into": source.into,
            "kind": pin.kind,
            "pin": pin.digest_data,
            "fetch": pin.fetch,
        }
        for source, pin in pins
    ]
