"""A chunk's sources in place: a build folder, or of an import the result itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from lithify.build.workshop import Bench, Workshop
from lithify.cache import remove_tree
from lithify.crash import crash_point
from lithify.definitions.model import Source
from lithify.events import StepStarted, timed
from lithify.graph.model import Chunk, Command
from lithify.graph.pins import Pin
from lithify.sources.compose import compose
from lithify.sources.spooling import Spool, spool_source
from lithify.staging.capture import Captured, capture_destdir
from lithify.staging.folders import plain_folder
from lithify.store.ingest import PLAIN_HEADER, PROGRAM_HEADER
from lithify.store.manifest import Manifest

IMPORT = "import"
"""The build system whose sources are the result."""


class LaidOut(Struct, frozen=True, kw_only=True):
    """A chunk's sources in place, and the digest of their tree."""

    build: Path
    """The build folder; of an import, the DESTDIR."""
    destdir: Path
    digest: str
    seconds: float = 0.0
    """How long it took to lay them out."""
    spool: Spool | None = None
    """The result itself, where its files were made as objects of the store: then DESTDIR is no tree."""
    kept: KeptSteps | None = None
    """The course of the steps in a build folder that is kept from build to build."""


class KeptSteps(Protocol):
    """The course of a build in a kept folder; see :mod:`lithify.build.kept_folder`."""

    said: str
    """How it begins, for the log."""

    def to_run(
        self, commands: Sequence[tuple[str, tuple[Command, ...]]]
    ) -> Iterator[tuple[str, tuple[Command, ...]]]:
        """Yield the steps that are left."""

    def ended(self) -> None:
        """Take in that a command that failed has ended by itself."""


def lay_out(
    workshop: Workshop,
    bench: Bench,
    chunk: Chunk,
    pins: Sequence[tuple[Source, Pin]],
    *,
    as_objects: bool = False,
) -> LaidOut:
    """Unpack a chunk's sources into a fresh build folder (of an import, into DESTDIR).

    ``as_objects``: nobody looks at the tree, so of an import the files alone may be made, where that is possible.
    """
    workshop.report(StepStarted(name=chunk.name, step="unpack"))
    destdir = plain_folder(bench.staging / "inst")
    build = destdir if chunk.build_system == IMPORT else plain_folder(bench.scratch / "build")
    began = time.monotonic()
    with timed(workshop.report, "unpack", chunk.name):
        spool = _spooled(workshop, bench, pins) if as_objects and chunk.build_system == IMPORT else None
        digest = spool.digest if spool else _composed(workshop, build, chunk, pins)
    crash_point("chunk.laid-out")
    seconds = time.monotonic() - began
    return LaidOut(build=build, destdir=destdir, digest=digest, seconds=seconds, spool=spool)


def _composed(workshop: Workshop, build: Path, chunk: Chunk, pins: Sequence[tuple[Source, Pin]]) -> str:
    sources = [source for source, _ in pins]
    return compose(sources, dict(pins), build, workshop.sources, keep_git=chunk.keep_git)


def _spooled(workshop: Workshop, bench: Bench, pins: Sequence[tuple[Source, Pin]]) -> Spool | None:
    """Return a chunk's sources as objects, where they can be made as such; else nothing is left of it."""
    folder = plain_folder(bench.staging / "spool")
    sources = [source for source, _ in pins]
    made = spool_source(sources, dict(pins), folder, workshop.sources, (PLAIN_HEADER, PROGRAM_HEADER))
    if made is None:
        remove_tree(folder)
    return made


def capture(laid_out: LaidOut) -> Captured:
    """Return what is in a DESTDIR, made ready for the store; raises what :func:`capture_destdir` raises."""
    if laid_out.spool is None:
        return capture_destdir(laid_out.destdir)
    kinds = [kind for kind, _, _ in laid_out.spool.rows]
    folders = kinds.count("d")
    return Captured(
        manifest=Manifest(), files=len(kinds) - folders, folders=folders, bytes=laid_out.spool.size
    )
