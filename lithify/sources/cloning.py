"""A person's own clone of a git source: made of the mirrors in the cache, with the real repositories as origins.

Unlike what is laid out for a build, it is the user's: with ``.git``, all branches, and git configured as the user has it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from lithify.definitions.model import GitSource
from lithify.errors import SourceError
from lithify.process import run
from lithify.sources.context import SourceContext
from lithify.sources.git import CheckOut, check_outs
from lithify.sources.git_program import HARDENED, complaint, complaint_hints, fetching_environment
from lithify.sources.urls import expand_alias, shown


class Clone(Struct, frozen=True, kw_only=True):
    """What to clone, and where to."""

    source: GitSource
    commit: str
    into: Path
    """Does not exist yet; the folder above it may be missing too."""
    push_aliases: Mapping[str, str]
    """``alias:path`` → push URL."""


def make_clone(clone: Clone, context: SourceContext) -> None:
    """Clone a repository and its submodules, each at the commit of the source; what is missing is fetched.

    Where the source names a branch that is at the commit, it is checked out and follows its origin; else HEAD is detached.
    Raises :class:`SourceError` where something exists at the place already; nothing stays there after any other failure.
    """
    if clone.into.exists() or clone.into.is_symlink():
        raise SourceError(f"{clone.into} exists already", hints=["give another PATH, or move it away"])
    parts = check_outs(clone.source, clone.commit, context, fetch=True, report=context.report)
    try:
        for part in parts:
            _clone_part(part, clone, context)
        _join_submodules(parts, clone.into, context)
        _set_push_url(parts[0], clone, context)
    except BaseException:
        shutil.rmtree(clone.into, ignore_errors=True)
        raise


def _clone_part(part: CheckOut, clone: Clone, context: SourceContext) -> None:
    into = clone.into / part.path
    _git(
        part,
        context,
        ["clone", "-q", "--no-checkout", "--no-hardlinks", "--", str(part.mirror.path), str(into)],
    )
    at = ["-C", str(into)]
    _git(part, context, [*at, "remote", "set-url", "origin", part.mirror.url])
    branch = clone.source.ref or clone.source.track or ""
    if not part.path and branch and part.mirror.resolve(f"refs/heads/{branch}") == part.commit:
        # The clone stands on the mirror's own HEAD, which may be this very branch.
        _git(part, context, [*at, "checkout", "-q", "-B", branch, "--track", f"origin/{branch}"])
    else:
        _git(
            part, context, [*at, "-c", "advice.detachedHead=false", "checkout", "-q", "--detach", part.commit]
        )


def _join_submodules(parts: tuple[CheckOut, ...], into: Path, context: SourceContext) -> None:
    """Register each submodule in the repository that it is in, so that ``git submodule update`` asks the real one."""
    by_path = {part.path: part for part in parts}
    for outer in parts:
        for link in outer.mirror.links(outer.commit):
            inner = by_path.get(f"{outer.path}/{link.path}" if outer.path else link.path)
            if inner is None or not link.name:
                continue
            for key, value in (("url", inner.mirror.url), ("active", "true")):
                words = ["-C", str(into / outer.path), "config", f"submodule.{link.name}.{key}", value]
                _git(outer, context, words)


def _set_push_url(part: CheckOut, clone: Clone, context: SourceContext) -> None:
    push = expand_alias(clone.source.url, clone.push_aliases)
    if push not in (clone.source.url, part.mirror.url):
        _git(part, context, ["-C", str(clone.into), "remote", "set-url", "--push", "origin", push])


def _git(part: CheckOut, context: SourceContext, arguments: list[str]) -> None:
    done = run(
        ["git", *HARDENED, *arguments],
        env=fetching_environment(str(part.mirror.path), context.git_environment),
        expected=None,
    )
    if done.returncode != 0:
        raise SourceError(
            f"cannot clone {shown(part.mirror.url)}: {complaint(done.stderr)}",
            hints=complaint_hints(done.stderr),
        )
