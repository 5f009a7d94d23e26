"""Which builds something in the cache belongs to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from lithify.store.damage import DamagedObject
from lithify.store.reach import Object, contents_of, places
from lithify.store.reading import Repository


class Owner(Struct, frozen=True, kw_only=True):
    """A build that a damaged thing belongs to."""

    kind: str
    """``chunk`` or ``system``; empty where not even that can be read any more."""
    name: str
    key: str
    """Its definition key."""
    path: str = ""
    """Where in it the damage is; empty where it is the build as a whole."""


class Builds:
    """Which builds the store has, for telling what something belongs to; read only where something is damaged."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: dict[str, tuple[str, Mapping[str, Any]]] | None = None
        """Key → commit, and what it says of itself (nothing where it cannot be read)."""

    def owners(self, objects: Collection[Object]) -> dict[Object, tuple[Owner, ...]]:
        """Return the builds that hold each of ``objects``."""
        found: dict[Object, list[Owner]] = {one: [] for one in objects}
        if not objects:
            return {}
        for key, (commit, _) in self._all().items():
            for one, path in places(self._repository, commit, objects).items():
                found[one].append(self._owner(key, path.removeprefix("all/")))
        return {one: tuple(owners) for one, owners in found.items()}

    def owners_of_key(self, key: str) -> tuple[Owner, ...]:
        """Return the build with a definition key."""
        return (self._owner(key),) if key in self._all() else ()

    def owners_of_ref(self, name: str) -> tuple[Owner, ...]:
        """Return the build that a ref of ours names, or named."""
        kind, _, key = name.partition("/")
        if kind == "d":
            return (self._owner(key),)
        return tuple(
            self._owner(own)
            for own, (_, said) in self._all().items()
            if kind == "b" and said.get("build-key") == key
        )

    def owners_of_content(self, digest: str) -> tuple[Owner, ...]:
        """Return the builds with some content."""
        return tuple(
            self._owner(key)
            for key, (commit, said) in self._all().items()
            if said and digest in contents_of(self._repository.commit(commit))
        )

    def logs(self) -> dict[str, str]:
        """Return the digests of the logs of all builds that tell one, by definition key."""
        return {
            key: str(said["log"])
            for key, (_, said) in self._all().items()
            if "log" in said and "content-from" not in said
        }

    def _all(self) -> dict[str, tuple[str, Mapping[str, Any]]]:
        if self._known is None:
            self._known = {}
            for name, commit in self._repository.refs("d").items():
                try:
                    said = self._repository.commit(commit).metadata
                except DamagedObject:
                    said = {}
                self._known[name.partition("/")[2]] = (commit, said)
        return self._known

    def _owner(self, key: str, path: str = "") -> Owner:
        _, said = self._all().get(key, ("", {}))
        name = str(said.get("name", "")) or self._name_in_a_system(key)
        return Owner(kind=str(said.get("kind", "")), name=name, key=key, path=path)

    def _name_in_a_system(self, key: str) -> str:
        """Return a chunk's name where only the systems that it is in still tell it."""
        commit = self._all().get(key, ("", {}))[0]
        for _, said in self._all().values():
            for artifact in said.get("artifacts", []) if said.get("kind") == "system" else []:
                if commit and artifact.get("commit") == commit:
                    return str(artifact.get("chunk", ""))
        return ""
