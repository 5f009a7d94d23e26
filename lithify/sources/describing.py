"""Commits as people know them: ``git describe --tags`` in the repository that they are of."""

from __future__ import annotations

from urllib.parse import urlsplit

from lithify.errors import FetchError, LithifyError
from lithify.events import Warned
from lithify.graph.pins import COMMIT
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror, mirror_of
from lithify.sources.git_program import query
from lithify.sources.urls import shown


class Describer:
    """Describes refs of chunks' repositories. A repository is fetched once, where its mirror lacks the commit; a host that
    does not answer is not asked again."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._updated: set[str] = set()
        self._silent: set[str] = set()

    def commit(self, repository: str, ref: str) -> str | None:
        """Return the commit that a ref means, or None where nobody can tell."""
        if COMMIT.match(ref):
            return ref
        mirror = self._mirror_with(repository, ref)
        return None if mirror is None else mirror.resolve(ref)

    def describe(self, repository: str, ref: str) -> str:
        """Return the newest tag that leads to a ref's commit, with how far it is; else the commit, else the ref itself."""
        mirror = self._mirror_with(repository, ref)
        if mirror is None:
            return ref
        commit = mirror.resolve(ref)
        if commit is None:
            return ref
        done = query(mirror.path, "describe", "--tags", commit, expected=None)
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else commit

    def _mirror_with(self, repository: str, ref: str) -> Mirror | None:
        try:
            mirror = mirror_of(repository, self._context)
            if mirror.resolve(ref) is None and not self._context.no_git_update:
                self._update(mirror)
        except LithifyError as error:
            self._context.report(Warned(text=f"{error.message}; refs are shown as they are written"))
            return None
        return mirror if mirror.exists() else None

    def _update(self, mirror: Mirror) -> None:
        host = urlsplit(mirror.source).netloc or mirror.source
        if mirror.source in self._updated or host in self._silent:
            return
        self._updated.add(mirror.source)
        try:
            mirror.update()
        except FetchError as error:
            self._silent.add(host)
            raise FetchError(f"{error.message} ({shown(host)} is not asked again)") from error
