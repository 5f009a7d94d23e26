"""A system is composed: the merge of its artifacts' metadata, lithify's own files, and what integration commands wrote.

No file content is read. Integration runs on an overlay over kept layers, and only what it changed is taken in. Manual:
``docs/internals/store-and-merge.md``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

from msgspec import Struct

from lithify.build.baserock import (
    INTEGRATION_FOLDER,
    ClassicIdentity,
    WrittenFile,
    meta_files,
    os_release,
    script_files,
)
from lithify.build.metadata import (
    METADATA_VERSION,
    BothKeys,
    BuiltChunk,
    BuiltSystem,
    Content,
    DefinitionsState,
    Run,
    licensing_facts,
    read_system,
    run_metadata,
)
from lithify.build.recording import run_of
from lithify.build.workshop import Bench, Workshop
from lithify.cache import host_error_of
from lithify.crash import crash_point
from lithify.errors import BuildFailed, Interrupted, MergeConflict
from lithify.events import StepStarted, Warned, timed
from lithify.facts import Facts
from lithify.graph.environment import INTEGRATION_ENVIRONMENT
from lithify.graph.model import SelectedArtifact, SystemGraph
from lithify.staging.area import staging_area
from lithify.staging.capture import UpperChanges, capture_upper
from lithify.staging.folders import plain_folder
from lithify.staging.logs import LogWriter, log_digest
from lithify.staging.sandbox import Sandbox, run_script
from lithify.store.checkout import check_out
from lithify.store.content import content_digest
from lithify.store.folders import Frozen
from lithify.store.gvariant import Dirmeta
from lithify.store.layer import Layer
from lithify.store.layers import ensure_layer
from lithify.store.manifest import Manifest
from lithify.store.merge import Merged, Overlap, Part, merge
from lithify.store.overlay import overlay
from lithify.store.stack import resolve_stack
from lithify.store.survey import Survey
from lithify.store.transaction import Transaction

UPPER = "upper"
"""The folder of a bench that takes what integration commands write."""
OWN = "own"
"""The folder of a bench that has lithify's own files of a system."""
_PATHS = "paths"
"""The kind of fact: content digest → the paths in it."""
_WRITTEN = "written"
"""The kind of fact: identity of a file that lithify writes → its checksum."""
LITHIFY_PART = "lithify"
"""How overlaps name the files that lithify itself writes."""


class SystemOrder(Struct, frozen=True, kw_only=True):
    """All that composing one system takes."""

    graph: SystemGraph
    keys: BothKeys
    chunks: Mapping[str, BuiltChunk]
    """Every chunk that has a selected artifact."""
    classic: Mapping[tuple[str, str], ClassicIdentity] | None
    """(kind, name) → what morph's ``.meta`` files say; None in format 9."""
    definitions: DefinitionsState
    log: Path


def compose_system(workshop: Workshop, bench: Bench, order: SystemOrder) -> BuiltSystem:
    """Merge the selected artifacts, run the integration commands, publish the system and return it.

    Raises :class:`MergeConflict` where two artifacts cannot stand in one tree or an overlap is refused, and
    :class:`BuildFailed` where an integration command fails.
    """
    graph = order.graph
    seconds: dict[str, float] = {}
    log = ""
    started = int(time.time())
    began = time.monotonic()
    workshop.report(StepStarted(name=graph.system.name, step="merge"))
    written = _written_files(workshop, order)
    scripts = sorted(path for path in written if path.startswith(f"{INTEGRATION_FOLDER}/"))
    changes = None
    if scripts:
        # no ref leads to lithify's own files yet: no garbage is collected until layers hold them
        with workshop.store.shared_lock():
            with workshop.store.transaction() as transaction:
                own = own_content(workshop.facts, transaction, written)
                merged = _merged(workshop, transaction, order, own)
                root = transaction.reading.dirmeta(merged.tree.dirmeta)
            _judge_overlaps(workshop, graph, merged.overlaps)
            stack = _stack(workshop, bench, order, own, written)
        seconds["merge"] = time.monotonic() - began
        began = time.monotonic()
        crash_point("system.merged")
        with timed(workshop.report, "integrate"):
            changes = _integrate(workshop, bench, order, stack, root, scripts)
        seconds["integrate"] = time.monotonic() - began
        log = log_digest(order.log)
        crash_point("system.integrated")
    with timed(workshop.report, "commit"), workshop.store.transaction() as transaction:
        own = own_content(workshop.facts, transaction, written)
        if changes is None:
            merged = _merged(workshop, transaction, order, own)
            _judge_overlaps(workshop, graph, merged.overlaps)
            seconds["merge"] = time.monotonic() - began
            composed: Frozen = merged
        else:
            # written once more: what an earlier transaction wrote has no ref yet, and garbage collection may have taken it
            transaction.write(merged)
            taken = transaction.take(bench.staging / UPPER, changes.manifest)
            composed = overlay(transaction.reading, merged.tree, merged.manifest, changes, taken)
        tree = transaction.write(composed)
        content = Content(
            tree=tree, manifest=composed.manifest, digest=content_digest(tree, composed.manifest)
        )
        run = run_of(workshop, seconds=seconds, peak_memory=None, started_at=started, log=log)
        commit = transaction.commit(
            content.tree,
            system_metadata(order, content, run),
            refs=order.keys.refs("system", graph.system.name, graph.system.arch),
        )
    return read_system(commit, workshop.store.reading.commit(commit))


def system_metadata(order: SystemOrder, content: Content, run: Run) -> dict[str, Any]:
    """Return the metadata of a system's commit."""
    graph = order.graph
    return {
        "version": METADATA_VERSION,
        "kind": "system",
        "name": graph.system.name,
        "arch": graph.system.arch,
        "format": graph.format,
        **order.keys.record(),
        **order.definitions.record(),
        "content": content.digest,
        "manifest": content.manifest.to_json(),
        "artifacts": [
            {
                "artifact": selected.artifact,
                "chunk": selected.chunk,
                "stratum": selected.stratum,
                "stratum-artifact": selected.stratum_artifact,
                "content": order.chunks[selected.chunk].artifacts[selected.artifact].digest,
                "commit": order.chunks[selected.chunk].commit,
            }
            for selected in graph.system.selected
        ],
        "facts": licensing_facts(graph),
        **run_metadata(run),
    }


def _written_files(workshop: Workshop, order: SystemOrder) -> dict[str, WrittenFile]:
    graph = order.graph
    repository = workshop.store.reading

    def content_of(selected: SelectedArtifact) -> Content:
        return order.chunks[selected.chunk].artifacts[selected.artifact]

    def paths_of(selected: SelectedArtifact) -> list[str]:
        """Return an artifact's paths, sorted: a fact of its content, which else takes half of a system's time to list."""
        content = content_of(selected)
        known = workshop.facts.get(_PATHS, content.digest)
        if known is not None:
            return [str(path) for path in json.loads(known)]
        paths = sorted(repository.paths(content.tree, content.manifest))
        workshop.facts.put(_PATHS, content.digest, json.dumps(paths))
        return paths

    classic = order.classic
    files = meta_files(
        graph,
        digest_of=lambda selected: content_of(selected).digest,
        paths_of=paths_of,
        classic=None if classic is None else lambda kind, name: classic[(kind, name)],
    )
    provided = any(
        repository.has_path(content_of(selected).tree, "etc/os-release") for selected in graph.system.selected
    )
    return {**files, **os_release(graph, provided=provided), **script_files(graph)}


def own_content(facts: Facts, transaction: Transaction, written: Mapping[str, WrittenFile]) -> Content:
    """Return the tree of lithify's own files, written; one that the store has under its identity is not rendered again."""
    rendered = facts.get_several(_WRITTEN, [file.identity for file in written.values() if file.identity])
    checksums = {}
    for path, file in written.items():
        known = rendered.get(file.identity)
        if known is None or not transaction.published.has(known, "file"):
            known = transaction.write_file(file.render(), mode=file.mode)
            if file.identity:
                facts.put(_WRITTEN, file.identity, known)
        checksums[path] = known
    tree = transaction.write_tree(checksums)
    manifest = Manifest()
    return Content(tree=tree, manifest=manifest, digest=content_digest(tree, manifest))


def _merged(workshop: Workshop, transaction: Transaction, order: SystemOrder, own: Content) -> Merged:
    """Return the merge of the selected artifacts and lithify's own files, written."""
    parts = [
        Part(name=selected.artifact, tree=content.tree, manifest=content.manifest)
        for selected in order.graph.system.selected
        for content in (order.chunks[selected.chunk].artifacts[selected.artifact],)
    ]
    with timed(workshop.report, "merge"):
        merged = merge(
            transaction.reading, [*parts, Part(name=LITHIFY_PART, tree=own.tree, manifest=own.manifest)]
        )
        transaction.write(merged)
    return merged


def _judge_overlaps(workshop: Workshop, graph: SystemGraph, overlaps: Sequence[Overlap]) -> None:
    refused = []
    for overlap in overlaps:
        if overlap.second == LITHIFY_PART:
            continue
        text = f"/{overlap.path}: {overlap.first} and {overlap.second} install different files there"
        match overlap_policy(graph, overlap.path):
            case "refuse":
                refused.append(text)
            case "warn":
                workshop.report(Warned(text=f"{text}; the latter is used"))
            case _:
                pass
    if refused:
        raise MergeConflict(
            f"{graph.system.name}: {len(refused)} overlaps are refused: {'; '.join(refused[:20])}",
            hints=[
                "`overlaps:` in the system says what overlaps mean; split rules or `post-install-commands` avoid them"
            ],
        )


def overlap_policy(graph: SystemGraph, path: str) -> str:
    """Return what an overlap at ``path`` means in a system: ``warn``, ``refuse`` or ``allow``."""
    for pattern, policy in graph.system.overlaps:
        if pattern in ("*", "**") or fnmatchcase(path, pattern.lstrip("/")):
            return policy
    return "warn"


def _stack(
    workshop: Workshop, bench: Bench, order: SystemOrder, own: Content, written: Collection[str]
) -> Sequence[Layer]:
    """Return the layers that are the merged system when they are mounted, lowest first."""
    contents = system_contents(order.graph, order.chunks)
    layers = [_layer(workshop, content) for _, content in contents]
    layers.append(_own_layer(workshop, bench, own, written))
    names = [*(label for label, _ in contents), LITHIFY_PART]
    return resolve_stack(workshop.cache, workshop.store, layers, names=names)


def _own_layer(workshop: Workshop, bench: Bench, own: Content, written: Collection[str]) -> Layer:
    """Return lithify's own files, ``written`` by their paths, as a layer that goes with the bench.

    No other system has the same ones, and most are in the next version of this one: a kept checkout would have their objects,
    which could then be copied there and not linked.
    """
    store = workshop.store
    folder = bench.staging / OWN
    try:
        check_out(store.reading, own.tree, own.manifest, folder, link="alone", devices=False)
    except OSError as error:
        raise host_error_of(error, folder) from error
    layer = Layer(
        digest=own.digest,
        tree=own.tree,
        manifest=own.manifest,
        path=folder,
    )
    names = Survey(fingerprint="", dirs=frozenset(folders_of(written)), symlinks={}, files=frozenset(written))
    store.layers.forget(own.digest)  # that of an earlier bench
    store.layers.add(layer, names)
    return layer


def folders_of(paths: Iterable[str]) -> set[str]:
    """Return the folders that ``paths`` lie in, up to the root, which is none of them."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _integrate(
    workshop: Workshop,
    bench: Bench,
    order: SystemOrder,
    stack: Sequence[Layer],
    root_meta: Dirmeta,
    scripts: Sequence[str],
) -> UpperChanges:
    """Run the integration scripts over the system's layers; what they wrote is left in the bench's upper folder."""
    name = order.graph.system.name
    workshop.report(StepStarted(name=name, step="integrate"))
    upper = plain_folder(bench.staging / UPPER)
    _like_root(upper, root_meta)
    with (
        LogWriter(order.log, limit=workshop.limits.log_bytes) as log,
        staging_area(
            workshop.method,
            [layer.path for layer in stack],
            folder=bench.staging,
            mount_points=[],
            upper=upper,
        ) as root,
    ):
        sandbox = Sandbox(
            root=root,
            root_writable=True,
            cwd="/",
            environment=INTEGRATION_ENVIRONMENT,
            limits=workshop.limits,
        )
        for script in scripts:
            log.write(f"### {script} ###\n".encode())
            ended = run_script(sandbox, f"/{script}", log=log, interrupt=workshop.interrupt)
            if ended.returncode != 0:
                if workshop.interrupt.is_set():
                    raise Interrupted
                bench.keep()
                raise BuildFailed(
                    component=name,
                    step="system-integration",
                    command=script,
                    reason=ended.reason,
                    log=str(order.log),
                    log_tail=log.tail(20),
                    staging_area=str(bench.staging),
                )
    return capture_upper(upper)


def _like_root(upper: Path, meta: Dirmeta) -> None:
    """Give the upper layer the root's own owner and mode: the kernel shows those of the topmost layer."""
    os.chown(upper, meta.uid, meta.gid)
    os.chmod(upper, meta.mode & 0o7777)


def system_contents(graph: SystemGraph, chunks: Mapping[str, BuiltChunk]) -> list[tuple[str, Content]]:
    """Return the named contents whose layers, stacked, are the merged system; of chunks that are not given, nothing.

    They are a chunk's whole content where all of it is selected in one run, else those of its artifacts: also where names of
    one file are in several artifacts, between which a link does not hold.
    """
    contents: list[tuple[str, Content]] = []
    for name, run in groupby(graph.system.selected, key=lambda selected: selected.chunk):
        chunk = chunks.get(name)
        if chunk is None:
            continue
        artifacts = [item.artifact for item in run]
        links = {group for content in chunk.artifacts.values() for group in content.manifest.links}
        if set(artifacts) == set(chunk.artifacts) and links == set(chunk.whole.manifest.links):
            contents.append((chunk.name, chunk.whole))
        else:
            contents.extend((artifact, chunk.artifacts[artifact]) for artifact in artifacts)
    return contents


def _layer(workshop: Workshop, content: Content) -> Layer:
    return ensure_layer(workshop.cache, workshop.store, content.digest, content.tree, content.manifest)
