"""What branches and tags mean: asked of their servers. Nothing is fetched, unless a commit is named by a part of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from lithify.definitions.model import GitSource
from lithify.errors import FetchError, SourceError
from lithify.graph.pins import COMMIT
from lithify.process import start
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror, mirror_of
from lithify.sources.git_program import (
    HARDENED,
    SILENCE_SECONDS,
    ask_server,
    complaint,
    complaint_hints,
    fetching_environment,
)
from lithify.sources.urls import checked_ref, shown

_AT_ONCE = 8
"""Servers that are asked at the same time."""


def resolve_refs(sources: Iterable[GitSource], context: SourceContext) -> dict[GitSource, str]:
    """Return the commit that the ``ref`` of each source means now; servers are asked at the same time.

    No thread is started, since a run may still have to enter its namespace. With ``no_git_update`` the mirrors in the cache
    answer. Raises :class:`FetchError` for a server that does not answer, :class:`SourceError` for a ref that is not there.
    """
    found: dict[GitSource, str] = {}
    asked: list[tuple[GitSource, Mirror, str]] = []
    for source in dict.fromkeys(sources):
        ref = checked_ref(source.ref or "HEAD")
        mirror = mirror_of(source.url, context)
        if COMMIT.match(ref):
            found[source] = ref
        elif context.no_git_update:
            found[source] = mirror.resolve(ref) or _not_cached(mirror, ref)
        else:
            asked.append((source, mirror, ref))
    for begin in range(0, len(asked), _AT_ONCE):
        batch = asked[begin : begin + _AT_ONCE]
        running = [(source, mirror, ref, _ask(mirror, ref, context)) for source, mirror, ref in batch]
        for source, mirror, ref, child in running:
            found[source] = _answer(mirror, ref, child)
    return found


def _ask(mirror: Mirror, ref: str, context: SourceContext) -> subprocess.Popen[bytes]:
    patterns = (
        [ref] if ref == "HEAD" or ref.startswith("refs/") else [f"refs/tags/{ref}", f"refs/heads/{ref}"]
    )
    return start(
        ["git", *HARDENED, "ls-remote", "--", mirror.source, *patterns, *(f"{p}^{{}}" for p in patterns)],
        env=fetching_environment(mirror.source, context.git_environment),
    )


def _answer(mirror: Mirror, ref: str, child: subprocess.Popen[bytes]) -> str:
    with child:
        try:
            said, complained = child.communicate(timeout=SILENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise FetchError(
                f"the repository {shown(mirror.url)} did not answer within {SILENCE_SECONDS:.0f} s"
            ) from error
    if child.returncode != 0:
        raise FetchError(
            f"cannot ask the repository {shown(mirror.url)} for {ref}: {complaint(complained)}",
            hints=complaint_hints(complained),
        )
    refs = _refs(said)
    for name in (ref, f"refs/tags/{ref}", f"refs/heads/{ref}"):
        if name in refs:
            return refs[name]
    if re.fullmatch(r"[0-9a-f]{7,39}", ref):
        mirror.update()
        commit = mirror.resolve(ref)
        if commit is not None:
            return commit
    raise SourceError(f"the repository {shown(mirror.url)} has no branch, tag or commit {ref}")


def _refs(said: bytes) -> dict[str, str]:
    """Return name → commit of what ``ls-remote`` says; a tag object gives the commit that it stands for."""
    refs: dict[str, str] = {}
    for line in said.decode(errors="surrogateescape").splitlines():
        commit, _, name = line.partition("\t")
        if name.endswith("^{}"):
            refs[name.removesuffix("^{}")] = commit
        else:
            refs.setdefault(name, commit)
    return refs


def _not_cached(mirror: Mirror, ref: str) -> str:
    raise FetchError(
        f"{ref} of the repository {shown(mirror.url)} is not cached yet",
        hints=["git servers are not asked, because of the setting no-git-update"],
    )


def listed_refs(mirror: Mirror) -> dict[str, str]:
    """Return all branches and tags of a server, full name → commit."""
    done = ask_server(["ls-remote", "--heads", "--tags", "--", mirror.source], mirror.source, mirror.context)
    if done.returncode != 0:
        raise FetchError(
            f"cannot ask the repository {shown(mirror.url)} for its branches: {complaint(done.stderr)}",
            hints=complaint_hints(done.stderr),
        )
    return _refs(done.stdout)


def newest_commit(refs: Mapping[str, str], track: str, url: str) -> str:
    """Return the commit of the branch or tag ``track``, or of the highest version among the tags that it is a pattern of."""
    for name in (f"refs/heads/{track}", f"refs/tags/{track}"):
        if name in refs:
            return refs[name]
    tags = [
        name
        for name in refs
        if fnmatchcase(name.removeprefix("refs/tags/"), track) and name.startswith("refs/tags/")
    ]
    if not tags:
        raise SourceError(
            f"the repository {shown(url)} has no branch or tag {track}",
            hints=["a pattern of tags has * or ?, as in `track: v1.*`"],
        )
    return refs[max(tags, key=version_order)]


def version_order(tag: str) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts tags by version: numbers by value, and 1.2-rc1 before 1.2."""
    parts: list[tuple[int, int, str]] = []
    for number, word in re.findall(r"([0-9]+)|([a-zA-Z]+)", tag):
        if number:
            parts.append((2, int(number), ""))
        elif re.fullmatch(r"(?i)(alpha|beta|pre|rc|dev|a|b)", word) and parts:
            parts.append((0, 0, word.lower()))
        elif parts:
            parts.append((1, 0, word.lower()))
    return (*parts, (1, 0, ""))
