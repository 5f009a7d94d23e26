"""Bare mirrors in ``sources/git/`` of the cache: one a repository, shared by all chunks and commands, under a lock.

A mirror is fetched only when a commit is missing in it, or when a branch or tag must be looked up and nobody pinned it.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import AbstractContextManager
from pathlib import Path

from msgspec import Struct

from lithify.cache import hold_lock, publish, remove_tree
from lithify.crash import crash_point
from lithify.errors import FetchError, PinGone, SourceError
from lithify.events import Waiting
from lithify.process import run
from lithify.sources.context import SourceContext
from lithify.sources.git_program import HARDENED, fetch, query, query_environment
from lithify.sources.progress import Progress
from lithify.sources.urls import checked_ref, expand_alias, git_url, mirrored, shown

_ALL_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_PINNED = "refs/lithify/pinned"
"""Where commits are kept that no branch or tag of the server leads to."""


class GitLink(Struct, frozen=True, kw_only=True):
    """A submodule, as a commit has it."""

    path: str
    name: str
    url: str
    """As in ``.gitmodules``; "" where nothing is said of it there."""
    commit: str


class Mirror(Struct, frozen=True, kw_only=True):
    """A repository's mirror, whether it is there already or not."""

    url: str
    """Where the repository stands: alias expanded, before any mirror setting; relative submodule URLs start from here."""
    source: str
    """What is given to git."""
    path: Path
    context: SourceContext

    def exists(self) -> bool:
        """Whether it was fetched before."""
        return (self.path / "HEAD").exists()

    def has(self, commit: str) -> bool:
        """Whether a commit is in it; asks nobody else."""
        return (
            self.exists()
            and query(self.path, "cat-file", "-e", f"{commit}^{{commit}}", expected=None).returncode == 0
        )

    def leads_to(self, commit: str) -> bool:
        """Whether a branch or tag of it leads to a commit; asks nobody else."""
        if not self.has(commit):
            return False
        found = query(
            self.path, "for-each-ref", "--count=1", f"--contains={commit}", "--", "refs/heads", "refs/tags"
        )
        return bool(found.stdout)

    def update(self) -> None:
        """Fetch all branches and tags. Raises :class:`FetchError`."""
        self._refuse_where_forbidden()
        with self._locked(), Progress(shown(self.url), self.context.report) as progress:
            self._fetch(_ALL_REFS, progress)

    def ensure(self, commit: str) -> None:
        """Have a commit, fetching what the server has where it is missing.

        Raises :class:`PinGone` where the server no longer has it.
        """
        if self.has(commit):
            return
        self._refuse_where_forbidden()
        with self._locked():
            if self.has(commit):
                return  # another command fetched it while we waited
            with Progress(shown(self.url), self.context.report) as progress:
                self._fetch(_ALL_REFS, progress)
                if self.has(commit):
                    return
                # No branch or tag leads to it; many servers give a commit that is asked for by name.
                try:
                    self._fetch([f"+{commit}:{_PINNED}/{commit}"], progress)
                except FetchError as error:
                    raise PinGone(
                        f"commit {commit} is not in the repository {shown(self.url)}: {error.message}",
                        hints=["it may never have been pushed, or its branch was rewritten"],
                    ) from error

    def resolve(self, ref: str) -> str | None:
        """Return the commit that a ref or an abbreviated commit means in the mirror as it is."""
        if not self.exists():
            return None
        name = f"{checked_ref(ref)}^{{commit}}"
        done = query(
            self.path, "rev-parse", "--verify", "-q", "--end-of-options", name, expected=None
        ).stdout.decode()
        return done.strip() if re.fullmatch(r"[0-9a-f]{40}\s*", done) else None

    def tree(self, commit: str) -> str:
        """Return the id of a commit's tree; kept as a fact."""
        known = self.context.facts.get("git-tree", commit)
        if known is None:
            known = query(self.path, "rev-parse", "--verify", f"{commit}^{{tree}}").stdout.decode().strip()
            self.context.facts.put("git-tree", commit, known)
        return known

    def links(self, commit: str) -> tuple[GitLink, ...]:
        """Return the submodules of a commit; kept as a fact."""
        known = self.context.facts.get("git-submodules", commit)
        if known is None:
            known = json.dumps(self._read_links(commit))
            self.context.facts.put("git-submodules", commit, known)
        return tuple(
            GitLink(path=path, name=name, url=url, commit=sha) for path, name, url, sha in json.loads(known)
        )

    def merged_tags(self, commit: str) -> tuple[str, ...]:
        """Return the full names of the tags that lead to ancestors of a commit, sorted."""
        done = query(
            self.path, "for-each-ref", f"--merged={commit}", "--format=%(refname)", "refs/tags", expected=None
        )
        return tuple(sorted(done.stdout.decode(errors="surrogateescape").splitlines()))

    def _read_links(self, commit: str) -> list[tuple[str, str, str, str]]:
        if query(self.path, "cat-file", "-e", f"{commit}:.gitmodules", expected=None).returncode != 0:
            return []
        listed = query(self.path, "ls-tree", "-r", "-z", "--full-tree", commit).stdout
        commits: dict[str, str] = {}
        for line in listed.split(b"\0"):
            if line.startswith(b"160000 commit "):
                sha, _, path = line.removeprefix(b"160000 commit ").partition(b"\t")
                commits[path.decode(errors="surrogateescape")] = sha.decode()
        modules = self._read_modules(commit) if commits else {}
        by_path = {fields.get("path", ""): (name, fields.get("url", "")) for name, fields in modules.items()}
        return [(path, *by_path.get(path, ("", "")), sha) for path, sha in commits.items()]

    def _read_modules(self, commit: str) -> dict[str, dict[str, str]]:
        pattern = r"^submodule\..*\.(path|url)$"
        done = query(
            self.path,
            "config",
            "--blob",
            f"{commit}:.gitmodules",
            "-z",
            "--get-regexp",
            pattern,
            expected=None,
        )
        if done.returncode not in (0, 1):
            raise SourceError(f"{shown(self.url)}: the .gitmodules of {commit} cannot be read")
        modules: dict[str, dict[str, str]] = {}
        for item in done.stdout.decode(errors="surrogateescape").split("\0"):
            key, _, value = item.partition("\n")
            name, _, field = key.removeprefix("submodule.").rpartition(".")
            if name:
                modules.setdefault(name, {})[field] = value
        return modules

    def _locked(self) -> AbstractContextManager[None]:
        def waits(holder: str) -> None:
            self.context.report(Waiting(what=f"the repository {shown(self.url)}", holder=holder))

        return hold_lock(self.context.cache.locks / f"git-{self.path.name}", on_wait=waits)

    def _fetch(self, refspecs: tuple[str, ...] | list[str], progress: Progress) -> None:
        self._make()
        crash_point("git.fetch")
        self._remove_leftovers()
        try:
            fetch(self.path, self.source, refspecs, self.context, progress)
            crash_point("git.fetched")
        except FetchError as error:
            raise FetchError(
                f"cannot fetch the repository {shown(self.url)}: {error.message}", hints=error.hints
            ) from error

    def _remove_leftovers(self) -> None:
        """Remove what a fetch that was cut off left: parts of objects, and locks, at which every later one would stop.

        We hold the mirror's lock, so no other fetch is under way.
        """
        for pattern in ("objects/pack/*.temp", "objects/pack/tmp_*", "objects/??/*.temp", "objects/??/tmp_*"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)
        for folder in self.path.glob("objects/tmp_objdir-*"):
            remove_tree(folder)
        for pattern in ("*.lock", "objects/info/*.lock", "refs/**/*.lock"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def _make(self) -> None:
        def make(aside: Path) -> None:
            run(
                ["git", *HARDENED, "init", "-q", "--bare", "--template=", "--", str(aside)],
                env=query_environment(),
            )
            # A build that keeps .git takes its commit from here by name.
            query(aside, "config", "uploadpack.allowAnySHA1InWant", "true")

        publish(self.path, make, locks=self.context.cache.locks)

    def _refuse_where_forbidden(self) -> None:
        if self.context.no_git_update:
            raise FetchError(
                f"the repository {shown(self.url)} is not cached yet, or not up to date",
                hints=["git servers are not asked, because of the setting no-git-update"],
            )


def mirror_of(repository: str, context: SourceContext) -> Mirror:
    """Return the mirror of a repository as a definition names it: a URL, ``alias:path`` or a path.

    Raises :class:`SourceError` for a URL that cannot be given to git.
    """
    url = git_url(expand_alias(repository, context.aliases), context.definitions_root)
    readable = re.sub(r"[^0-9A-Za-z%]", "_", url.partition("://")[2] or url)[-80:].lstrip("_")
    name = f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"
    return Mirror(
        url=url,
        source=git_url(mirrored(url, context.mirrors), context.definitions_root),
        path=context.cache.sources / "git" / name,
        context=context,
    )
