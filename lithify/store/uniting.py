"""Trees laid over one another in memory: the recursion of the merge, without following links.

Folders unite, later wins; a name that is a folder in one piece and something else in another is only noted here.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from lithify.store.folders import Branch, Folder, Leaf, check_depth, content_of
from lithify.store.gvariant import Tree
from lithify.store.loading import Loader

Laid = tuple[int, Branch]
"""(number of a piece, what it has at the path)."""


class Difference(Struct, frozen=True):
    """A path at which a piece has another file than one below it."""

    path: str
    first: int
    second: int


class Crossing(Struct, frozen=True):
    """A path at which some pieces have a folder, and others something else."""

    path: str
    leaf: Leaf
    """The last of what is no folder."""
    leaf_of: int
    folder_of: int
    """The last piece that has a folder there."""


class Uniting(Struct):
    """One pass over all pieces; what it found on the way is in its fields."""

    load: Loader
    differences: list[Difference] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)

    def unite(self, pieces: Sequence[Branch]) -> Branch:
        """Return the pieces laid over one another, the first lowest; what is not shared is taken as it is, unopened."""
        return self._folder("", list(enumerate(pieces)), 0)

    def _folder(self, path: str, laid: list[Laid], depth: int) -> Branch:
        if len(laid) == 1:
            return laid[0][1]
        top = laid[-1][1]
        if isinstance(top, Tree) and all(
            isinstance(branch, Tree) and branch.dirtree == top.dirtree for _, branch in laid
        ):
            return top
        check_depth(depth, path)
        prefix = f"{path}/" if path else ""
        files, owners, dirs = self._gather(prefix, laid)
        result = Folder(files=files)
        result.meta, result.firm = described([branch for _, branch in laid])
        for name, branches in dirs.items():
            if name in files:
                self.crossings.append(Crossing(prefix + name, files[name], owners[name], branches[-1][0]))
            elif len(branches) == 1:
                result.dirs[name] = branches[0][1]
            else:
                result.dirs[name] = self._folder(prefix + name, branches, depth + 1)
        return result

    def _gather(
        self, prefix: str, laid: list[Laid]
    ) -> tuple[dict[str, Leaf], dict[str, int], dict[str, list[Laid]]]:
        """Return the files that win, the piece of each, and for each folder the pieces that have it."""
        files: dict[str, Leaf] = {}
        owners: dict[str, int] = {}
        dirs: dict[str, list[Laid]] = {}
        below: Branch | None = None
        for piece, branch in laid:
            if isinstance(branch, Folder):
                more: dict[str, Leaf] = branch.files
                for name, child in branch.dirs.items():
                    dirs.setdefault(name, []).append((piece, child))
            elif isinstance(below, Tree) and branch.dirtree == below.dirtree:
                continue  # the same once more: it stays that of the piece which had it first
            else:
                found = self.load.dirtree(branch.dirtree)
                more = dict(found.files)
                for name, dirtree, dirmeta in found.dirs:
                    dirs.setdefault(name, []).append((piece, Tree(dirtree, dirmeta)))
            below = branch
            if not more:
                continue
            theirs = dict.fromkeys(more, piece)
            for name in files.keys() & more.keys():
                if files[name] == more[name] or content_of(files[name]) == content_of(more[name]):
                    theirs[name] = owners[name]
                else:
                    self.differences.append(Difference(prefix + name, owners[name], piece))
            files.update(more)
            owners.update(theirs)
        return files, owners, dirs


def described(branches: Sequence[Branch]) -> tuple[str, bool]:
    """Return a united folder's dirmeta, as the last says that describes it firmly, else loosely; and whether firmly."""
    loose = ""
    for branch in reversed(branches):
        if isinstance(branch, Tree):
            return branch.dirmeta, True
        if branch.firm and branch.meta:
            return branch.meta, True
        loose = loose or branch.meta
    return loose, False
