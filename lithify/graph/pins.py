"""What a declared source is pinned to, and the name under which it is looked up.

A pin is made in ``sources/`` (from the lock file, from the network, from files at hand). Here is only its form, because keys
are made of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from lithify.definitions.model import (
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    PypiSource,
    Source,
    WorkspaceSource,
)
from lithify.graph.canonical import Value

_PLAIN_WORD = re.compile(r"[A-Za-z0-9._:/+~@%=-]+\Z")
COMMIT = re.compile(r"[0-9a-f]{40}\Z")
"""A ``ref`` that names a commit by itself, and so needs nobody to say what it means."""


class Pin(Struct, frozen=True, kw_only=True):
    """What a source is, to the byte."""

    kind: str
    digest_data: Mapping[str, Value]
    """What identifies the content, and goes into keys: a commit, digests, versions. Equal content, equal data."""
    fetch: Mapping[str, Value] = field(default_factory=dict)
    """What helps to get it, and is in no key: URLs, file names, sizes."""


def git_pin(commit: str, *, fetch: Mapping[str, Value] | None = None) -> Pin:
    """Return the pin of a commit, which says all: its tree, and the commits of its submodules."""
    return Pin(kind="git", digest_data={"commit": commit}, fetch=fetch or {})


def declared_pin(source: Source) -> Pin | None:
    """Return the pin that the declaration itself gives, asking nobody: a git ``ref`` that is a whole commit."""
    if isinstance(source, GitSource) and source.ref is not None and COMMIT.match(source.ref):
        return git_pin(source.ref)
    return None


def declared_pins(sources: Iterable[Source]) -> dict[Source, Pin]:
    """Return the pins of all sources that need no lock file and no network."""
    found = ((source, declared_pin(source)) for source in sources)
    return {source: pin for source, pin in found if pin is not None}


def source_identity(source: Source) -> str:
    """Return the text that names a declared source in the lock file: ``archive url=https://…``.

    Two declarations have the same identity exactly when the same pin serves both: how a source is laid out (``into``,
    ``strip``, whether ``patches`` are applied) is no part of it, and the order of package names neither.
    """
    fields = _identity_fields(source)
    words = (f"{name}={_word(value)}" for name, value in sorted(fields.items()) if value not in (None, ()))
    return " ".join((source.kind, *words))


def _identity_fields(source: Source) -> dict[str, str | tuple[str, ...] | None]:
    match source:
        case GitSource():
            overrides = tuple(
                json.dumps([name, url]) if "=" in name or "[" in name else f"{name}={url}"
                for name, url in source.submodules
            )
            return {"url": source.url, "ref": source.ref, "track": source.track, "submodules": overrides}
        case ArchiveSource():
            return {"url": source.url}
        case DebianSourcePackage():
            return {"package": source.package, "suite": source.suite}
        case DebianBinaries():
            return {
                "packages": tuple(sorted(set(source.packages))),
                "suite": source.suite,
                "arch": source.arch,
                "dependencies": None if source.dependencies else "no",
                "recommends": "yes" if source.recommends else None,
                "exclude": tuple(sorted(set(source.exclude))),
            }
        case PypiSource():
            return {"project": source.project, "version": source.version}
        case LocalSource() | PatchSource() | WorkspaceSource():
            return {"path": source.path}


def _word(value: str | tuple[str, ...] | None) -> str:
    """Return a value as it stands in an identity: quoted as in JSON where it would not be one plain word."""
    if isinstance(value, tuple):
        return ",".join(_word(item) for item in value)
    return value if value and _PLAIN_WORD.match(value) else json.dumps(value)
