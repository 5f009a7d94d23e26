"""The merge of many trees into one, over checksums: a folder that only one part has is never opened.

The order is the parts' order. Later wins for files and for what a folder is (owner, mode, xattrs), folders unite, and equal
files are no conflict. A folder against a symlink: its content goes where the link leads, whichever of the two comes later,
as dpkg does; the link is followed in the merged tree in memory, against its own root. A folder against a file is an error.

The result is that of laying each part over those before it. Pure: nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lithify.errors import MergeConflict
from lithify.store.folders import Branch, Folder, Frozen, Linked, freeze, open_path, opened, plant
from lithify.store.following import Found, LeadsNowhere, Link, Other, follow
from lithify.store.gvariant import Tree
from lithify.store.loading import Loader
from lithify.store.manifest import EMPTY, Device, Manifest
from lithify.store.uniting import Crossing, Difference, Uniting

ROUNDS = 100
"""How often content may move on along links before it is a conflict; one round follows every link that is met."""


class Part(Struct, frozen=True, kw_only=True):
    """One tree of a merge, and what messages call it."""

    name: str
    tree: Tree
    manifest: Manifest = EMPTY


class Overlap(Struct, frozen=True, kw_only=True, order=True):
    """A path at which two parts have different files; the second's is used."""

    path: str
    first: str
    second: str


class Merged(Frozen, frozen=True, kw_only=True):
    """A merged tree, the objects that it may need written, and what its parts differ in."""

    overlaps: tuple[Overlap, ...]
    """Sorted by path; where three parts differ, one for each that replaces another."""


class Piece(Struct, frozen=True):
    """A part, or what of it was moved along a link; it lies over all pieces before it."""

    part: int
    root: Branch
    moved: bool = False


class Settled(Struct, frozen=True, kw_only=True):
    """Pieces that fit together: no folder of one lies on another's symlink any more."""

    pieces: tuple[Piece, ...]
    root: Branch
    differences: tuple[Difference, ...]


def merge(load: Loader, parts: Sequence[Part]) -> Merged:
    """Return the merge of ``parts``, the first lowest; of none, a plain empty folder.

    Raises :class:`MergeConflict` with both names and the path for a folder against a file, and for links that lead nowhere.
    """
    settled = settle(load, parts)
    names = [parts[piece.part].name for piece in settled.pieces]
    frozen = freeze(settled.root)
    return Merged(
        tree=frozen.tree,
        manifest=frozen.manifest,
        dirtrees=frozen.dirtrees,
        dirmetas=frozen.dirmetas,
        overlaps=tuple(
            sorted(
                Overlap(path=difference.path, first=names[difference.first], second=names[difference.second])
                for difference in settled.differences
            )
        ),
    )


def settle(load: Loader, parts: Sequence[Part]) -> Settled:
    """Move content along links until no folder lies on a symlink; raises :class:`MergeConflict` like :func:`merge`."""
    pieces = [
        Piece(number, plant(load, part.tree, part.manifest, number)) for number, part in enumerate(parts)
    ]
    if not pieces:
        return Settled(pieces=(), root=Folder(), differences=())
    for _ in range(ROUNDS):
        uniting = Uniting(load)
        root = uniting.unite([piece.root for piece in pieces])
        if not uniting.crossings:
            return Settled(pieces=tuple(pieces), root=root, differences=tuple(uniting.differences))
        names = [parts[piece.part].name for piece in pieces]
        places = _where_links_lead(load, pieces, names, uniting.crossings)
        pieces = [moved for piece in pieces for moved in _move(load, piece, places)]
    first = min(uniting.crossings, key=lambda crossing: crossing.path)
    raise _conflict(names, first, "a symlink", "which leads on without end")


def _where_links_lead(
    load: Loader, pieces: Sequence[Piece], names: Sequence[str], crossings: Sequence[Crossing]
) -> dict[str, str]:
    """Return for each path at which a folder meets a symlink the path at which its content belongs."""
    places: dict[str, str] = {}
    links: list[tuple[Crossing, str]] = []
    for crossing in sorted(crossings, key=lambda crossing: crossing.path):
        checksum = crossing.leaf.checksum if isinstance(crossing.leaf, Linked) else crossing.leaf
        target = None if isinstance(checksum, Device) else load.symlink_target(checksum)
        if target is not None:
            links.append((crossing, target))
    if not links:  # while content still moves, what stands against a file may yet belong elsewhere
        first = min(crossings, key=lambda crossing: crossing.path)
        raise _conflict(names, first, "a device" if isinstance(first.leaf, Device) else "a file")
    for crossing, target in links:
        try:
            place = follow(lambda path: _look_up(load, pieces, path), crossing.path.split("/")[:-1], target)
        except LeadsNowhere as error:
            raise _conflict(
                names, crossing, f"a symlink to {target}", f"behind which no folder can be: {error}"
            ) from error
        places[crossing.path] = "/".join(place)
    return places


def _conflict(names: Sequence[str], crossing: Crossing, what: str, why: str = "") -> MergeConflict:
    return MergeConflict(
        f"/{crossing.path}: {names[crossing.folder_of]} has a folder there, and {names[crossing.leaf_of]} has {what}"
        + (f", {why}" if why else ""),
        hints=["remove one of them in the chunk that should not have it, or select fewer artifacts"],
    )


def _look_up(load: Loader, pieces: Sequence[Piece], path: Sequence[str]) -> Found:
    """Return what stands at ``path`` in the pieces together; a symlink there counts before a folder."""
    for piece in reversed(pieces):
        branch: Branch | None = piece.root
        for part in path[:-1]:
            branch = None if branch is None else opened(load, branch).dirs.get(part)
        leaf = None if branch is None else opened(load, branch).files.get(path[-1])
        if leaf is not None:
            checksum = leaf.checksum if isinstance(leaf, Linked) else leaf
            target = None if isinstance(checksum, Device) else load.symlink_target(checksum)
            return Other() if target is None else Link(target)
    return None


def _move(load: Loader, piece: Piece, places: dict[str, str]) -> list[Piece]:
    """Return a piece without its folders at the keys of ``places``, and each of these as a piece at the value."""
    here = [path for path in places if _has_folder(load, piece.root, path)]
    if not here:
        return [piece]
    root = opened(load, piece.root)
    moved = []
    for path in here:
        parent, _, name = path.rpartition("/")
        folder = opened(load, open_path(load, root, parent).dirs.pop(name))
        folder.firm = False  # the folder behind the link is described by those who have it under its own name
        moved.append(Piece(piece.part, _at(load, places[path], folder), moved=True))
    return [Piece(piece.part, root, piece.moved), *moved]


def _at(load: Loader, path: str, folder: Folder) -> Folder:
    """Return a root that has ``folder`` at ``path``, and nothing but undescribed folders around it."""
    if not path:
        return folder
    root = Folder()
    parent, _, name = path.rpartition("/")
    open_path(load, root, parent).dirs[name] = folder
    return root


def _has_folder(load: Loader, branch: Branch, path: str) -> bool:
    for part in path.split("/"):
        child = opened(load, branch).dirs.get(part)
        if child is None:
            return False
        branch = child
    return True
