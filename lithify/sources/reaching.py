"""Whether commits stay in their repositories: whether a branch or tag leads to them."""

from __future__ import annotations

from lithify.errors import LithifyError
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror, mirror_of
from lithify.sources.urls import shown


class Reaching:
    """Looks for what leads to commits. Each repository is fetched once, since a branch may have gone since the last time; with
    ``no_git_update`` its mirror in the cache must do."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._failed: dict[str, str] = {}
        """Repository, as git is given it → why it could not be fetched; "" where it was."""

    def why_lost(self, repository: str, commit: str) -> str:
        """Return why a commit may be gone one day, or why nobody can tell; empty where a branch or tag leads to it."""
        try:
            mirror = mirror_of(repository, self._context)
        except LithifyError as error:
            return error.message
        failure = self._fetched(mirror)
        if failure:
            return failure
        if mirror.leads_to(commit):
            return ""
        if self._context.no_git_update and not mirror.has(commit):
            return f"commit {commit} of {shown(repository)} is not cached, and no-git-update is set"
        return f"no branch or tag of {shown(repository)} leads to {commit}"

    def _fetched(self, mirror: Mirror) -> str:
        if self._context.no_git_update:
            return ""
        if mirror.source not in self._failed:
            try:
                mirror.update()
                self._failed[mirror.source] = ""
            except LithifyError as error:
                self._failed[mirror.source] = error.message
        return self._failed[mirror.source]
