"""A workspace as a source: the files that git would see in it, as they are now. Read at each build, in no lock.

What git ignores in it, as objects of a build by hand, is none of the source; the user's own configuration of git does not
count. The files get the permissions that a checkout for a build has, so an untouched workspace has the same tree as its pin.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from lithify.definitions.model import WorkspaceSource
from lithify.errors import PinMismatch, SourceError, UnsafeContent
from lithify.graph.canonical import Value, digest
from lithify.graph.pins import Pin
from lithify.process import find_program, run
from lithify.sources.context import SourceContext
from lithify.sources.git_program import HARDENED, query_environment
from lithify.sources.tree import SETTLED_NS, is_git, look_at, plain_mode, read_plain, walk

_OF_NOBODY = ("-c", "safe.directory=*", "-c", "core.excludesFile=/dev/null")


class WorkspaceKind:
    """How workspaces are read and laid out."""

    in_place = False

    def label(self, source: WorkspaceSource, pin: Pin | None) -> str:
        """Return what messages call the source."""
        return f"the workspace {source.path}"

    def layout(self, source: WorkspaceSource) -> Mapping[str, Value]:
        """Return what of the declaration, beside the pin, decides how the tree looks: nothing."""
        return {}

    def pin(self, source: WorkspaceSource, context: SourceContext) -> Pin:
        """Read the content as it is now; no network."""
        folder = existing(source)
        try:
            tree = _tree_of(folder, context)
        except UnsafeContent as error:
            raise UnsafeContent(f"the workspace {folder}: {error.message}") from error
        except OSError as error:
            raise SourceError(f"the workspace {folder} cannot be read: {error}") from error
        kept: dict[str, Value] = {"commit": asked(folder, "rev-parse", "HEAD")} if source.keep_git else {}
        return Pin(kind="workspace", digest_data={"workspace": source.id, "tree": tree, **kept})

    def is_fetched(self, source: WorkspaceSource, pin: Pin, context: SourceContext) -> bool:
        """Whether it is there: always."""
        return True

    def fetch(self, source: WorkspaceSource, pin: Pin, context: SourceContext) -> None:
        """Do nothing: it is there."""

    def unpack(self, source: WorkspaceSource, pin: Pin, into: Path, context: SourceContext) -> None:
        """Copy the content; raises :class:`PinMismatch` where it is no longer what was read."""
        folder = existing(source)
        copy_tree(folder, into, not_the_source(folder))
        if read_plain(into, lambda path: False) != pin.digest_data["tree"]:
            raise changed_meanwhile(folder)
        copy_git(source, into)

    def write_pin(self, pin: Pin) -> list[str]:
        """Return the lines of the lock file that stand for a pin: a workspace is in no lock."""
        return []

    def read_pin(self, lines: Sequence[Sequence[str]]) -> Pin:
        """Raise :class:`ValueError`: a workspace is in no lock."""
        raise ValueError("a workspace is not locked; its content is read at each build")

    def parts(self, pin: Pin) -> Mapping[str, str]:
        """Return what a person is shown of a pin, by name."""
        return {"tree": str(pin.digest_data["tree"])}


def existing(source: WorkspaceSource) -> Path:
    """Return the folder of a workspace; raises :class:`SourceError` where it has gone."""
    folder = Path(source.path)
    if not folder.is_dir():
        raise SourceError(
            f"its workspace {source.path} is not there any more",
            hints=[f"put it back, or forget it: `lithify workspace close {source.chunk}`"],
        )
    return folder


def changed_meanwhile(folder: Path) -> PinMismatch:
    """Return the error for a workspace that somebody wrote to while it was read."""
    return PinMismatch(f"the workspace {folder} was changed while it was read", hints=["build again"])


def not_the_source(folder: Path) -> Callable[[bytes], bool]:
    """Return what says of a path in a workspace that it, and all below it, is none of the source: git's, or ignored by it."""
    top = os.fsencode(folder)
    ignored = frozenset(os.path.join(top, name) for name in _ignored(folder))
    return lambda path: path in ignored or is_git(path)


def _ignored(folder: Path, below: str = "") -> Iterator[bytes]:
    """Yield the paths that git ignores, from the top; those in submodules too."""
    here = folder / below
    if not (here / ".git").exists() or find_program("git") is None:
        return
    listed = git_says(here, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    prefix = os.fsencode(f"{below}/" if below else "")
    yield from (prefix + name.rstrip(b"/") for name in listed.split(b"\0") if name)
    if (here / ".gitmodules").exists():
        for line in git_says(here, "ls-files", "-z", "--stage").split(b"\0"):
            mode, _, name = line.partition(b"\t")
            if mode.startswith(b"160000"):
                yield from _ignored(folder, os.fsdecode(prefix + name))


def git_says(folder: Path, *arguments: str) -> bytes:
    """Return what git says of a workspace, whoever owns it; raises :class:`SourceError` with its complaint."""
    line = ["git", *HARDENED, *_OF_NOBODY, "-C", str(folder), *arguments]
    done = run(line, env=query_environment(), expected=None)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(f"the workspace {folder}: git says {said[-1] if said else 'nothing'}")
    return done.stdout


def asked(folder: Path, *arguments: str) -> str:
    """Return what :func:`git_says`, as text without blanks around it."""
    return git_says(folder, *arguments).decode(errors="surrogateescape").strip()


def _tree_of(folder: Path, context: SourceContext) -> str:
    """Return the digest of the source; one that was read before and looks the same is not read again."""
    before = time.time_ns()
    ignored = sorted(_ignored(folder))
    look = look_at(folder)
    fact = digest({"look": look.digest, "ignored": [os.fsdecode(name) for name in ignored]})
    known = context.facts.get("workspace-tree", fact)
    if known is None:
        known = read_plain(folder, not_the_source(folder))
        if look.newest < before - SETTLED_NS:
            context.facts.put("workspace-tree", fact, known)
    return known


def copy_tree(folder: Path, into: Path, skip: Callable[[bytes], bool]) -> None:
    """Copy what ``skip`` does not leave out into an existing empty folder, with plain permissions."""
    top = os.fsencode(folder)
    for path, status in walk(top, skip):
        copy_entry(path, os.path.join(os.fsencode(into), path[len(top) + 1 :]), status)


def copy_entry(path: bytes, target: bytes, status: os.stat_result) -> None:
    """Copy a file or link, or make an empty folder, where nothing is yet."""
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(target)
        os.chmod(target, 0o755)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(path), target)
    elif stat.S_ISREG(status.st_mode):
        shutil.copyfile(path, target, follow_symlinks=False)
        os.chmod(target, plain_mode(status))


def copy_git(source: WorkspaceSource, into: Path) -> None:
    """Put a copy of ``.git`` beside the files where the chunk is built with it."""
    kept = Path(source.path) / ".git"
    if source.keep_git and kept.is_dir():
        shutil.copytree(kept, into / ".git", symlinks=True)
