"""What differs between the formats 0 to 9 of the definitions language, whole.

Two tables: :data:`CHANGES` says how a definition is understood, each format as what it changes in the one before;
:data:`SPANS` says which fields came and went. All other code asks these tables, and compares no format numbers.
Sources: the history of the ``VERSION`` file, and what the programs of the time did (see the manual, "Formats").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

Severity = Literal["error", "warning"]


class Format(Struct, frozen=True, kw_only=True):
    """How one format of the language is understood."""

    number: int
    omitted_build_depends: Literal["all earlier chunks", "none"]
    """What a chunk entry without ``build-depends`` depends on, of its own stratum."""
    chunk_files_in_repositories: bool
    """A ``morph:`` that is not in the definitions is looked for in the chunk's repository."""
    detects_build_systems: bool
    """A chunk entry with neither ``morph`` nor ``build-system`` is no error: NAME.morph is looked for in the definitions,
    then in the chunk's repository, then the build system is detected from the source's files."""
    strips: bool
    """Build systems strip what they installed."""
    defaults: Literal["classic", "file", "built in"]
    """``classic``: the build systems and split rules of 2015, no ``DEFAULTS``; ``file``: those of ``DEFAULTS`` alone;
    ``built in``: those of format 9, to which ``DEFAULTS`` adds."""
    old_architectures: Mapping[str, str]
    """Names of architectures that meant another name."""
    obsolete_fields: Literal["warning", "error"]
    """What a field is that no program read any more, but accepted."""
    unknown_inner_field: Severity
    """What an unknown field below the top level is; at the top level, in ``products`` and in ``DEFAULTS`` it is always
    an error."""
    duplicate_key: Severity
    """What a key is that stands twice in a mapping; the last one counts."""
    stratum_needs_base: bool
    """A stratum without ``build-depends`` must hold a chunk in ``bootstrap`` or ``test`` mode."""
    needs_staged_chunk: bool
    """A system's graph must hold a chunk that is not in ``bootstrap`` mode."""
    yaml_numbers: Literal["1.1", "decimal"]
    """How free values (deployment variables) are read: ``010`` and ``12:30:45`` are numbers in YAML 1.1, else text."""
    inline_chunks: bool
    """A chunk entry may hold what a chunk file holds."""
    pinned: bool
    """Sources are pinned by ``lithify.lock``; else a ref that is a branch or tag is resolved when a build starts."""
    classic_metadata: bool
    """Systems hold morph's ``os-release`` and ``.meta`` fields."""


class Change(Struct, frozen=True):
    """What a format changed."""

    format: int
    summary: str
    values: Mapping[str, Any]


_FIRST = Format(
    number=0,
    omitted_build_depends="all earlier chunks",
    chunk_files_in_repositories=True,
    detects_build_systems=True,
    strips=False,
    defaults="classic",
    old_architectures={"armv7": "armv7l"},
    obsolete_fields="warning",
    unknown_inner_field="warning",
    duplicate_key="warning",
    stratum_needs_base=True,
    needs_staged_chunk=True,
    yaml_numbers="1.1",
    inline_chunks=False,
    pinned=False,
    classic_metadata=True,
)

CHANGES = (
    Change(1, "chunk entries may leave out build-depends", {"omitted_build_depends": "none"}),
    Change(2, "the file that morph: names is in the definitions", {"chunk_files_in_repositories": False}),
    Change(3, "install-essential-files; architecture armv5l", {}),
    Change(4, "install-files may overwrite symbolic links", {}),
    Change(5, "strip-commands; extensions live in the definitions", {"strips": True}),
    Change(6, "a chunk says its build system or names its file", {"detects_build_systems": False}),
    Change(
        7,
        "build systems and split rules stand in DEFAULTS",
        {"defaults": "file", "old_architectures": {}, "obsolete_fields": "error"},
    ),
    Change(8, "URLs of submodules in strata", {}),
    Change(
        9,
        "sources of many kinds, pinned by a lock file; chunks in their stratum; strict reading",
        {
            "defaults": "built in",
            "unknown_inner_field": "error",
            "duplicate_key": "error",
            "stratum_needs_base": False,
            "needs_staged_chunk": False,
            "yaml_numbers": "decimal",
            "inline_chunks": True,
            "pinned": True,
            "classic_metadata": False,
        },
    ),
)


class Span(Struct, frozen=True):
    """Since which format a field of a kind of mapping is read; fields that no row names were there from the start."""

    kind: str
    """As the models name themselves: ``chunk``, ``chunk entry``, …"""
    fields: tuple[str, ...]
    since: int


_COMMANDS = tuple(
    f"{hook}{step}-commands"
    for step in ("configure", "build", "test", "install", "strip")
    for hook in ("pre-", "", "post-")
)
_FACTS = ("licence", "purl", "cpe", "homepage")
_NEW_IN_CHUNKS = ("sources", "environment", "compiler-cache", "keep-git", "resources", "timeout", *_FACTS)

SPANS = (
    Span("chunk", ("pre-strip-commands", "strip-commands", "post-strip-commands"), since=5),
    Span("build system", ("strip-commands",), since=5),
    Span("chunk entry", ("submodules",), since=8),
    Span("chunk", _NEW_IN_CHUNKS, since=9),
    Span("chunk entry", _NEW_IN_CHUNKS, since=9),
    Span(
        "chunk entry",
        ("description", "max-jobs", "products", "system-integration", "devices", *_COMMANDS),
        since=9,
    ),
    Span("system", ("overlaps", "os-release", "classic-os-release"), since=9),
)

IGNORED = {"chunk": ("build-mode", "prefix", "submodules")}
"""Kind → fields that the formats before 9 accept and nothing reads: the stratum's entry says them."""

OBSOLETE = {
    "stratum reference": ("repo", "ref", "name", "alias"),
    "stratum selection": ("repo", "ref", "alias"),
    "cluster system": ("repo", "ref"),
    "system": ("system-kind", "disk-size"),
}
"""Kind → fields from before format 0, accepted as :attr:`Format.obsolete_fields` says."""

FIRST_FORMAT = {(span.kind, field): span.since for span in SPANS for field in span.fields}
"""(kind, field) → the first format that reads it, where that is not 0."""


def _formats() -> tuple[Format, ...]:
    formats = [_FIRST]
    for change in CHANGES:
        formats.append(replace(formats[-1], number=change.format, **change.values))
    return tuple(formats)


FORMATS = _formats()
"""All formats; the index is the number."""

LATEST = FORMATS[-1]
