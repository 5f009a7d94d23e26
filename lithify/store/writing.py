"""The OSTree repository of a cache, for writing: every write is in a transaction, and nothing else in lithify writes there.

Runs in the namespace of the owner: objects have their true owners there.
"""

from __future__ import annotations

import configparser
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lithify.cache import CacheFolder, hold_lock, host_error_of, publish
from lithify.errors import StoreError
from lithify.events import Report, Waiting, ignore, timed
from lithify.lease import Lease
from lithify.store.aside import sweep_aside
from lithify.store.gobject import (
    create_repository,
    open_repository,
    ostree_errors,
)
from lithify.store.layer import KnownLayers
from lithify.store.lookers import Lookers
from lithify.store.looking import Looking
from lithify.store.reading import Repository
from lithify.store.repository_lock import shared_with_ostree
from lithify.store.signing import Signer
from lithify.store.syncing import Syncing
from lithify.store.transaction import Transaction

__all__ = ["Store", "Transaction"]

MIB = 1 << 20
STORE_LOCKS = ("store-gate", "store")
"""The locks of the store, below ``locks/``; held by every transaction, and never removed."""


def _nothing() -> None:
    pass


class Store:
    """The repository of a cache, for writing; may be used from several threads, each with a transaction of its own."""

    def __init__(
        self,
        cache: CacheFolder,
        *,
        sync: bool = True,
        min_free: int = 500 * MIB,
        report: Report = ignore,
        lease: Lease | None = None,
        signer: Signer | None = None,
        lookers: Looking | None = None,
    ) -> None:
        """Open the repository, made if missing.

        ``sync=False`` is for caches that may be thrown away: a power loss may then leave damaged objects. ``min_free`` bytes
        of the file system are never used up. ``lease`` is this process's claim on the cache, where it has one already.
        ``signer`` signs each commit before a ref names it. ``lookers`` are looking at layers already.
        """
        self.cache = cache
        self.report = report
        self.reading = Repository(cache.ostree)
        """Sees what is published."""
        self.layers = KnownLayers(lookers or Lookers())
        self.sync = sync
        self._signer = signer
        self.before_sync: Callable[[], None] = _nothing
        """Called by each thread that is about to wait for the disk."""
        self._syncing = Syncing(cache.ostree)
        self.lease = lease or Lease(cache)
        self._local = threading.local()
        publish(cache.ostree, create_repository, locks=cache.locks, sync=sync)
        sweep_aside(cache.ostree)
        self._min_free = min_free
        self._configure(min_free)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Give a transaction; what was written in the block is published at its end, and dropped if it raises."""
        if getattr(self._local, "busy", False):
            raise StoreError("a transaction is open in this thread already")
        with self.shared_lock(), shared_with_ostree(self.cache.ostree):
            self._local.busy = True
            try:
                yield from self._in_transaction()
            finally:
                self._local.busy = False

    def _in_transaction(self) -> Iterator[Transaction]:
        transaction = Transaction(
            self.repo,
            self.reading,
            self.settle if self.sync else None,
            self._min_free,
            self._signer.sign if self._signer else None,
        )
        try:
            yield transaction
            transaction.publish()
        except BaseException:
            transaction.abort()
            raise

    def settle(self) -> None:
        """Have on the disk all that was written, refs included; a last one may else be lost with the power."""
        if self.sync:
            self.before_sync()
            try:
                with timed(self.report, "sync"):
                    self._syncing()
            except OSError as error:
                raise host_error_of(error, self.cache.ostree) from error

    def drop_ref(self, name: str) -> None:
        """Remove a ref; one that is not there is no error. The commit stays until garbage is collected."""
        with self.shared_lock(), ostree_errors(self.cache.ostree, f"dropping {name}"):
            self.repo().set_ref_immediate(None, name, None, None)

    def repo(self) -> Any:
        """Return this thread's own repository object of libostree, which is loaded now; building needs none."""
        repo = getattr(self._local, "repo", None)
        if repo is None:
            repo = open_repository(self.cache.ostree)
            repo.set_disable_fsync(True)  # the disk is waited for once for all, by settle
            self._local.repo = repo
        return repo

    @contextmanager
    def shared_lock(self) -> Iterator[None]:
        """Keep garbage from being collected during the block, and in it transactions of this thread.

        The gate is held only while the lock is taken: a collector holds it while it waits, so that a never-ending row of
        transactions cannot starve it. Whoever has the lock must not come to the gate again: the collector waits for him there.
        """
        if getattr(self._local, "shares", False):
            yield
            return
        with ExitStack() as held:
            with hold_lock(self._gate, shared=True, on_wait=self._waiting):
                held.enter_context(hold_lock(self._lock, shared=True, on_wait=self._waiting))
            self._local.shares = True
            try:
                yield
            finally:
                self._local.shares = False

    @contextmanager
    def exclusive_lock(self) -> Iterator[None]:
        """Keep every transaction out during the block; waits until those under way have ended."""
        with (
            hold_lock(self._gate, on_wait=self._waiting),
            hold_lock(self._lock, on_wait=self._waiting),
        ):
            yield

    def close(self) -> None:
        """Give up the claim on the cache."""
        self.lease.close()

    @property
    def _gate(self) -> Path:
        return self.cache.locks / STORE_LOCKS[0]

    @property
    def _lock(self) -> Path:
        return self.cache.locks / STORE_LOCKS[1]

    def use(self) -> None:
        """Keep what is in the cache from being thrown away until :meth:`close`; waits while it is being cleaned up."""
        self.lease.share(self._waiting)

    def _waiting(self, holder: str) -> None:
        self.report(Waiting(what="the store, which is being cleaned up", holder=holder))

    def _configure(self, min_free: int) -> None:
        """Set what libostree is to keep to; the file is written only where it says something else."""
        wanted = {
            # for other programs that write there
            "min-free-space-size": f"{max(1, min_free // MIB)}MB",
            # for ever: waiting is ours to report, by our own lock, which is taken first
            "lock-timeout-secs": "-1",
        }
        path = self.cache.ostree / "config"
        config = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            config.read_string(path.read_text(encoding="utf-8"))
        except (configparser.Error, UnicodeDecodeError) as error:
            raise StoreError(
                f"the store's configuration {path} is damaged",
                hints=["`lithify gc --all` empties the cache; then everything is built anew"],
            ) from error
        if all(config.get("core", name, fallback=None) == value for name, value in wanted.items()):
            return
        with ostree_errors(self.cache.ostree, "setting up the store"):
            repo = open_repository(self.cache.ostree)
            changed = repo.copy_config()
            for name, value in wanted.items():
                changed.set_string("core", name, value)
            repo.write_config(changed)
