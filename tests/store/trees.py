"""Trees for tests as plain data, a store of objects in memory, and hypothesis strategies for both."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st
from msgspec import Struct

from lithify.store.folders import Folder, Frozen, freeze, open_path, plant
from lithify.store.gvariant import (
    Dirmeta,
    Dirtree,
    Tree,
    Xattrs,
    checksum_of,
    decode_dirmeta,
    decode_dirtree,
    encode_dirmeta,
    encode_file_header,
)
from lithify.store.manifest import Manifest


class File(Struct, frozen=True):
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    xattrs: Xattrs = ()


class Symlink(Struct, frozen=True):
    target: str
    uid: int = 0
    gid: int = 0


class Dir(Struct, frozen=True):
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    xattrs: Xattrs = ()


Node = File | Symlink | Dir
Spec = Mapping[str, Node]
"""Path → what is there; folders that are not named are plain."""


class Memory:
    """A loader over objects in memory, made with the same encoding as the real one."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.symlinks: dict[str, str] = {}
        self.opened = 0
        """How many folders were read."""

    def dirtree(self, checksum: str) -> Dirtree:
        self.opened += 1
        return decode_dirtree(self.objects[checksum])

    def dirmeta(self, checksum: str) -> Dirmeta:
        return decode_dirmeta(self.objects[checksum])

    def symlink_target(self, checksum: str) -> str | None:
        return self.symlinks.get(checksum)

    def write(self, frozen: Frozen) -> Tree:
        self.objects.update(frozen.dirtrees)
        self.objects.update(frozen.dirmetas)
        return frozen.tree

    def leaf(self, node: File | Symlink) -> str:
        if isinstance(node, Symlink):
            header = encode_file_header(node.uid, node.gid, stat.S_IFLNK | 0o777, node.target, ())
            checksum = hashlib.sha256(header).hexdigest()
            self.symlinks[checksum] = node.target
            return checksum
        header = encode_file_header(node.uid, node.gid, stat.S_IFREG | node.mode, "", node.xattrs)
        return hashlib.sha256(header + node.content).hexdigest()

    def tree(self, spec: Spec, manifest: Manifest | None = None) -> Tree:
        root = Folder(meta=self.meta(Dir()), firm=True)
        for path, node in spec.items():
            parent, _, name = path.rpartition("/")
            if isinstance(node, Dir):
                folder = open_path(self, root, path)
                folder.meta, folder.firm = self.meta(node), True
            else:
                open_path(self, root, parent).files[name] = self.leaf(node)
        tree = self.write(freeze(root))
        return self.write(freeze(plant(self, tree, manifest))) if manifest else tree

    def meta(self, node: Dir) -> str:
        data = encode_dirmeta(
            Dirmeta(uid=node.uid, gid=node.gid, mode=stat.S_IFDIR | node.mode, xattrs=node.xattrs)
        )
        self.objects[checksum_of(data)] = data
        return checksum_of(data)

    def leaves(self, tree: Tree) -> dict[str, str]:
        """Return path → checksum of all that is no folder."""
        found: dict[str, str] = {}
        pending: list[tuple[str, str]] = [("", tree.dirtree)]
        while pending:
            prefix, checksum = pending.pop()
            folder = self.dirtree(checksum)
            found.update({prefix + name: leaf for name, leaf in folder.files})
            pending.extend((f"{prefix}{name}/", dirtree) for name, dirtree, _ in folder.dirs)
        return found


def make_folder(place: Path, spec: Spec) -> Path:
    """Make a real folder, as a build would leave it after capture: times are 0."""
    place.mkdir()
    os.chmod(place, 0o755)
    for path in sorted(spec):
        node = spec[path]
        here = place / path
        for parent in reversed(here.relative_to(place).parents):
            if not (place / parent).exists():
                (place / parent).mkdir()
                os.chmod(place / parent, 0o755)
        if isinstance(node, Symlink):
            here.symlink_to(node.target)
            os.chown(here, node.uid, node.gid, follow_symlinks=False)
            continue
        if isinstance(node, Dir):
            here.mkdir(exist_ok=True)
        else:
            here.write_bytes(node.content)
        os.chown(here, node.uid, node.gid)
        os.chmod(here, node.mode)
        for name, value in node.xattrs:
            os.setxattr(here, name, value)
        if isinstance(node, File):
            os.utime(here, ns=(0, 0))
    return place


def read_folder(place: Path) -> dict[str, Node]:
    """Return what a real folder holds, the root included (as ``""``)."""
    found: dict[str, Node] = {}
    for folder, dirs, files in os.walk(place):
        for here in (Path(folder), *(Path(folder) / name for name in (*dirs, *files))):
            path = "" if here == place else str(here.relative_to(place))
            status = here.lstat()
            uid, gid, mode = status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                found[path] = Symlink(os.readlink(here), uid, gid)
                continue
            xattrs = tuple(sorted((name.encode(), os.getxattr(here, name)) for name in os.listxattr(here)))
            if stat.S_ISDIR(status.st_mode):
                found[path] = Dir(mode, uid, gid, xattrs)
            else:
                found[path] = File(here.read_bytes(), mode, uid, gid, xattrs)
    return found


names = st.sampled_from(["a", "b", "lib", "usr", "x"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.sampled_from([b"", b"one", b"two"])
files = st.builds(File, contents, st.sampled_from([0o644, 0o755]))
folders = st.builds(Dir, st.sampled_from([0o755, 0o700, 0o1777]))


def _fits(spec: Spec) -> bool:
    """Return whether nothing lies in what is no folder."""
    return not any(
        other.startswith(f"{path}/")
        for path, node in spec.items()
        if not isinstance(node, Dir)
        for other in spec
    )


def specs(nodes: st.SearchStrategy[Node], *, max_size: int = 8) -> st.SearchStrategy[Spec]:
    """Trees of a few paths, so that several of them meet often."""
    return st.dictionaries(paths, nodes, max_size=max_size).map(_dropped_misfits)


def _dropped_misfits(spec: dict[str, Node]) -> Spec:
    kept: dict[str, Node] = {}
    for path in sorted(spec):
        if _fits({**kept, path: spec[path]}):
            kept[path] = spec[path]
    return kept


file_paths = st.builds(
    lambda parts, name: "/".join([*parts, name]),
    st.lists(st.sampled_from(["a", "b", "usr"]), max_size=2),
    st.sampled_from(["f", "g"]),
)


def plain_specs() -> st.SearchStrategy[Spec]:
    """Trees of files and folders whose names tell them apart, so that none of them can be in another's way."""
    folder_paths = st.lists(st.sampled_from(["a", "b", "usr"]), min_size=1, max_size=3).map("/".join)
    return st.builds(
        lambda some, others: {**some, **others},
        st.dictionaries(file_paths, files, max_size=5),
        st.dictionaries(folder_paths, folders, max_size=3),
    )
