"""A chunk's sources are laid over one another: the one tree that is built, and its digest.

A tree's digest is a fact of its pins and layout, kept in the cache, so that a build key is known without unpacking anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify.cache import remove_tree
from lithify.definitions.model import GitSource, Source
from lithify.errors import SourceError
from lithify.graph.canonical import digest
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.graph.pins import Pin
from lithify.sources.context import SourceContext
from lithify.sources.git import keep_git as put_git_folder
from lithify.sources.git import refresh_index
from lithify.sources.kinds import kind_of
from lithify.sources.laying import lay_over, resolve_inside
from lithify.sources.tree import seal

_FACT = "source-tree"
_FORMAT = 1
"""Part of every fact; raised when the same pins come to another tree."""


def known_tree_digest(
    sources: Sequence[Source], pins: Mapping[Source, Pin], context: SourceContext, *, keep_git: bool = False
) -> str | None:
    """Return the digest that :func:`compose` gives for these pins, where it was composed before; else None."""
    return context.facts.get(_FACT, _fact_key(sources, pins, keep_git))


def keep_tree_digest(
    sources: Sequence[Source],
    pins: Mapping[Source, Pin],
    context: SourceContext,
    digest: str,
    *,
    keep_git: bool = False,
) -> None:
    """Keep what :func:`known_tree_digest` returns from now on."""
    context.facts.put(_FACT, _fact_key(sources, pins, keep_git), digest)


def compose(
    sources: Sequence[Source],
    pins: Mapping[Source, Pin],
    into: Path,
    context: SourceContext,
    *,
    keep_git: bool = False,
) -> str:
    """Lay sources over one another in the empty folder ``into``, and return the digest of the tree.

    What is not in the cache yet is fetched. Every file gets the time :data:`SOURCE_DATE_EPOCH`. With ``keep_git`` each git
    source has its ``.git``, and its commit counts in the digest. Raises :class:`~lithify.errors.SourceError`,
    :class:`~lithify.errors.UnsafeContent`, :class:`~lithify.errors.MergeConflict` or :class:`~lithify.errors.NoSpace`.
    """
    kept: list[tuple[GitSource, Path]] = []
    known: str | None = None
    for source in sources:
        kind, pin = kind_of(source), pins[source]
        if not kind.is_fetched(source, pin, context):
            kind.fetch(source, pin, context)
        below = _folder(source, into)
        if kind.in_place:
            kind.unpack(source, pin, into / below, context)
            continue
        with_git = keep_git and isinstance(source, GitSource)
        if not any((into / below).iterdir()):
            laid = kind.unpack(source, pin, into / below, context)
            known = laid if len(sources) == 1 and not below else None
        else:
            _unpack_over(source, pin, into, below, context)
        if with_git and isinstance(source, GitSource):
            put_git_folder(source, pin, into / below, context)
            kept.append((source, into / below))
    tree = seal(into, time=SOURCE_DATE_EPOCH, leave_out=[folder / ".git" for _, folder in kept], known=known)
    for _, folder in kept:
        refresh_index(folder, context)
    if kept:
        tree = digest({"tree": tree, "commits": [pins[source].digest_data for source, _ in kept]})
    keep_tree_digest(sources, pins, context, tree, keep_git=keep_git)
    return tree


def _folder(source: Source, into: Path) -> str:
    """Return the folder of a source's ``into``, below the tree and without links; it is there afterwards."""
    if source.into.startswith("/") or ".." in source.into.split("/"):
        raise SourceError(f"into: {source.into} leaves the build folder")
    below = resolve_inside(into, source.into)
    folder = into
    for part in below.split("/") if below else ():
        folder = folder / part
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o755)
    if not folder.is_dir():
        raise SourceError(f"into: {source.into} is a file of an earlier source")
    return below


def _unpack_over(source: Source, pin: Pin, into: Path, below: str, context: SourceContext) -> None:
    """Unpack a source beside the tree, and move it over what is there already."""
    aside = into.with_name(f".{into.name}.source")
    remove_tree(aside)
    aside.mkdir()
    try:
        kind_of(source).unpack(source, pin, aside, context)
        lay_over(aside, into, below, kind_of(source).label(source, pin))
    finally:
        remove_tree(aside)


def _fact_key(sources: Sequence[Source], pins: Mapping[Source, Pin], keep_git: bool) -> str:
    return digest(
        {
            "format": _FORMAT,
            "keep-git": keep_git,
            "sources": [
                [
                    source.kind,
                    source.into,
                    kind_of(source).layout(source),
                    pins[source].digest_data,
                    dict(source.submodules) if isinstance(source, GitSource) else {},
                ]
                for source in sources
            ],
        }
    )
