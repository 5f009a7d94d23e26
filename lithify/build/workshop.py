"""What builds are made with: the cache, the store, the staging method, and the limits that hold for all of them."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lithify.cache import CacheFolder, hold_lock, remove_tree
from lithify.events import Report
from lithify.facts import Facts
from lithify.sources.kinds import SourceContext
from lithify.staging.methods import Method
from lithify.staging.sandbox import Limits
from lithify.store.writing import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
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
    host_fingerprint: str = ""
    """What bootstrap-mode chunks see of the host; empty where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The two folders of one build: both are ours alone and known to be in use by a held lock."""

    staging: Path
    """In the cache's ``staging/``: DESTDIR, upper layer and mount point, on the store's file system."""
    scratch: Path
    """In ``tempdir``: the build folder and the sources."""

    def keep(self) -> Path:
        """Mark the bench as that of a failed build, so that it stays for a shell; return its folder."""
        (self.staging / "failed").touch()
        return self.staging


@contextmanager
def bench(workshop: Workshop, name: str) -> Iterator[Bench]:
    """Give a build its two folders, and remove them at the end unless they were kept."""
    label = f"{name.replace('/', '_')[:80]}-{os.getpid()}-{secrets.token_hex(4)}"
    staging = workshop.cache.staging / label
    scratch = workshop.tempdir / label
    with hold_lock(workshop.cache.locks / f"bench-{label}"):
        staging.mkdir(mode=0o700)
        scratch.mkdir(mode=0o700, parents=True)
        (staging / "scratch").symlink_to(scratch)
        try:
            yield Bench(staging=staging, scratch=scratch)
        finally:
            if not (staging / "failed").exists():
                remove_tree(scratch)
                remove_tree(staging)
            (workshop.cache.locks / f"bench-{label}").unlink(missing_ok=True)


def plain_folder(path: Path) -> Path:
    """Make an empty folder as a DESTDIR or build folder starts: 0755, no setgid bit or ACL that its parent passes on."""
    path.mkdir()
    for name in ("system.posix_acl_default", "system.posix_acl_access"):
        try:
            os.removexattr(path, name)
        except OSError:
            pass  # none was there, or the file system has none
    os.chown(path, 0, 0)
    os.chmod(path, 0o755)
    return path
