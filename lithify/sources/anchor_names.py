"""What anchors are called: the setting ``anchor-ref-format``, filled in."""

from __future__ import annotations

import re

from lithify.errors import UsageError
from lithify.process import run
from lithify.sources.git_program import query_environment

_FIELD = re.compile(r"\{(.*?)\}")


class AnchorNames:
    """The refs of one name. Raises :class:`UsageError` where a part of them, or the format, makes no ref."""

    def __init__(self, form: str, *, trove_id: str, name: str) -> None:
        self._form = form
        self._parts = {"trove_id": trove_id, "name": name}
        if not _is_ref(f"refs/heads/{name}/x"):
            raise UsageError(
                f"{name!r} cannot be part of a branch's name", hints=["such as v1.0, or release/1.0"]
            )
        if not _is_ref(f"refs/heads/{trove_id}/x"):
            raise UsageError(f"trove-id {trove_id} cannot be part of a branch's name")
        unknown = sorted(set(_FIELD.findall(form)) - {*self._parts, "commit_sha1"})
        if unknown:
            known = "{trove_id}, {name} and {commit_sha1}"
            raise UsageError(f"anchor-ref-format has {{{unknown[0]}}}", hints=[f"there are {known}"])
        if not form.startswith("refs/") or not _is_ref(self.ref("0" * 40)):
            raise UsageError(
                f"anchor-ref-format {form} makes no ref",
                hints=["such as refs/heads/anchors/{name}/{commit_sha1}"],
            )

    def ref(self, commit: str) -> str:
        """Return the anchor of a commit."""
        parts = {**self._parts, "commit_sha1": commit}
        return _FIELD.sub(lambda found: parts[found[1]], self._form)


def _is_ref(name: str) -> bool:
    done = run(["git", "check-ref-format", name], env=query_environment(), expected=None)
    return done.returncode == 0
