"""``--repo REPO --ref REF``: which definitions a command reads, those on disk or those of a commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from lithify.cli.invocation import Invocation
from lithify.definitions.root import find_root
from lithify.definitions.tree import Definitions, load
from lithify.errors import UsageError
from lithify.events import Report
from lithify.schedule.definitions_from_git import Caller, Origin, definitions_of
from lithify.sources.git_files import git_dir_of

RepoOption = Annotated[
    str, typer.Option("--repo", help="take the definitions from this git repository: URL, alias:path or path")
]
RefOption = Annotated[str, typer.Option("--ref", help="the commit, branch or tag of --repo")]


def origin_of(repo: str, ref: str) -> Origin | None:
    """Return the commit that the two options name; None: the definitions on disk."""
    if bool(repo) != bool(ref):
        raise UsageError("--repo and --ref are given both or neither")
    return Origin(repo=repo, ref=ref) if repo else None


def caller_of(invocation: Invocation, report: Report) -> Caller:
    """Return what finding a repository needs of an invocation."""
    return Caller(
        cwd=invocation.cwd,
        settings=invocation.settings,
        environment=invocation.environment,
        report=report,
    )


def read_definitions(invocation: Invocation, report: Report, origin: Origin | None = None) -> Definitions:
    """Return the definitions of a commit, or those around the folder where the command was started."""
    if origin is not None:
        return definitions_of(origin, caller_of(invocation, report))
    return load(find_root(invocation.cwd))


def with_old_spelling(
    invocation: Invocation, origin: Origin | None, words: Sequence[str]
) -> tuple[Origin | None, tuple[str, ...]]:
    """Return origin and systems of ``REPO REF SYSTEM ...``, as morph took them, or of ``SYSTEM...``.

    Words are morph's where they come in threes and the first is a folder or has a colon, as no system's name has. Raises
    :class:`UsageError` for systems of several commits: a command reads one tree.
    """
    threes = bool(words) and len(words) % 3 == 0
    if origin is not None or not threes or not (":" in words[0] or (invocation.cwd / words[0]).is_dir()):
        return origin, tuple(words)
    origins = {Origin(repo=words[at], ref=words[at + 1]) for at in range(0, len(words), 3)}
    if len(origins) > 1:
        raise UsageError("all systems must be of one commit", hints=["--repo REPO --ref REF SYSTEM..."])
    return origins.pop(), tuple(words[2::3])


def one_of_a_commit(
    invocation: Invocation, origin: Origin | None, words: Sequence[str]
) -> tuple[Origin | None, list[str]]:
    """Return origin and the rest of ``REPO REF NAME ...``, as morph took them, or of ``NAME ...``.

    The first word is a repository where it has a colon or is a folder that git keeps; a system of that name is no folder.
    """
    if origin is None and len(words) >= 3:
        folder = invocation.cwd / words[0]
        if ":" in words[0] or (folder.is_dir() and git_dir_of(folder) is not None):
            return Origin(repo=words[0], ref=words[1]), list(words[2:])
    return origin, list(words)
