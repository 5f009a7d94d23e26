"""The compiler cache of a chunk: a folder that stays between its builds, for the ccache that it stages.

A chunk asks for one (``compiler-cache: yes``); before format 9 each chunk that stages a ccache has one, as with morph. It is
of this chunk and this compiler alone: what a build puts there, whatever it may be, no other chunk ever sees, and lithify
itself reads nothing of it. How often ccache found something is told by a log that each build begins anew.

Nothing of this is in a key: with an empty folder, or none, the same comes out.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct

from lithify.cache import CacheFolder
from lithify.graph.canonical import digest
from lithify.graph.environment import CCACHE_DIR, with_ccache
from lithify.graph.model import Chunk, ContentDigest
from lithify.staging.folders import plain_folder
from lithify.staging.sandbox import Bind
from lithify.store.survey import Survey

MOST_BYTES = "2G"
"""Of one folder; ccache itself throws away what was not used for long."""
_FORMAT = 1
_LOG_NAME = "compiler-cache.log"
_LOG_INSIDE = "/tmp/.compiler-cache.log"
_MOST_LOG_BYTES = 64 << 20
_CCACHE = frozenset({"usr/bin/ccache", "bin/ccache"})
_COMPILER = re.compile(
    r"(?:.*/)?(?:s?bin/(?:[^/]+-)?(?:cc|c\+\+|cpp|gcc|g\+\+|clang|clang\+\+|as)(?:-[\d.]+)?"
    r"|lib[^/]*/gcc[^/]*/(?:.*/)?cc1(?:plus|obj|objplus)?)"
)
_HITS = frozenset({"direct_cache_hit", "preprocessed_cache_hit"})
_MISSES = frozenset({"cache_miss"})


class Usage(Struct, frozen=True, kw_only=True):
    """How often ccache found what was to be compiled."""

    hits: int
    misses: int


class CompilerCache(Struct, frozen=True, kw_only=True):
    """What a sandbox needs for it."""

    binds: tuple[Bind, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


def stages_ccache(staged: Mapping[ContentDigest, Survey]) -> bool:
    """Return whether a chunk stages a ccache: the host's is never used. ``staged``: content digest → what is in the layer."""
    return any(path in names.files or path in names.symlinks for names in staged.values() for path in _CCACHE)


def compiler_identity(staged: Mapping[ContentDigest, Survey]) -> list[str]:
    """Return the digests of all staged that holds a program of a compiler; what else is staged, ccache looks at itself."""
    return sorted(
        digest for digest, names in staged.items() if _has_compiler((*names.files, *names.symlinks))
    )


def _has_compiler(paths: Collection[str]) -> bool:
    return any(_COMPILER.fullmatch(path) for path in paths)


def cache_name(chunk: Chunk, staged: Mapping[ContentDigest, Survey]) -> str:
    """Return the name of a chunk's folder below ``ccache/``: another for another compiler."""
    return digest(
        {
            "format": _FORMAT,
            "chunk": chunk.name,
            "arch": chunk.arch,
            "prefix": chunk.prefix,
            "compiler": compiler_identity(staged),
        }
    )


def cache_environment(chunk: Chunk, path: str, *, used: bool) -> dict[str, str]:
    """Return the variables for a chunk that stages a ccache; ``path`` is its PATH without it.

    They are the same whether the cache is used or not, but for ``CCACHE_DISABLE``: what a build writes down of PATH may not
    depend on a setting. The compiler is known by its content, since every file in a staging area has the same time.
    """
    if not chunk.compiler_cache:
        path = with_ccache(path)
    return {
        "PATH": path,
        "CCACHE_DIR": CCACHE_DIR,
        "CCACHE_COMPILERCHECK": "content",
        "CCACHE_MAXSIZE": MOST_BYTES,
        **({"CCACHE_STATSLOG": _LOG_INSIDE} if used else {"CCACHE_DISABLE": "1"}),
    }


def open_compiler_cache(
    cache: CacheFolder, scratch: Path, chunk: Chunk, staged: Mapping[ContentDigest, Survey]
) -> tuple[Bind, ...]:
    """Return what is bound into the sandbox: the chunk's folder, made if missing, and an empty log in ``scratch``."""
    folder = cache.compiler_caches / cache_name(chunk, staged)
    cache.compiler_caches.mkdir(mode=0o700, exist_ok=True)
    try:
        plain_folder(folder)
    except FileExistsError:
        os.utime(folder)  # when it was last used
    log = scratch / _LOG_NAME
    log.write_bytes(b"")
    return (
        Bind(source=folder, target=CCACHE_DIR, writable=True),
        Bind(source=log, target=_LOG_INSIDE, writable=True),
    )


def usage_of(scratch: Path) -> Usage | None:
    """Return what the log of a build says; None where there was no cache. The build may have written anything there."""
    try:
        descriptor = os.open(scratch / _LOG_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as log:
            words = log.read(_MOST_LOG_BYTES).decode(errors="replace").splitlines()
    finally:
        os.close(descriptor)
    return Usage(
        hits=sum(word in _HITS for word in words),
        misses=sum(word in _MISSES for word in words),
    )
