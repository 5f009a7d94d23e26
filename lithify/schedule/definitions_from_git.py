"""Definitions of a commit, in place of those on disk: what ``--repo REPO --ref REF`` means.

A repository on this machine is read where it stands, and any way of naming a commit that git knows is one (``HEAD~2``). Any
other has a mirror in the cache, as the repositories of chunks have.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from lithify.cache import open_cache
from lithify.config import Settings
from lithify.definitions.model import GitSource
from lithify.definitions.root import find_root
from lithify.definitions.scalars import sound_ref, sound_url
from lithify.definitions.tree import Definitions, load
from lithify.errors import SourceError
from lithify.events import Report
from lithify.facts import Facts
from lithify.sources.context import SourceContext
from lithify.sources.git_files import CommitPlace, CommittedFiles, git_dir_of, lay_out
from lithify.sources.git_mirror import mirror_of
from lithify.sources.git_program import query
from lithify.sources.git_refs import resolve_refs
from lithify.sources.urls import checked_ref, shown


class Origin(Struct, frozen=True, kw_only=True):
    """A commit that a user named."""

    repo: str
    """A URL, ``alias:path``, or a path from the current folder."""
    ref: str


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks: what is needed to find a repository."""

    cwd: Path
    settings: Settings
    environment: Mapping[str, str]
    """For git alone, which fetches as the user configured it."""
    report: Report


class FoundCommit(Struct, frozen=True, kw_only=True):
    """Where a commit's definitions are."""

    place: CommitPlace
    root: Path
    """The root of the definitions on disk, or the mirror."""


def find_commit(origin: Origin, caller: Caller) -> FoundCommit:
    """Return the commit that an origin means; asks its server unless the repository is on this machine.

    Raises :class:`SourceError` where there is no such repository or commit.
    """
    path = _local_path(origin.repo, caller.cwd)
    if path is not None:
        return _local_commit(origin, path)
    settings = caller.settings
    cache = open_cache(settings.cachedir.absolute())
    facts = Facts(cache.facts)
    try:
        context = SourceContext(
            cache=cache,
            facts=facts,
            definitions_root=caller.cwd,
            mirrors=settings.mirror,
            aliases=settings.pull_aliases(),
            report=caller.report,
            no_git_update=settings.no_git_update,
            git_environment=caller.environment,
        )
        mirror = mirror_of(origin.repo, context)
        source = _source(origin)
        commit = resolve_refs([source], context)[source]
        mirror.ensure(commit)
    finally:
        facts.close()
    return FoundCommit(place=CommitPlace(repository=mirror.path, commit=commit), root=mirror.path)


def definitions_of(origin: Origin, caller: Caller) -> Definitions:
    """Return the definitions of a commit, read from its repository."""
    found = find_commit(origin, caller)
    return load(found.root, read=CommittedFiles(found.place))


def folder_of(origin: Origin, caller: Caller) -> Path:
    """Return a folder of the cache that holds the definitions of a commit, local sources and lock file with them."""
    found = find_commit(origin, caller)
    return lay_out(found.place, open_cache(caller.settings.cachedir.absolute()))


def _source(origin: Origin) -> GitSource:
    try:
        return GitSource(url=sound_url(origin.repo), ref=sound_ref(checked_ref(origin.ref)))
    except ValueError as error:
        raise SourceError(f"the repository {shown(origin.repo)} cannot be asked for {origin.ref}") from error


def _local_path(repo: str, cwd: Path) -> Path | None:
    """Return the folder that a repository is in on this machine; None where it stands elsewhere."""
    if repo.lower().startswith("file://"):
        return Path(unquote(urlsplit(repo).path))
    path = Path(os.path.normpath(cwd / repo))
    return path if path.is_dir() else None


def _local_commit(origin: Origin, path: Path) -> FoundCommit:
    top = next((folder for folder in (path, *path.parents) if git_dir_of(folder) is not None), None)
    repository = None if top is None else git_dir_of(top)
    if top is None or repository is None:
        raise SourceError(f"{origin.repo} is no git repository")
    commit = _rev_parse(repository, origin.ref)
    if commit is None:
        raise SourceError(f"the repository {origin.repo} has no branch, tag or commit {origin.ref}")
    root = top if repository == top else find_root(path)
    folder = os.path.relpath(root, top)
    place = CommitPlace(repository=repository, commit=commit, folder="" if folder == "." else folder)
    return FoundCommit(place=place, root=root)


def _rev_parse(repository: Path, ref: str) -> str | None:
    if not ref or "\0" in ref:
        return None
    name = f"{ref}^{{commit}}"
    done = query(repository, "rev-parse", "--verify", "-q", "--end-of-options", name, expected=None)
    return done.stdout.decode().strip() if done.returncode == 0 else None
