"""A system for a machine that nothing can be built on yet: what is built for it here, and the sources and scripts of the rest.

The chunks in bootstrap mode are built on this machine, as ever. What they installed and the sources of all other chunks are
merged into one tree, which is written as a tar file: the same bytes each time.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from lithify.build.metadata import BuiltChunk
from lithify.build.workshop import Workshop, bench
from lithify.cache import remove_tree, sync_path
from lithify.definitions.architectures import ARCHITECTURES, builds_for
from lithify.definitions.nearest import meant
from lithify.deploy.native_bootstrap import build_scripts, driver_script, native_chunks, source_name
from lithify.deploy.tar import write_tar
from lithify.errors import DeployError, LithifyError, UnsafeContent
from lithify.events import StepStarted, Warned
from lithify.graph.resolve import require_sound
from lithify.schedule.building import build
from lithify.schedule.request import Request
from lithify.schedule.session import Resolved, Session, chunk_is_cached, declared_in
from lithify.sources.compose import compose, known_tree_digest
from lithify.sources.pins import refuse_unpinned
from lithify.staging.architecture import host_architecture
from lithify.staging.capture import capture_destdir
from lithify.staging.folders import plain_folder
from lithify.store.folders import Frozen
from lithify.store.merge import Part, merge

_OWN = "sources and scripts"
"""How messages name what is beside the chunks in the tree."""


def check_architecture(arch: str) -> None:
    """Raise :class:`LithifyError` for what is no architecture of the definitions."""
    if arch not in ARCHITECTURES:
        near = meant(arch, ARCHITECTURES)
        raise LithifyError(
            f'Unsupported architecture "{arch}"',
            hints=near or [f"there are: {', '.join(sorted(ARCHITECTURES))}"],
        )


def check_target(target: Path) -> None:
    """Raise :class:`DeployError` where no file can be written."""
    if not os.access(target.parent, os.W_OK | os.X_OK) or not target.parent.is_dir():
        raise DeployError(
            f"there is no folder {target.parent} that may be written", hints=["name a file with --output"]
        )
    if target.exists() and not target.is_file():
        raise DeployError(f"{target} is no file, and is not replaced", hints=["name another with --output"])


def cross_request(session: Session, resolved: Resolved, arch: str) -> Request:
    """Return what is to be built here; raises :class:`LithifyError` where the system is not one to be bootstrapped so."""
    graph = resolved.graph
    system = graph.system
    require_sound(graph)
    if system.arch != arch:
        raise LithifyError(
            f"the architecture of {system.name} is {system.arch}, not {arch}",
            hints=[f"lithify cross-bootstrap {system.arch} {system.file}"],
        )
    crossed = tuple(name for name, chunk in graph.chunks.items() if chunk.build_mode == "bootstrap")
    if not crossed:
        raise LithifyError(
            f"{system.name}: nothing to cross-compile: it has no chunks in bootstrap mode",
            hints=["`build-mode: bootstrap` in a stratum makes a chunk one"],
        )
    if not native_chunks(graph):
        raise LithifyError("No non-bootstrap chunks found")
    _refuse_native_below(resolved, crossed)
    refuse_unpinned(declared_in(graph), resolved.pins)
    return Request(
        resolved=resolved,
        components=crossed,
        lines=(),
        stored=None,
        is_done=all(chunk_is_cached(session, resolved, name) for name in crossed),
    )


def _refuse_native_below(resolved: Resolved, crossed: Sequence[str]) -> None:
    """Raise for chunks that stage what has to be built on the other machine."""
    graph = resolved.graph
    if builds_for(host_architecture(), graph.system.arch):
        return
    for name in crossed:
        for group in resolved.keys.staged(name):
            for other in group.chunks:
                if graph.chunks[other].build_mode == "staging":
                    raise LithifyError(
                        f"{name} cannot be cross-built: it is built on {other}, which is not in bootstrap mode",
                        hints=[f"leave {other}, or its stratum, out of what {name} build-depends on"],
                    )


def cross_bootstrap(session: Session, request: Request, target: Path) -> None:
    """Build what is built here, and write the tarball at ``target``, whole or not at all.

    Enters the user namespace, so no thread may have been started before.
    """
    resolved = request.resolved
    result = build(session, request, keep_going=False)
    workshop = result.workshop
    workshop.report(StepStarted(name=resolved.graph.system.name, step="sources"))
    with bench(workshop, "cross-bootstrap") as own, workshop.store.shared_lock():
        # no ref leads to the tree: no garbage is collected until it is written
        folder = plain_folder(own.staging / "own")
        _lay_out(workshop, resolved, folder)
        wanted = {name: result.chunks[name] for name in request.components or ()}
        tree = _tree(workshop, wanted, folder)
        workshop.report(StepStarted(name=resolved.graph.system.name, step="tarball"))
        _write(workshop, tree, target)


def _lay_out(workshop: Workshop, resolved: Resolved, folder: Path) -> None:
    """Fill a folder with the sources of the chunks that are built elsewhere, each tree once, and with the scripts."""
    graph = resolved.graph
    top = plain_folder(folder / "src")
    names: dict[str, str] = {}
    digests: dict[str, str] = {}
    for chunk in native_chunks(graph):
        declared, pins = chunk.built_from, {source: resolved.pins[source] for source in chunk.built_from}
        name = source_name(chunk)
        digest = known_tree_digest(declared, pins, workshop.sources, keep_git=chunk.keep_git)
        if digest is None or digests.get(name) != digest:
            aside = plain_folder(top / f".{chunk.name}")
            digest = compose(declared, pins, aside, workshop.sources, keep_git=chunk.keep_git)
            if digests.get(name, digest) != digest:  # the same commit, but with other submodules
                name = f"{name}__{chunk.name}"
            if name in digests:
                remove_tree(aside)
            else:
                aside.rename(top / name)
        names[chunk.name], digests[name] = name, digest
    _write_script(folder / "native-bootstrap", driver_script(graph).encode())
    for chunk_name, script in build_scripts(graph, names).items():
        _write_script(top / f"build-{chunk_name}", script)


def _write_script(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


def _tree(workshop: Workshop, chunks: Mapping[str, BuiltChunk], folder: Path) -> Frozen:
    """Return the merge of what chunks installed, and of a folder, which is gone afterwards."""
    try:
        captured = capture_destdir(folder)
    except UnsafeContent as error:
        raise DeployError(f"sources: {error.message}") from error
    parts = [
        Part(name=name, tree=built.whole.tree, manifest=built.whole.manifest)
        for name, built in chunks.items()
    ]
    with workshop.store.transaction() as transaction:
        own = Part(name=_OWN, tree=transaction.take(folder, captured.manifest), manifest=captured.manifest)
        merged = merge(transaction.reading, [*parts, own])
        transaction.write(merged)
    for overlap in merged.overlaps:
        text = f"/{overlap.path}: {overlap.first} and {overlap.second} install different files there"
        workshop.report(Warned(text=f"{text}; the latter is used"))
    return merged


def _write(workshop: Workshop, tree: Frozen, target: Path) -> None:
    """Write a tree as a compressed tar file, beside its place first."""
    repository = workshop.store.reading
    aside = target.with_name(f".{target.name}.partial")
    try:
        with aside.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            write_tar(
                cast(IO[bytes], packed), repository.entries(tree.tree, tree.manifest), repository.file_path
            )
        if workshop.store.sync:
            sync_path(aside)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
