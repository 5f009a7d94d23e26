"""``lithify get-repo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lithify.cache import open_cache
from lithify.cli.expand_repo import patterns
from lithify.cli.get_chunk_details import all_strata, listed
from lithify.cli.origin import RefOption, RepoOption, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.definitions.model import GitSource
from lithify.definitions.nearest import did_you_mean
from lithify.errors import LithifyError
from lithify.graph.pins import declared_pin
from lithify.schedule.session import Session
from lithify.sources.cloning import Clone, make_clone
from lithify.sources.git import GitKind


def command(
    ctx: typer.Context,
    chunk: Annotated[str, typer.Argument(help="the chunk, of any stratum")],
    path: Annotated[
        str, typer.Argument(help="where to; default: named as the chunk, beside the definitions")
    ] = "",
    repo: RepoOption = "",
    ref: RefOption = "",
) -> None:
    """Clone a chunk's repository, with submodules, at the commit that is built, and print where to.

    The origin is the real repository, pull and push URL as the aliases have them. A branch that the chunk follows is checked
    out where it is at that commit; else HEAD is detached. With --repo, the default place is below the current folder.

    \b
    Examples:
      lithify get-repo zlib
      lithify get-repo zlib ~/src/zlib
      lithify get-repo zlib --repo . --ref HEAD~2
    """
    origin = origin_of(repo, ref)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        beside = ctx.obj.cwd if origin is not None else session.definitions.root.parent
        source = _git_source(session, chunk.removesuffix(".morph"))
        into = Path(os.path.normpath(ctx.obj.cwd / path)) if path else beside / chunk.removesuffix(".morph")
        open_cache(session.settings.cachedir.absolute())
        session.hold_cache()
        context = session.sources()
        pin = declared_pin(source) or session.lock.get(source) or GitKind().pin(source, context)
        _, pushes = patterns(ctx.obj.settings.repository_aliases())
        commit = str(pin.digest_data["commit"])
        make_clone(Clone(source=source, commit=commit, into=into, push_aliases=pushes), context)
    sys.stdout.write(f"{into}\n")


def _git_source(session: Session, chunk: str) -> GitSource:
    strata = list(all_strata(session.definitions))
    found = [
        listed(session.definitions, stratum, entry)
        for stratum in strata
        for entry in stratum.chunks
        if entry.name == chunk
    ]
    if not found:
        hint = did_you_mean(chunk, {entry.name for stratum in strata for entry in stratum.chunks})
        session.definitions.refuse_unreadable(f"chunk {chunk} not found")
        raise LithifyError(f"chunk {chunk} not found", hints=[hint] if hint else [])
    sources = dict.fromkeys(
        source for one in found for source in one.sources if isinstance(source, GitSource)
    )
    if len(sources) == 1:
        return next(iter(sources))
    if not sources:
        raise LithifyError(f"chunk {chunk} is made from no git repository")
    places = ", ".join(sorted({one.file for one in found}))
    raise LithifyError(f"chunk {chunk} is made from {len(sources)} git sources: see {places}")
