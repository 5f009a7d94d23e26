"""Which pin each declared source has in this run: from its declaration, from the lock, from files, or (before format 9) from
the server that its branch is on.
"""

from __future__ import annotations

from collections.abc import Mapping

from lithify.definitions.model import GitSource, LocalSource, Source
from lithify.errors import SourceError, Unpinned
from lithify.events import Warned
from lithify.graph.pins import Pin, declared_pin, git_pin, source_identity
from lithify.sources.context import SourceContext
from lithify.sources.git_refs import resolve_refs
from lithify.sources.kinds import UNLOCKED, kind_of
from lithify.sources.local import pin_folders
from lithify.sources.lock import Lock

LOCK_FORMAT = 9
"""The first definitions format in which nothing but the lock file says what a branch or tag means."""


def resolve_pins(
    declared: Mapping[Source, str], lock: Lock, context: SourceContext, format: int
) -> dict[Source, Pin]:
    """Return the pins of all declared sources that have one; ``declared``: source → a chunk that has it.

    In format 9 what is not pinned is left out, so that everything else of a graph still works (:func:`refuse_unpinned`);
    before it, branches and tags are looked up on their servers, with a warning. Raises :class:`SourceError` for a local file
    that is missing, or a server that does not answer.
    """
    folders = [source for source in declared if isinstance(source, LocalSource)]
    pins = pin_folders(folders, context)
    floating: list[GitSource] = []
    for source, chunk in declared.items():
        if source in pins:
            continue
        pin = declared_pin(source) or lock.get(source)
        if pin is not None:
            pins[source] = pin
        elif source.kind in UNLOCKED:
            pins[source] = _read(source, chunk, context)
        elif format < LOCK_FORMAT and isinstance(source, GitSource):
            floating.append(source)
    for git, commit in resolve_refs(floating, context).items():
        context.report(
            Warned(
                text=f"{declared[git]}: {git.ref} of {git.url} is commit {commit} today; a branch or tag may move"
            )
        )
        pins[git] = git_pin(commit)
    return pins


def refuse_unpinned(declared: Mapping[Source, str], pins: Mapping[Source, Pin]) -> None:
    """Raise :class:`Unpinned`, naming chunks and the command that pins, where a source has no pin."""
    missing = {source: chunk for source, chunk in declared.items() if source not in pins}
    if not missing:
        return
    first = next(iter(missing))
    chunks = sorted(set(missing.values()))
    more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise Unpinned(
        f"{missing[first]}: not pinned: {source_identity(first)}{more}",
        hints=[
            "`lithify lock` pins what is not pinned yet",
            *([f"also in {', '.join(chunks)}"] if more else []),
        ],
    )


def _read(source: Source, chunk: str, context: SourceContext) -> Pin:
    try:
        return kind_of(source).pin(source, context)
    except SourceError as error:
        error.message = f"{chunk}: {error.message}"
        raise
