"""Trees in memory, opened only where something changes: what merge, selection and overlay work on.

A folder that nobody touches stays a :class:`Tree` (two checksums) and is never opened. Devices and link groups, which OSTree
cannot hold, are planted into the folders as special values, so that one algorithm moves, replaces and drops them with all
else; :func:`freeze` takes them out again and gives the objects to write and the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lithify.errors import Damaged, UnsafeContent
from lithify.store.gvariant import Dirmeta, Dirtree, Tree, checksum_of, encode_dirmeta, encode_dirtree
from lithify.store.loading import Loader
from lithify.store.manifest import Device, Manifest, manifest_of

PLAIN_FOLDER = Dirmeta()
"""0755, 0:0: what a folder gets that nobody described."""
PLAIN_DIRMETA = checksum_of(encode_dirmeta(PLAIN_FOLDER))
EMPTY_TREE = Tree(checksum_of(encode_dirtree(Dirtree())), PLAIN_DIRMETA)
"""A plain folder with nothing in it; what merging nothing gives."""

DEEPEST = 256
"""Folders nested deeper are refused: paths of 4,096 bytes end sooner, and Python's stack ends at about 1,000."""


class Linked(Struct, frozen=True):
    """A file that is one with others of its group."""

    checksum: str
    group: tuple[int, int]
    """(number of the part, number of the group in its manifest)."""


Leaf = str | Linked | Device
"""What a folder holds that is no folder: a file object's checksum, or what the manifest adds."""


class Folder(Struct):
    """An opened folder, ours to change."""

    files: dict[str, Leaf] = field(default_factory=dict)
    dirs: dict[str, Branch] = field(default_factory=dict)
    meta: str = ""
    """Checksum of its dirmeta, or empty where nobody described it."""
    firm: bool = False
    """Whether its metadata stands against that of others: not for a folder that was only made for what lies in it."""


Branch = Tree | Folder


class Frozen(Struct, frozen=True, kw_only=True):
    """A tree that is ready to be written: its checksums, and the objects that may be new."""

    tree: Tree
    manifest: Manifest
    dirtrees: Mapping[str, bytes]
    dirmetas: Mapping[str, bytes]


def opened(load: Loader, branch: Branch) -> Folder:
    """Return a folder that may be changed; of a :class:`Folder` itself."""
    if isinstance(branch, Folder):
        return branch
    found = load.dirtree(branch.dirtree)
    return Folder(
        files=dict(found.files),
        dirs={name: Tree(dirtree, dirmeta) for name, dirtree, dirmeta in found.dirs},
        meta=branch.dirmeta,
        firm=True,
    )


def open_path(load: Loader, root: Folder, path: str) -> Folder:
    """Return the folder at ``path`` opened in place, made (undescribed) where there is none.

    Raises :class:`Damaged` where something else than a folder is in the way.
    """
    folder = root
    for part in path.split("/") if path else ():
        if part in folder.files:
            raise Damaged(f"/{path}: {part} is no folder, and something is said to lie in it")
        branch = folder.dirs.get(part)
        child = Folder() if branch is None else opened(load, branch)
        folder.dirs[part] = child
        folder = child
    return folder


def plant(load: Loader, tree: Tree, manifest: Manifest, part: int = 0) -> Branch:
    """Return a tree with what its manifest adds: devices, links, and the folders that these need.

    A member of a link group that the tree lacks is put there; one at least must be in it (else :class:`Damaged`).
    """
    if not manifest:
        return tree
    root = opened(load, tree)
    for device in manifest.devices:
        parent, _, name = device.path.rpartition("/")
        folder = open_path(load, root, parent)
        if name in folder.dirs:
            raise Damaged(f"/{device.path} is a folder, and a device in the manifest")
        folder.files[name] = device
    for number, group in enumerate(manifest.links):
        places = []
        for path in group:
            parent, _, name = path.rpartition("/")
            places.append((open_path(load, root, parent), name))
        there = [leaf for folder, name in places if isinstance(leaf := folder.files.get(name), str)]
        if not there or any(name in folder.dirs for folder, name in places):
            raise Damaged(f"/{group[0]} is in the manifest as a link, and no file of the tree")
        for folder, name in places:
            current = folder.files.get(name)
            if current not in (None, there[0]):
                raise Damaged(f"/{group[0]} is in the manifest as one file with others that differ from it")
            folder.files[name] = Linked(there[0], (part, number))
    return root


def freeze(branch: Branch) -> Frozen:
    """Return the objects and the manifest of a tree in memory; only opened folders are encoded."""
    freezing = _Freezing()
    tree = freezing.folder(branch, "", 0)
    return Frozen(
        tree=tree,
        manifest=manifest_of(freezing.devices, freezing.links.values()),
        dirtrees=freezing.dirtrees,
        dirmetas=freezing.dirmetas,
    )


class _Freezing:
    def __init__(self) -> None:
        self.dirtrees: dict[str, bytes] = {}
        self.dirmetas: dict[str, bytes] = {}
        self.devices: list[Device] = []
        self.links: dict[tuple[int, int], list[str]] = {}

    def folder(self, branch: Branch, path: str, depth: int) -> Tree:
        if isinstance(branch, Tree):
            return branch
        check_depth(depth, path)
        prefix = f"{path}/" if path else ""
        files: list[tuple[str, str]] = []
        for name, leaf in branch.files.items():
            if isinstance(leaf, str):
                files.append((name, leaf))
            elif isinstance(leaf, Linked):
                files.append((name, leaf.checksum))
                self.links.setdefault(leaf.group, []).append(prefix + name)
            else:
                self.devices.append(replace(leaf, path=prefix + name))
        dirs = []
        for name, child in branch.dirs.items():
            tree = child if isinstance(child, Tree) else self.folder(child, prefix + name, depth + 1)
            dirs.append((name, tree.dirtree, tree.dirmeta))
        data = encode_dirtree(Dirtree(tuple(files), tuple(dirs)))
        checksum = checksum_of(data)
        self.dirtrees[checksum] = data
        if not branch.meta:
            self.dirmetas[PLAIN_DIRMETA] = encode_dirmeta(PLAIN_FOLDER)
        return Tree(checksum, branch.meta or PLAIN_DIRMETA)


def check_depth(depth: int, path: str) -> None:
    """Raise :class:`UnsafeContent` for folders nested too deep to be walked."""
    if depth > DEEPEST:
        raise UnsafeContent(f"folders are nested more than {DEEPEST} deep: /{path[:200]}…")


def content_of(leaf: Leaf) -> object:
    """Return what makes two leaves the same content, wherever they lie and whatever they are linked with."""
    if isinstance(leaf, str):
        return leaf
    if isinstance(leaf, Linked):
        return leaf.checksum
    return replace(leaf, path="")
