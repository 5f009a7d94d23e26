"""A chunk is built: sources laid out, dependencies staged as layers, commands run, DESTDIR captured and published.

Pure decisions stand in ``graph/``; here is the thin layer that carries them out. Manual: ``docs/internals/staging.md``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lithify.build.compiler_cache import (
    CompilerCache,
    Usage,
    cache_environment,
    open_compiler_cache,
    stages_ccache,
    usage_of,
)
from lithify.build.laying_out import IMPORT, LaidOut, capture
from lithify.build.metadata import (
    BothKeys,
    BuiltChunk,
    Content,
    DefinitionsState,
    Run,
    chunk_metadata,
    read_chunk,
    source_records,
)
from lithify.build.recording import run_of
from lithify.build.splitting import split_tree
from lithify.build.workshop import Bench, Workshop
from lithify.cache import is_full, no_space
from lithify.crash import crash_point
from lithify.definitions.model import Source
from lithify.errors import BuildFailed, Interrupted, UnsafeContent
from lithify.events import CompilerCacheUsed, StepStarted, Warned, timed
from lithify.graph.environment import BOOTSTRAP_ROOT, chunk_environment
from lithify.graph.model import Chunk, Command
from lithify.graph.pins import Pin
from lithify.staging.area import staging_area
from lithify.staging.capture import Captured
from lithify.staging.logs import LogWriter
from lithify.staging.sandbox import GRACE_SECONDS, Bind, Limits, Sandbox, run_command
from lithify.store.content import content_digest
from lithify.store.ingest import plain_ingest
from lithify.store.layer import Layer
from lithify.store.layers import ensure_layer
from lithify.store.manifest import Device, Manifest
from lithify.store.stack import resolve_stack

PARALLEL_STEPS = frozenset({"pre-build", "build", "post-build"})
"""Steps that run ``make -jN``; all others run with ``-j1``, as in morph."""


class ChunkOrder(Struct, frozen=True, kw_only=True):
    """All that a build of one chunk takes; made by the scheduler when everything staged is there."""

    chunk: Chunk
    format: int
    pins: Sequence[tuple[Source, Pin]]
    """(declared source, its pin), in order."""
    keys: BothKeys
    definitions: DefinitionsState
    staged: Sequence[BuiltChunk]
    """Everything staged, in layer order: later ones win."""
    prefixes: Sequence[str]
    """Prefixes of the dependencies, in order; their ``bin`` is on PATH."""
    log: Path


def build_chunk(workshop: Workshop, bench: Bench, order: ChunkOrder, laid_out: LaidOut) -> BuiltChunk:
    """Run a chunk's commands, publish what they installed, and return it.

    Raises :class:`BuildFailed` with the staging area kept, or :class:`UnsafeContent` where DESTDIR holds what cannot be
    kept; nothing is published then.
    """
    chunk = order.chunk
    started = int(time.time())
    seconds = {"unpack": laid_out.seconds}
    peak = None
    with LogWriter(order.log, limit=workshop.limits.log_bytes) as log:
        if chunk.commands and chunk.build_system != IMPORT:
            peak = _run_commands(workshop, bench, order, laid_out, log, seconds)
            crash_point("chunk.installed")
        began = time.monotonic()
        workshop.report(StepStarted(name=chunk.name, step="capture"))
        try:
            with timed(workshop.report, "capture", chunk.name):
                captured = capture(laid_out)
        except UnsafeContent as error:
            raise _failed(order, bench, log, "capture", "", error.message, error.hints) from error
        _refuse_nothing(workshop, order, bench, log, captured)
        seconds["capture"] = time.monotonic() - began
        crash_point("chunk.captured")
        run = run_of(
            workshop,
            seconds=seconds,
            peak_memory=peak,
            started_at=started,
            log=log.digest(),
            compiling=_compiling(workshop, bench, chunk),
        )
        with timed(workshop.report, "commit", chunk.name):
            return _publish(workshop, order, laid_out, captured, run)


def _compiling(workshop: Workshop, bench: Bench, chunk: Chunk) -> Usage | None:
    """Return what the chunk's compiler cache was good for, and report it; None where it had none."""
    usage = usage_of(bench.scratch)
    if usage is not None:
        workshop.report(CompilerCacheUsed(name=chunk.name, hits=usage.hits, misses=usage.misses))
    return usage


def _run_commands(
    workshop: Workshop,
    bench: Bench,
    order: ChunkOrder,
    laid_out: LaidOut,
    log: LogWriter,
    seconds: dict[str, float],
) -> int | None:
    """Run every command, note the time of each step, and return the most memory that one took, where it is known."""
    chunk = order.chunk
    peaks = [0]
    kept = laid_out.kept
    if kept is not None:
        log.write(f"### {kept.said} ###\n".encode(errors="surrogateescape"))
    with chunk_sandbox(workshop, bench, order, laid_out) as sandbox:
        for step, commands in chunk.commands if kept is None else kept.to_run(chunk.commands):
            began = time.monotonic()
            workshop.report(StepStarted(name=chunk.name, step=step))
            log.write(f"### {step.upper()}-COMMANDS ###\n".encode())
            environment = {**step_environment(workshop, order, step), **sandbox.environment}
            for command in commands:
                with timed(workshop.report, "run", chunk.name, step):
                    within = sandbox.with_environment(environment)
                    grace = GRACE_SECONDS if kept is not None else 0.0
                    ended = run_command(within, command, log=log, interrupt=workshop.interrupt, grace=grace)
                if ended.returncode != 0:
                    if kept is not None and ended.by_itself:
                        kept.ended()
                    _stop_if_asked(workshop)
                    raise _failed(order, bench, log, step, _text(command), ended.reason)
                peaks.append(ended.peak_memory or 0)
            seconds[step] = time.monotonic() - began
    return max(peaks) or None


@contextmanager
def chunk_sandbox(
    workshop: Workshop, bench: Bench, order: ChunkOrder, laid_out: LaidOut
) -> Iterator[Sandbox]:
    """Mount what a chunk stages and yield the sandbox of its commands; its environment replaces some of a step's variables."""
    chunk = order.chunk
    build, destdir = f"/{chunk.name}.build", f"/{chunk.name}.inst"
    with ExitStack() as staged:
        with timed(workshop.report, "stage", chunk.name):
            layers = [
                ensure_layer(
                    workshop.cache, workshop.store, built.whole.digest, built.whole.tree, built.whole.manifest
                )
                for built in order.staged
            ]
            stack = resolve_stack(
                workshop.cache,
                workshop.store,
                layers,
                names=[built.name for built in order.staged],
                facts=workshop.facts,
            )
            root = staged.enter_context(
                staging_area(
                    workshop.method,
                    [layer.path for layer in stack],
                    folder=bench.staging,
                    mount_points=[build, destdir],
                    upper=None,
                )
            )
        compiling = _compiler_cache(workshop, bench, order, layers)
        yield Sandbox(
            root=root,
            binds=(
                Bind(source=laid_out.build, target=build, writable=True),
                Bind(source=laid_out.destdir, target=destdir, writable=True),
                *compiling.binds,
            ),
            bootstrap=chunk.build_mode != "staging",
            cwd=build,
            environment=dict(compiling.environment),
            limits=_limits(workshop.limits, chunk),
        )


def _compiler_cache(
    workshop: Workshop, bench: Bench, order: ChunkOrder, layers: Sequence[Layer]
) -> CompilerCache:
    """Return what a sandbox has of the chunk's compiler cache: nothing where it has none."""
    chunk = order.chunk
    if chunk.build_mode != "staging" or not (chunk.compiler_cache or order.format < 9):
        return CompilerCache()
    staged = {layer.digest: workshop.store.layers.names(layer) for layer in layers}
    if not stages_ccache(staged):
        if chunk.compiler_cache:
            workshop.report(
                Warned(
                    text=f"{chunk.name}: `compiler-cache: yes`, but nothing that it stages has /usr/bin/ccache"
                )
            )
        return CompilerCache()
    path = chunk_environment(chunk, order.prefixes)["PATH"]
    return CompilerCache(
        binds=open_compiler_cache(workshop.cache, bench.scratch, chunk, staged) if workshop.ccache else (),
        environment=tuple(cache_environment(chunk, path, used=workshop.ccache).items()),
    )


def step_environment(workshop: Workshop, order: ChunkOrder, step: str) -> dict[str, str]:
    """Return the variables that the commands of a step see."""
    chunk = order.chunk
    place = "" if chunk.build_mode == "staging" else BOOTSTRAP_ROOT
    jobs = parallel_jobs(chunk, workshop.max_jobs) if step in PARALLEL_STEPS else 1
    return {
        **chunk_environment(chunk, order.prefixes),
        "DESTDIR": f"{place}/{chunk.name}.inst",
        "MAKEFLAGS": f"-j{jobs}",
    }


def parallel_jobs(chunk: Chunk, usual: int) -> int:
    """Return N of ``make -jN``: what the definition fixes, else no more than the chunk can use and than is usual."""
    return chunk.max_jobs or min(usual, chunk.resources.jobs or usual)


def _limits(limits: Limits, chunk: Chunk) -> Limits:
    return limits if chunk.timeout is None else limits.with_timeout(chunk.timeout)


def _stop_if_asked(workshop: Workshop) -> None:
    if workshop.interrupt.is_set():
        raise Interrupted


def _refuse_nothing(
    workshop: Workshop, order: ChunkOrder, bench: Bench, log: LogWriter, captured: Captured
) -> None:
    if captured.files or captured.folders or captured.manifest.devices or order.chunk.devices:
        return
    if order.format >= 9:
        raise _failed(
            order,
            bench,
            log,
            "capture",
            "",
            "it installed nothing into $DESTDIR",
            ['install-commands put files below $DESTDIR, as `make DESTDIR="$DESTDIR" install` does'],
        )
    workshop.report(Warned(text=f"{order.chunk.name}: it installed nothing into $DESTDIR"))


def _publish(
    workshop: Workshop,
    order: ChunkOrder,
    laid_out: LaidOut,
    captured: Captured,
    run: Run,
) -> BuiltChunk:
    chunk = order.chunk
    manifest = _with_devices(captured.manifest, chunk)
    began = time.monotonic()
    with workshop.store.transaction() as transaction:
        if laid_out.spool is None:
            tree = transaction.take(laid_out.destdir, manifest)
        else:
            folder = laid_out.spool.folder
            read = plain_ingest(laid_out.spool.rows, str(folder))
            tree = transaction.take_read(read, folder, manifest)
        whole = Content(tree=tree, manifest=manifest, digest=content_digest(tree, manifest))
        artifacts = split_tree(transaction, whole, chunk.split_rules)
        metadata = chunk_metadata(
            chunk=chunk,
            keys=order.keys,
            definitions=order.definitions,
            tree_digest=laid_out.digest,
            sources=source_records(order.pins),
            staged=order.staged,
            environment=chunk_environment(chunk, order.prefixes),
            whole=whole,
            artifacts=artifacts,
            files=captured.files,
            size=captured.bytes,
            run=replace(run, seconds={**run.seconds, "publish": time.monotonic() - began}),
        )
        root = transaction.chunk_root(tree, {name: content.tree for name, content in artifacts.items()})
        commit = transaction.commit(root, metadata, refs=order.keys.refs("chunk", chunk.name, chunk.arch))
    return read_chunk(workshop.store.reading, commit)


def _with_devices(manifest: Manifest, chunk: Chunk) -> Manifest:
    declared = tuple(
        Device(
            path=node.filename,
            type=node.type,
            mode=node.mode,
            uid=node.uid,
            gid=node.gid,
            major=node.major,
            minor=node.minor,
        )
        for node in chunk.devices
    )
    return manifest.with_devices(declared) if declared else manifest


def _failed(
    order: ChunkOrder,
    bench: Bench,
    log: LogWriter,
    step: str,
    command: str,
    reason: str,
    hints: Sequence[str] = (),
) -> BuildFailed:
    log.write(f"### FAILED: {step} ({reason}) ###\n".encode())
    full = [place for place in (bench.staging, bench.scratch) if is_full(place)]
    if full:
        hints = [*hints, *(f"{no_space(place).message}; {no_space(place).hints[0]}" for place in full)]
    else:
        bench.keep(step, order.log)
        hints = [*hints, f"lithify shell {order.chunk.name} --failed"]
    return BuildFailed(
        component=order.chunk.name,
        step=step,
        command=command,
        reason=reason,
        log=str(order.log),
        log_tail=log.tail(20),
        staging_area="" if full else str(bench.staging),
        hints=hints,
    )


def _text(command: Command) -> str:
    return command.decode(errors="backslashreplace") if isinstance(command, bytes) else command
