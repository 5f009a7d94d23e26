"""A folder to work in: a clone or a new repository with the sources as they are pinned, on a branch of its own.

And what in it nobody has anywhere else: what is not committed, and what is not pushed.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from lithify.errors import SourceError
from lithify.process import run
from lithify.sources.cloning import Clone, make_clone
from lithify.sources.context import SourceContext
from lithify.sources.git_program import HARDENED, complaint, query_environment
from lithify.sources.tree import is_git, walk
from lithify.sources.workspace import asked, copy_entry, copy_tree, git_says

_AUTHOR = ("-c", "user.name=lithify", "-c", "user.email=lithify@localhost", "-c", "commit.gpgSign=false")
_AS_IT_IS = ("-c", "core.autocrlf=false", "-c", "core.safecrlf=false")


class Unsaved(Struct, frozen=True, kw_only=True):
    """What of a workspace would be lost with its folder."""

    changed: tuple[str, ...]
    """Files that are not committed, sorted."""
    commits: tuple[str, ...]
    """Commits that came after it was opened and are on no remote branch, the newest first: short id and subject."""
    stashes: int

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.changed or self.commits or self.stashes)

    def told(self) -> str:
        """Return it in a few words."""
        parts = (
            (len(self.changed), "changed file", "not committed"),
            (len(self.commits), "commit", "not pushed"),
            (self.stashes, "stash" if self.stashes == 1 else "stashe", ""),
        )
        return ", ".join(
            f"{count} {noun}{'' if count == 1 else 's'} {what}".rstrip()
            for count, noun, what in parts
            if count
        )


def branch_for(chunk: str) -> str:
    """Return the name of the branch for the work on a chunk."""
    name = f"lithify/{chunk}"
    fits = run(["git", "check-ref-format", f"refs/heads/{name}"], env=query_environment(), expected=None)
    return name if fits.returncode == 0 else "lithify/work"


def clone_to_work_in(clone: Clone, branch: str, context: SourceContext) -> str:
    """Clone as :func:`make_clone` does, on a new branch, and return the commit; nothing is left after a failure."""
    make_clone(clone, context)
    try:
        _git(clone.into, "checkout", "-q", "--no-track", "-B", branch)
        return asked(clone.into, "rev-parse", "HEAD")
    except BaseException:
        shutil.rmtree(clone.into, ignore_errors=True)
        raise


def new_history(folder: Path, branch: str, message: str) -> str:
    """Make a repository of a folder whose first commit holds all that is in it, and return that commit."""
    _git(folder, "init", "-q")
    _git(folder, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    return commit_all(folder, message)


def commit_all(folder: Path, message: str) -> str:
    """Commit everything as it is, ignored files too, and return the commit."""
    _git(folder, *_AS_IT_IS, "add", "--all", "--force", ".")
    _git(folder, *_AS_IT_IS, *_AUTHOR, "commit", "-q", "--no-verify", "--allow-empty", "-m", message)
    return asked(folder, "rev-parse", "HEAD")


def replace_files(folder: Path, tree: Path) -> None:
    """Put the files of ``tree`` in place of those in a clone; what git keeps of its own stays."""
    top, here = os.fsencode(tree), os.fsencode(folder)
    for path, status in reversed(list(walk(here, is_git))):
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(path)
        elif not os.listdir(path):
            os.rmdir(path)
    for path, status in walk(top, is_git):
        target = here + path[len(top) :]
        if not (stat.S_ISDIR(status.st_mode) and os.path.isdir(target)):
            copy_entry(path, target, status)


def fill(folder: Path, tree: Path) -> None:
    """Copy a source tree into a new folder."""
    folder.mkdir(parents=True)
    copy_tree(tree, folder, is_git)


def unsaved(folder: Path, base: str) -> Unsaved:
    """Return what of a workspace that began at the commit ``base`` is in it alone.

    Raises :class:`SourceError` where git cannot tell.
    """
    status = ("--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=all")
    since = asked(folder, "log", "--format=%h %s", "HEAD", "--branches", "--not", "--remotes", base)
    return Unsaved(
        changed=tuple(sorted(_paths(git_says(folder, *status)))),
        commits=tuple(since.splitlines()),
        stashes=len(asked(folder, "stash", "list").splitlines()),
    )


def _paths(listed: bytes) -> Iterator[str]:
    """Yield the paths in what ``git status --porcelain -z`` says; of a renamed file both names."""
    fields = iter(listed.split(b"\0"))
    for field in fields:
        if len(field) > 3:
            yield os.fsdecode(field[3:])
        if field[:1] in (b"R", b"C"):
            yield os.fsdecode(next(fields))


def _git(folder: Path, *arguments: str) -> None:
    line = ["git", *HARDENED, "-c", "safe.directory=*", "-C", str(folder), *arguments]
    done = run(line, env=query_environment(), expected=None)
    if done.returncode != 0:
        raise SourceError(f"{folder}: git says: {complaint(done.stderr)}")
