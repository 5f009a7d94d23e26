"""Reads the OSTree repository: refs, commits, folders and file objects, in plain Python.

No GObject introspection, no namespace and no lock: any process of the owner may read while another writes, since objects
never change and a ref is set last. Every metadata object is checked against its checksum as it is read. The layout is
OSTree's own: ``objects/ab/cdef….dirtree``, ``refs/heads/…``, ``state/….commitpartial``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from lithify.store import entries
from lithify.store.damage import DamagedObject, ObjectKind
from lithify.store.entries import Entry
from lithify.store.gvariant import (
    Dirmeta,
    Dirtree,
    Tree,
    checksum_of,
    decode_commit,
    decode_dirmeta,
    decode_dirtree,
)
from lithify.store.manifest import Manifest
from lithify.store.refs import is_partial, read_ref

METADATA_KEY = "lithify"
"""The key in a commit's metadata below which lithify keeps its canonical JSON."""

_KEPT_FOLDERS = 50_000
"""Decoded folders kept in memory, about 1 KB each."""

_Decoded = TypeVar("_Decoded")


class Commit(Struct, frozen=True, kw_only=True):
    """A commit: a tree and what it says of itself."""

    checksum: str
    metadata: Mapping[str, Any]
    """What was given to ``Transaction.commit``, as plain JSON."""
    tree: Tree
    timestamp: int
    """Seconds since 1970."""
    bindings: tuple[str, ...] = ()
    """The refs that it was made for (``ostree.ref-binding``)."""


class Repository:
    """A bare OSTree repository, for reading; one that does not exist yet has no refs."""

    def __init__(
        self,
        path: Path,
        *,
        lying: Mapping[str, str] = MappingProxyType({}),
        share: Repository | None = None,
    ) -> None:
        """Read the repository at ``path``.

        ``lying`` has the places of objects that a transaction has not published yet, by checksum; ``share`` is another reader
        of the same repository, whose decoded folders are used too.
        """
        self.path = path
        self._objects = str(path / "objects")
        self._lying = lying
        self._dirtrees: dict[str, Dirtree] = share._dirtrees if share else {}
        self._dirmetas: dict[str, Dirmeta] = share._dirmetas if share else {}

    def ref(self, name: str) -> str | None:
        """Return the commit that a ref names, or None: no such ref, or its commit is not whole.

        This, and never whether a commit object exists, says whether something is built.
        """
        return read_ref(self.path, name)

    def refs(self, prefix: str = "") -> dict[str, str]:
        """Return the refs below ``prefix`` (``d`` for ``d/…``), sorted by name, with what :meth:`ref` says of each.

        The last part of a ref's name may not begin with ``tmp.``.
        """
        top = self.path / "refs" / "heads"
        names = sorted(
            os.path.relpath(os.path.join(folder, name), top)
            for folder, _, names in os.walk(top / prefix)
            for name in names
            if not is_temporary(name)
        )
        return {name: commit for name in names if (commit := self.ref(name)) is not None}

    def is_partial(self, commit: str) -> bool:
        """Return whether a commit is marked as not whole: its objects may be missing."""
        return is_partial(self.path, commit)

    def commit(self, checksum: str) -> Commit:
        """Return a commit; raises :class:`DamagedObject` where it is missing or damaged."""
        decoded = self._decode(checksum, "commit", decode_commit)
        text = decoded.metadata.get(METADATA_KEY, "{}")
        bindings = decoded.metadata.get("ostree.ref-binding", ())
        try:
            metadata = msgspec.json.decode(text) if isinstance(text, str) else None
        except ValueError:
            metadata = None
        if not isinstance(metadata, dict):
            raise DamagedObject("commit", checksum, "holds metadata that is no JSON object")
        return Commit(
            checksum=checksum,
            metadata=metadata,
            tree=decoded.tree,
            timestamp=decoded.timestamp,
            bindings=bindings if isinstance(bindings, tuple) else (bindings,),
        )

    def dirtree(self, checksum: str) -> Dirtree:
        """Return what a folder holds; raises :class:`DamagedObject` where the object is missing or damaged."""
        known = self._dirtrees.get(checksum)
        if known is None:
            known = self._decode(checksum, "dirtree", decode_dirtree)
            if len(self._dirtrees) >= _KEPT_FOLDERS:
                self._dirtrees.clear()
            self._dirtrees[checksum] = known
        return known

    def dirmeta(self, checksum: str) -> Dirmeta:
        """Return a folder's owner, mode and xattrs; raises :class:`DamagedObject` like :meth:`dirtree`."""
        known = self._dirmetas.get(checksum)
        if known is None:
            known = self._dirmetas[checksum] = self._decode(checksum, "dirmeta", decode_dirmeta)
        return known

    def file_path(self, checksum: str) -> Path:
        """Return the path of a file object: a regular file or a symlink, with its own owner, mode and xattrs."""
        return Path(self._path(checksum, "file"))

    def file_place(self, checksum: str) -> str:
        """Return what :meth:`file_path` does as text: a fifth of the time, where it is asked for each file of a tree."""
        return self._path(checksum, "file")

    def place(self, checksum: str, kind: ObjectKind) -> str:
        """Return the path of any object."""
        return self._path(checksum, kind)

    def symlink_target(self, checksum: str) -> str | None:
        """Return where a file object leads, or None where it is no symlink."""
        try:
            return os.readlink(self._path(checksum, "file"))
        except FileNotFoundError as error:
            raise DamagedObject("file", checksum, "is missing") from error
        except OSError:  # EINVAL: a regular file
            return None

    def has(self, checksum: str, kind: ObjectKind) -> bool:
        """Return whether an object is there by name; nothing is read."""
        return os.path.lexists(self._path(checksum, kind))

    def forget(self) -> None:
        """Read every folder again on its next use: objects were removed."""
        self._dirtrees.clear()
        self._dirmetas.clear()

    def subtree(self, tree: Tree, path: str) -> Tree:
        """Return the folder at ``path`` in a tree; raises :class:`KeyError` where there is none. Symlinks are not followed."""
        for part in path.split("/"):
            folders = {
                name: Tree(dirtree, dirmeta) for name, dirtree, dirmeta in self.dirtree(tree.dirtree).dirs
            }
            if part not in folders:
                raise KeyError(path)
            tree = folders[part]
        return tree

    def has_path(self, tree: Tree, path: str) -> bool:
        """Return whether a tree holds a file, symlink or folder at ``path``; symlinks on the way are not followed."""
        parent, _, last = path.rpartition("/")
        try:
            folder = self.dirtree((self.subtree(tree, parent) if parent else tree).dirtree)
        except KeyError:
            return False
        return any(name == last for name, _ in folder.files) or any(
            name == last for name, _, _ in folder.dirs
        )

    def entries(self, tree: Tree, manifest: Manifest) -> Iterator[Entry]:
        """Yield every entry of a tree, the root first; see :func:`lithify.store.entries.walk`."""
        return entries.walk(self, tree, manifest)

    def paths(self, tree: Tree, manifest: Manifest) -> list[str]:
        """Return every path of a tree but the root; much cheaper than :meth:`entries`, since no file object is looked at."""
        return entries.paths(self, tree, manifest)

    def _decode(self, checksum: str, kind: ObjectKind, decode: Callable[[bytes], _Decoded]) -> _Decoded:
        try:
            data = self._bytes(checksum, kind)
        except FileNotFoundError as error:
            raise DamagedObject(kind, checksum, "is missing") from error
        except OSError as error:
            raise DamagedObject(kind, checksum, f"cannot be read: {error.strerror}") from error
        if checksum_of(data) != checksum:
            raise DamagedObject(kind, checksum, "is not what its checksum says")
        try:
            return decode(data)
        except ValueError as error:
            raise DamagedObject(kind, checksum, f"cannot be read: {error}") from error

    def _bytes(self, checksum: str, kind: ObjectKind) -> bytes:
        """Return an object's bytes."""
        return _read(self._path(checksum, kind))

    def _path(self, checksum: str, kind: ObjectKind) -> str:
        if self._lying and checksum in self._lying:
            return self._lying[checksum]
        return f"{self._objects}/{checksum[:2]}/{checksum[2:]}.{kind}"


def is_temporary(name: str) -> bool:
    """Return whether a file among the refs is one that libostree was writing when it was killed, and no ref."""
    return name.startswith(("tmp.", "."))


def _read(path: str) -> bytes:
    """Return a small file's bytes; a third of the time of ``open``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, 1 << 16)
        if len(data) < 1 << 16:
            return data
        parts = [data]
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
