"""The files of one commit, read from its repository without a checkout: index, branches and work tree are not looked at."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from lithify.cache import CacheFolder, publish
from lithify.definitions.folder import OutsideError
from lithify.definitions.limits import MAX_BYTES
from lithify.errors import SourceError
from lithify.process import run
from lithify.sources.git_program import HARDENED, query, query_environment
from lithify.sources.unpacking import escaped

_ROOT_FILES = frozenset({"VERSION", "DEFAULTS"})
_MOST_LINKS = 40
"""Symbolic links that are followed on the way to a file; the kernel's own limit."""


class CommitPlace(Struct, frozen=True, kw_only=True):
    """A commit, or a folder of it, and the repository on this machine that holds it."""

    repository: Path
    """What ``git --git-dir`` takes."""
    commit: str
    folder: str = ""
    """Below the commit's root; "" for the root itself."""

    @property
    def tree(self) -> str:
        """The tree, as git may be asked for it."""
        return f"{self.commit}:{self.folder}"


class _Entry(Struct, frozen=True):
    mode: str
    """Octal, as git has it."""
    object: str
    size: int


class CommittedFiles:
    """The files of a commit; a definitions tree can be read from it."""

    def __init__(self, place: CommitPlace) -> None:
        self._place = place
        self._blobs: dict[str, bytes] = {}
        """Object → content."""
        self.unreadable: Mapping[str, str] = {}

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, at most one more than may be read; OSError where it cannot be read."""
        path = self._followed(name)
        entry = self._entries.get(path)
        if entry is None or not entry.mode.startswith("100"):
            if path in self._folders or entry is not None:
                raise OSError(f"{name} is not a regular file")
            raise FileNotFoundError(name)
        if not self._blobs and _is_definition(path):
            wanted = [e.object for p, e in self._entries.items() if _is_definition(p) and e.size <= MAX_BYTES]
            self._blobs.update(read_blobs(self._place.repository, wanted))
        if entry.object not in self._blobs:
            content = query(self._place.repository, "cat-file", "blob", entry.object).stdout
            self._blobs[entry.object] = content[: MAX_BYTES + 1]
        return self._blobs[entry.object]

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        try:
            path = self._followed(name)
        except OSError:
            return False
        return path in self._entries or path in self._folders

    def names(self) -> Iterator[str]:
        """Yield the names of all ``.morph`` files, sorted within each folder, the folder's own before those below it.

        Hidden folders are left out, and those that hold a ``VERSION`` of their own: that is another tree.
        """
        others = {posixpath.dirname(path) for path in self._entries if path.endswith("/VERSION")}

        def order(path: str) -> list[tuple[bool, str]]:
            *folders, name = path.split("/")
            return [*((True, folder) for folder in folders), (False, name)]

        for path in sorted(self._entries, key=order):
            above = _folders_above(path)
            hidden = any(posixpath.basename(folder).startswith(".") for folder in above)
            if path.endswith(".morph") and not hidden and not others.intersection(above):
                yield path

    @cached_property
    def _entries(self) -> Mapping[str, _Entry]:
        done = query(self._place.repository, "ls-tree", "-r", "-l", "-z", self._place.tree, expected=None)
        if done.returncode != 0:
            raise SourceError(f"commit {self._place.commit} has no folder {self._place.folder}")
        entries = {}
        for line in done.stdout.decode(errors="surrogateescape").split("\0"):
            fields, tab, path = line.partition("\t")
            if tab:
                mode, _, name, size = fields.split()
                entries[path] = _Entry(mode=mode, object=name, size=int(size) if size.isdigit() else 0)
        return entries

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(folder for path in self._entries for folder in ("", *_folders_above(path)))

    def _followed(self, name: str) -> str:
        """Return a name with its symbolic links followed; OSError where one leads out of the tree."""
        waiting = [part for part in name.split("/") if part not in ("", ".")]
        at: list[str] = []
        links = 0
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                if not at:
                    raise OutsideError(f"{name} leads out of the definitions")
                at.pop()
                continue
            at.append(part)
            entry = self._entries.get("/".join(at))
            if entry is not None and entry.mode == "120000":
                links += 1
                target = query(self._place.repository, "cat-file", "blob", entry.object).stdout
                text = target.decode(errors="surrogateescape")
                if text.startswith("/") or links > _MOST_LINKS:
                    raise OutsideError(f"{name} leads out of the definitions")
                at.pop()
                waiting = [*(one for one in text.split("/") if one not in ("", ".")), *waiting]
        return "/".join(at)

    def write_into(self, folder: Path) -> None:
        """Write all files into an empty folder, as a checkout has them; a submodule is an empty folder.

        Raises :class:`SourceError`, before anything is written, where a path of the commit would leave the folder.
        """
        self._refuse_odd_paths()
        contents = read_blobs(
            self._place.repository, [e.object for e in self._entries.values() if e.mode != "160000"]
        )
        for name, entry in self._entries.items():
            try:
                self._write_entry(folder / name, entry, contents)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise SourceError(
                    f"commit {self._place.commit} cannot be laid out: {escaped(name[-200:])}: "
                    f"{error.strerror if isinstance(error, OSError) else error}"
                ) from error

    def _write_entry(self, path: Path, entry: _Entry, contents: Mapping[str, bytes]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == "160000":
            path.mkdir()
        elif entry.mode == "120000":
            os.symlink(contents[entry.object], os.fsencode(path))
        else:
            path.write_bytes(contents[entry.object])
            path.chmod(0o755 if entry.mode == "100755" else 0o644)

    def _refuse_odd_paths(self) -> None:
        """Refuse paths that no work tree has: git's objects can hold any, and each is ours to write."""
        folders = {folder for path in self._entries for folder in _folders_above(path)}
        for path in self._entries:
            parts = path.split("/")
            if path in folders or any(part in ("", ".", "..") or part.casefold() == ".git" for part in parts):
                raise SourceError(
                    f"commit {self._place.commit} holds the path {escaped(path[-200:])!r}, which no checkout can have",
                    hints=["somebody made it by hand: nothing of it was used"],
                )


def _is_definition(path: str) -> bool:
    return path.endswith(".morph") or path in _ROOT_FILES


def _folders_above(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def read_blobs(repository: Path, objects: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of many objects, from one run of git."""
    wanted = list(dict.fromkeys(objects))
    if not wanted:
        return {}
    said = run(
        ["git", *HARDENED, f"--git-dir={repository}", "cat-file", "--batch"],
        env=query_environment(),
        stdin="".join(f"{name}\n" for name in wanted).encode(),
    ).stdout
    blobs: dict[str, bytes] = {}
    start = 0
    for name in wanted:
        end = said.index(b"\n", start)
        words = said[start:end].split()
        if len(words) != 3 or words[1] != b"blob":
            raise SourceError(
                f"the object {name} of {repository} is missing, or no file",
                hints=["`git fsck` there tells what else is damaged"],
            )
        size = int(words[2])
        blobs[name] = said[end + 1 : end + 1 + size]
        start = end + size + 2
    return blobs


def lay_out(place: CommitPlace, cache: CacheFolder) -> Path:
    """Return a folder of the cache with a commit's files, made if missing: for what must be a file, as local sources are."""
    tree = query(place.repository, "rev-parse", "--verify", place.tree).stdout.decode().strip()
    folder = cache.sources / "definitions" / tree
    publish(folder, CommittedFiles(place).write_into, locks=cache.locks, sync=False)
    return folder


def git_dir_of(path: Path) -> Path | None:
    """Return what ``git --git-dir`` takes for a work tree or bare repository at ``path``; None where it is neither."""
    for candidate in (path / ".git", path):
        if candidate.is_file() or (candidate / "HEAD").is_file():
            return candidate
    return None
