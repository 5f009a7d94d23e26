"""What builds are made with: the cache, the store, the staging method, and the limits that hold for all of them."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from lithify.build.benches import (
    FAILED,
    FAILED_LOG,
    SCRATCH,
    clear_away,
    kept_of,
    lock_of,
    name_of,
    own_name,
    sweep,
)
from lithify.cache import CacheFolder, hold_lock
from lithify.crash import crash_point
from lithify.events import Report
from lithify.facts import Facts
from lithify.sources.kinds import SourceContext
from lithify.staging.methods import Method
from lithify.staging.sandbox import Limits
from lithify.store.writing import Store


class Workshop(Struct, frozen=True, kw_only=True):
    """The things that every build of one run shares; all of them may be used from several threads."""

    cache: CacheFolder
    facts: Facts
    store: Store
    method: Method
    sources: SourceContext
    tempdir: Path
    """Build folders and scratch; need not be on the cache's file system."""
    limits: Limits
    """Limits of a step that sets none itself."""
    max_jobs: int
    """``make -jN`` of a chunk that says nothing of it."""
    report: Report
    interrupt: threading.Event
    """Set when the user asks to stop."""
    weaknesses: tuple[str, ...] = ()
    """What of the sandbox is weaker on this machine than it should be."""
    ccache: bool = True
    """Whether compiler caches are used: not with the setting ``no-ccache``."""
    builder: str = ""
    """The setting ``builder-id``."""
    host_fingerprint: str = ""
    """What bootstrap-mode chunks see of the host; empty where there are none."""


class Bench(Struct, frozen=True, kw_only=True):
    """The two folders of one build: both are ours alone and known to be in use by a held lock."""

    staging: Path
    """In the cache's ``staging/``: DESTDIR, upper layer and mount point, on the store's file system."""
    scratch: Path
    """In ``tempdir``: the build folder and the sources."""

    def keep(self, step: str = "", log: Path | None = None) -> Path:
        """Mark the bench as that of a build that failed at ``step``, so that it stays for a shell; return its folder.

        ``log`` is found from it: the chunk may be another one by the time that somebody wants to read it.
        """
        if log is not None:
            (self.staging / FAILED_LOG).symlink_to(log)
        (self.staging / FAILED).write_text(step)
        return self.staging

    def failed_step(self) -> str:
        """Return the step at which the build failed; empty where it was none."""
        return (self.staging / FAILED).read_text()


@contextmanager
def bench(workshop: Workshop, name: str) -> Iterator[Bench]:
    """Give a build its two folders, and remove them at the end unless they were kept.

    What an earlier failed build of the same name left for a shell is removed first: the new one takes its place.
    """
    with bench_in(workshop.cache, workshop.tempdir, name) as own:
        yield own


@contextmanager
def bench_in(cache: CacheFolder, tempdir: Path, name: str) -> Iterator[Bench]:
    """Give two folders, as :func:`bench` does, to whoever has no workshop."""
    own = own_name(name)
    sweep(cache, lambda label, failed: failed and name_of(label) == own)
    label = f"{own}-{os.getpid()}-{secrets.token_hex(4)}"
    staging = cache.staging / label
    scratch = tempdir / label
    with hold_lock(lock_of(cache, label)):
        staging.mkdir(mode=0o700)
        crash_point("bench.staging")
        # before what it leads to is made, so that a kill leaves no folder that nothing leads to
        (staging / SCRATCH).symlink_to(scratch)
        crash_point("bench.scratch")
        scratch.mkdir(mode=0o700, parents=True)
        crash_point("bench.made")
        try:
            yield Bench(staging=staging, scratch=scratch)
        finally:
            if not (staging / FAILED).exists():
                clear_away(staging)
        lock_of(cache, label).unlink(missing_ok=True)


@contextmanager
def failed_bench(cache: CacheFolder, name: str) -> Iterator[Bench | None]:
    """Give what the last failed build of a name left, or None; no new build takes it away during the block."""
    newest = kept_of(cache, name)
    if newest is None:
        yield None
        return
    with hold_lock(lock_of(cache, newest.name)):
        yield Bench(staging=newest, scratch=Path(os.readlink(newest / SCRATCH)))
