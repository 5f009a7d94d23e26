"""A transaction on the repository: everything that is written before it is published, and the order of publishing.

Objects; the commit is marked partial; the commit object; a sync; everything moves to its place; a sync; the mark goes; refs
last. So a process killed at any point leaves at most objects that nothing names, and a commit that a ref names is whole; nor
does a loss of power leave an object without its content, or a ref before what it names. Manual:
``docs/internals/locks-and-crashes.md``.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from lithify.cache import host_errors, remove_tree
from lithify.crash import crash_point
from lithify.errors import StoreError
from lithify.graph.canonical import canonical
from lithify.store.aside import Aside
from lithify.store.damage import ObjectKind
from lithify.store.folders import Branch, Folder, Frozen, freeze, open_path, plant
from lithify.store.gvariant import (
    CommitObject,
    Dirmeta,
    Dirtree,
    Tree,
    Xattrs,
    checksum_of,
    encode_commit,
    encode_dirmeta,
    encode_dirtree,
    encode_file_header,
)
from lithify.store.ingest import Ingest, read_folder
from lithify.store.manifest import Manifest
from lithify.store.reading import METADATA_KEY, Repository
from lithify.store.refs import mark_partial, unmark_partial
from lithify.store.signing import attach

LARGEST_METADATA = 10 << 20
"""What libostree of Debian 12 takes as one metadata object."""

_NOTHING = Manifest()


class Transaction:
    """What is written before it is published; made by :meth:`Store.transaction`, used in one thread."""

    def __init__(
        self,
        repo: Callable[[], Any],
        published: Repository,
        sync: Callable[[], None] | None,
        min_free: int,
        sign: Callable[[bytes], Mapping[str, bytes]] | None = None,
    ) -> None:
        self._repo = repo
        self._sync = sync
        self._sign = sign
        self._signatures: dict[str, Mapping[str, bytes]] = {}
        self.published = published
        """What is there for good, whatever becomes of this transaction and of others."""
        self._place = published.path
        self._commits: list[tuple[str, tuple[str, ...]]] = []
        self._aside = Aside(self._place, min_free)
        self._taken: list[Path] = []
        self.reading = Repository(self._place, lying=self._aside.lying, share=published)
        """Reads what is published and what this transaction has written."""

    def take(self, folder: Path, manifest: Manifest = _NOTHING) -> Tree:
        """Read a whole folder and return it as a tree; when the transaction is published, it moves into the store and is gone.

        It must be on the cache's file system, stay as it is until then, and hold files, folders and symlinks alone, else
        :class:`UnsafeContent` is raised. Where ``manifest`` names links or devices, the tree gets the names that the folder
        lacks and the folders for them.
        """
        crash_point("store.take")
        with host_errors(folder):
            found = read_folder(os.fspath(folder))
        return self.take_read(found, folder, manifest)

    def take_read(self, found: Ingest, folder: Path, manifest: Manifest = _NOTHING) -> Tree:
        """Do what :meth:`take` does, for what was read already; its files lie in ``folder``."""
        for checksum, data in found.dirmetas.items():
            self._write_metadata("dirmeta", checksum, data)
        tree = self.write(freeze(found.root))
        self._aside.add_files(found.files)
        self._taken.append(folder)
        crash_point("store.taken")
        return self.complete(tree, manifest)

    def complete(self, tree: Tree, manifest: Manifest) -> Tree:
        """Return a tree with every name that the manifest links, and with folders for its devices."""
        return self.write(freeze(plant(self.reading, tree, manifest))) if manifest else tree

    def write(self, frozen: Frozen) -> Tree:
        """Write a merged, selected or overlaid tree: the folders that are new; return it."""
        for checksum, data in frozen.dirmetas.items():
            self._write_metadata("dirmeta", checksum, data)
        for checksum, data in frozen.dirtrees.items():
            self._write_metadata("dirtree", checksum, data)
        return frozen.tree

    def write_dirtree(self, folder: Dirtree) -> str:
        """Write a folder's content and return its checksum."""
        data = encode_dirtree(folder)
        return self._write_metadata("dirtree", checksum_of(data), data)

    def write_dirmeta(self, meta: Dirmeta) -> str:
        """Write a folder's owner, mode and xattrs and return the checksum."""
        data = encode_dirmeta(meta)
        return self._write_metadata("dirmeta", checksum_of(data), data)

    def write_file(
        self, content: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0, xattrs: Xattrs = ()
    ) -> str:
        """Write a regular file and return its checksum; ``mode`` has the permission bits."""
        ordered = tuple(sorted(xattrs))
        header = encode_file_header(uid, gid, stat.S_IFREG | mode, "", ordered)
        checksum = checksum_of(header + content)
        if not self._is_there(checksum, "file"):
            self._aside.write_file(checksum, content, mode=mode, uid=uid, gid=gid, xattrs=ordered)
        return checksum

    def write_symlink(self, target: str, *, uid: int = 0, gid: int = 0, xattrs: Xattrs = ()) -> str:
        """Write a symlink and return its checksum."""
        ordered = tuple(sorted(xattrs))
        checksum = checksum_of(encode_file_header(uid, gid, stat.S_IFLNK | 0o777, target, ordered))
        if not self._is_there(checksum, "file"):
            self._aside.write_symlink(checksum, target, uid=uid, gid=gid, xattrs=ordered)
        return checksum

    def write_tree(self, files: Mapping[str, str]) -> Tree:
        """Write plain folders, owned by 0:0, that hold files, path → checksum, and return their tree."""
        root = Folder()
        for path, checksum in files.items():
            parent, _, name = path.rpartition("/")
            open_path(self.reading, root, parent).files[name] = checksum
        return self.write(freeze(root))

    def chunk_root(self, whole: Tree, artifacts: Mapping[str, Tree]) -> Tree:
        """Return the root of a chunk's commit: the whole in ``all/``, and each artifact in ``artifacts/<name>/``."""
        below: dict[str, Branch] = dict(artifacts)
        return self.write(freeze(Folder(dirs={"all": whole, "artifacts": Folder(dirs=below)})))

    def commit(
        self,
        tree: Tree,
        metadata: Mapping[str, Any],
        refs: Sequence[str],
        *,
        timestamp: int | None = None,
    ) -> str:
        """Write a commit and return its checksum; ``refs`` are set to it, in order, when the transaction ends.

        ``metadata`` is kept as canonical JSON. The commit is marked partial before its object is written.
        """
        data = _commit_object(tree, metadata, refs, int(time.time()) if timestamp is None else timestamp)
        if len(data) > LARGEST_METADATA:
            raise StoreError(
                f"the metadata of {metadata.get('name', 'a commit')} is too big: {len(data)} bytes"
            )
        checksum = checksum_of(data)
        whole = self.published.has(checksum, "commit") and not self.reading.is_partial(checksum)
        if not whole:
            crash_point("store.commit.mark")
            with host_errors(self._place):
                mark_partial(self._place, checksum)
            crash_point("store.commit.write")
            self._write_metadata("commit", checksum, data)
            if self._sign is not None:
                self._signatures[checksum] = self._sign(data)
        self._commits.append((checksum, tuple(refs)))
        return checksum

    def publish(self) -> None:
        """Move everything to its place, take the marks off, and set the refs; called once, by the store."""
        if self._sync is not None:
            self._sync()
        crash_point("store.commit.rename")
        self._aside.publish()
        crash_point("store.commit.renamed")
        for checksum, signatures in self._signatures.items():
            attach(self._repo(), self._place, checksum, signatures)
        if self._commits and self._sync is not None:
            self._sync()
            crash_point("store.commit.synced")
        with host_errors(self._place):
            for checksum, _ in self._commits:
                unmark_partial(self._place, checksum)
                crash_point("store.commit.unmarked")
            for checksum, refs in self._commits:
                for ref in refs:
                    self._aside.set_ref(ref, checksum)
                    crash_point("store.ref.set")
        self._aside.drop()
        for folder in self._taken:
            with suppress(OSError):  # all is published: what stays, whoever made the folder removes with it
                remove_tree(folder)

    def abort(self) -> None:
        """Drop what is not published yet; after a publication that failed half-way, what is in place stays marked.

        Raises nothing of its own: what led here is what the user must hear of.
        """
        self._aside.drop()
        for checksum, _ in self._commits:
            if not self.published.has(checksum, "commit"):
                with suppress(OSError):
                    unmark_partial(self._place, checksum)

    def _write_metadata(
        self, kind: Literal["commit", "dirtree", "dirmeta"], checksum: str, data: bytes
    ) -> str:
        if not self._is_there(checksum, kind):
            self._aside.write_metadata(kind, checksum, data)
        return checksum

    def _is_there(self, checksum: str, kind: ObjectKind) -> bool:
        """Return whether an object is written already; what another transaction has aside is not there."""
        return checksum in self._aside.lying or self.published.has(checksum, kind)


def _commit_object(tree: Tree, metadata: Mapping[str, Any], refs: Sequence[str], timestamp: int) -> bytes:
    """Return the bytes of a commit object."""
    kept = canonical(metadata).decode("ascii")
    return encode_commit(
        CommitObject(
            metadata={METADATA_KEY: kept, "ostree.ref-binding": tuple(sorted(refs))},
            subject=str(metadata.get("name", "")),
            timestamp=timestamp,
            tree=tree,
        )
    )
