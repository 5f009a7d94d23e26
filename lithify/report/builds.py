"""The builds of a name that the store knows: the last one, and the one before it."""

from __future__ import annotations

from collections.abc import Iterator

from lithify.build.metadata import last_ref
from lithify.graph.keys import Keys, Kind
from lithify.graph.model import DefinitionKey
from lithify.store.reading import Commit, Repository


def last_build(repository: Repository, keys: Keys, kind: Kind, name: str) -> str | None:
    """Return the commit of the last build of a name; None where there is none.

    Where workspaces go into it, that of the last build with the same ones, else of the last clean one.
    """
    arch = keys.graph.system.arch
    workspaces = keys.workspaces_of_system() if kind == "system" else keys.workspaces_of(name)
    if workspaces:
        found = repository.ref(last_ref(kind, name, arch, workspaces))
        if found is not None:
            return found
    return repository.ref(last_ref(kind, name, arch))


def build_before(
    repository: Repository, keys: Keys, kind: Kind, name: str, key: DefinitionKey
) -> Commit | None:
    """Return the last build of a name with another key than ``key``; None where there is none. See :func:`last_build`.

    Where the last build is the one with ``key``, all that is in the store is looked through for the one before.
    """
    arch = keys.graph.system.arch
    last = last_build(repository, keys, kind, name)
    if last is not None:
        commit = repository.commit(last)
        if commit.metadata["definition-key"] != key:
            return commit
    others = [one for one in _builds(repository, kind, name, arch) if one.metadata["definition-key"] != key]
    return max(others, key=made_at, default=None)


def made_at(commit: Commit) -> int:
    """Return when a build got its key, in seconds since 1970: when it was built, or found equal to an earlier one."""
    metadata = commit.metadata
    return int(metadata.get("adopted-at", metadata["built-at"]))


def _builds(repository: Repository, kind: Kind, name: str, arch: str) -> Iterator[Commit]:
    for checksum in sorted(set(repository.refs("d").values())):
        commit = repository.commit(checksum)
        metadata = commit.metadata
        if (metadata["kind"], metadata["name"]) == (kind, name) and metadata.get("arch", arch) == arch:
            yield commit
