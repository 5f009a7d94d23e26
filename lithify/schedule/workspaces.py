"""Workspaces are opened, listed, reset and closed: the folder, the definitions tree's list, and the kept build folder."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from msgspec import Struct

from lithify.build.kept_folder import kept_place, read_state
from lithify.build.workshop import bench
from lithify.cache import CacheFolder, hold_lock, is_held, open_cache, remove_tree
from lithify.definitions.model import DebianBinaries, GitSource, LocalSource, PatchSource, Source
from lithify.definitions.nearest import did_you_mean
from lithify.errors import LithifyError, SourceError
from lithify.graph.model import Chunk
from lithify.graph.pins import Pin, source_identity
from lithify.schedule.building import open_workshop
from lithify.schedule.session import Session
from lithify.sources.cloning import Clone
from lithify.sources.compose import compose
from lithify.sources.fetching import fetch_all
from lithify.sources.kinds import UNLOCKED, kind_of
from lithify.sources.open_workspaces import Workspace, changing
from lithify.sources.pins import refuse_unpinned, resolve_pins
from lithify.sources.working import (
    Unsaved,
    branch_for,
    clone_to_work_in,
    commit_all,
    fill,
    new_history,
    replace_files,
    unsaved,
)
from lithify.sources.workspace import asked
from lithify.staging.folders import plain_folder
from lithify.staging.namespace import enter

MOST_SHOWN = 3
"""Commits and files that an error names."""
NOTHING = Unsaved(changed=(), commits=(), stashes=0)
Condition = Literal["clean", "changed", "gone", "no repository"]


class Look(Struct, frozen=True, kw_only=True):
    """How a workspace is found."""

    workspace: Workspace
    condition: Condition
    unsaved: Unsaved
    branch: str
    """The branch that is checked out; empty for none."""
    commit: str
    moved: bool
    """The definitions pin other sources now than those that it was opened with."""
    built: bool
    """A build can go on from the last one."""


def open_workspace(session: Session, chunk: Chunk, into: Path, push_aliases: Mapping[str, str]) -> Workspace:
    """Make the folder ``into`` with a chunk's sources as they are pinned, and have the chunk built from it from now on.

    A chunk whose first source is a git repository gets a clone of it; any other a repository whose first commit is what the
    sources come to. ``push_aliases``: ``alias:path`` → push URL. Raises :class:`LithifyError` where there is nothing to work
    on, the folder exists, or the chunk has a workspace; nothing is left then.
    """
    _refuse_unfit(chunk)
    context = session.sources()
    declared = dict.fromkeys(chunk.sources, chunk.name)
    open_cache(session.cache.root)
    session.hold_cache()
    with changing(session.definitions.root) as known:
        if chunk.name in known:
            raise _has_one(known[chunk.name])
        if os.path.lexists(into):
            raise LithifyError(f"{into} exists already", hints=["give another FOLDER, or move it away"])
        pins = resolve_pins(declared, session.lock, context, session.definitions.format.number)
        refuse_unpinned(declared, pins)
        fetch_all(pins.items(), context, chunk=chunk.name)
        branch = branch_for(chunk.name)
        try:
            base = _fill(session, chunk, pins, into, branch, push_aliases)
        except OSError as error:
            _remove(into)
            raise LithifyError(f"{error.filename or into} cannot be written: {error.strerror}") from error
        except BaseException:
            _remove(into)
            raise
        known[chunk.name] = Workspace(
            chunk=chunk.name,
            path=str(into),
            id=secrets.token_hex(16),
            branch=branch,
            base=base,
            opened_at=int(time.time()),
            made_from=", ".join(kind_of(source).label(source, pins[source]) for source in chunk.sources),
            pins=said_pins(chunk.sources, pins),
        )
        return known[chunk.name]


def _refuse_unfit(chunk: Chunk) -> None:
    if not chunk.sources:
        raise LithifyError(f"{chunk.name} has no sources: there is nothing to work on")
    if any(isinstance(source, DebianBinaries) for source in chunk.sources):
        raise LithifyError(
            f"{chunk.name} is made from Debian's binary packages: there is no source to work on",
            hints=["take the package as a `debian-source`, or its upstream by `git`"],
        )
    own = [source.path for source in chunk.sources if isinstance(source, LocalSource | PatchSource)]
    if len(own) == len(chunk.sources):
        raise LithifyError(
            f"{chunk.name} is made from files of the definitions: {', '.join(own)}",
            hints=["edit them there: they are read at each build"],
        )


def _has_one(workspace: Workspace) -> LithifyError:
    return LithifyError(
        f"{workspace.chunk} has a workspace already: {workspace.path}",
        hints=[f"`lithify workspace close {workspace.chunk}` ends the work there"],
    )


def _fill(
    session: Session,
    chunk: Chunk,
    pins: Mapping[Source, Pin],
    into: Path,
    branch: str,
    push_aliases: Mapping[str, str],
) -> str:
    """Make the folder and return the commit at which the work begins."""
    first, *more = chunk.sources
    if not isinstance(first, GitSource) or first.into:
        with _composed(session, chunk, pins) as tree:
            fill(into, tree)
        return new_history(into, branch, f"{chunk.name} as the definitions have it")
    commit = str(pins[first].digest_data["commit"])
    clone = Clone(source=first, commit=commit, into=into, push_aliases=push_aliases)
    base = clone_to_work_in(clone, branch, session.sources())
    if not more:
        return base
    with _composed(session, chunk, pins) as tree:
        replace_files(into, tree)
    labels = ", ".join(kind_of(source).label(source, pins[source]) for source in more)
    return commit_all(into, f"{chunk.name}: what the definitions lay over it: {labels}")


@contextmanager
def _composed(session: Session, chunk: Chunk, pins: Mapping[Source, Pin]) -> Iterator[Path]:
    """Give the tree that all sources of a chunk come to; enters the user namespace."""
    workshop = open_workshop(session, None)
    with bench(workshop, f"workspace-{chunk.name}") as own:
        tree = plain_folder(own.scratch / "tree")
        compose(chunk.sources, pins, tree, workshop.sources)
        yield tree


def said_pins(sources: Sequence[Source], pins: Mapping[Source, Pin]) -> str:
    """Return what sources are pinned to, to be compared; what is read at each build is left out."""
    lasting = [source for source in sources if source.kind not in UNLOCKED and source in pins]
    return json.dumps(
        [[source_identity(one), dict(pins[one].digest_data)] for one in lasting], sort_keys=True
    )


def look_at_workspace(cache: CacheFolder, workspace: Workspace, pins_now: str | None) -> Look:
    """Return how a workspace is found; ``pins_now``: :func:`said_pins` of the chunk as it is defined; None: unknown."""
    folder = Path(workspace.path)
    condition: Condition = "clean"
    found, branch, commit = NOTHING, "", ""
    if not folder.is_dir():
        condition = "gone"
    else:
        try:
            found = unsaved(folder, workspace.base)
            branch, commit = asked(folder, "branch", "--show-current"), asked(folder, "rev-parse", "HEAD")
            condition = "changed" if found else "clean"
        except SourceError:
            condition = "no repository"
    kept = read_state(kept_place(cache, workspace.id))
    return Look(
        workspace=workspace,
        condition=condition,
        unsaved=found,
        branch=branch,
        commit=commit,
        moved=pins_now not in (None, workspace.pins),
        built=kept is not None and kept.configured and not kept.running,
    )


def workspace_of(known: Mapping[str, Workspace], name: str) -> Workspace:
    """Return the workspace of a chunk; raises :class:`LithifyError` with the nearest names where there is none."""
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    none = "`lithify workspace list` shows those that are open" if known else "no workspace is open"
    raise LithifyError(f"{name} has no workspace", hints=[hint or none])


def close_workspace(session: Session, name: str, *, force: bool, keep: bool) -> Workspace:
    """Have a chunk built from its declared sources again, and remove the folder, unless it is to be kept.

    Raises :class:`LithifyError` where work would be lost, unless ``force`` says that it may be.
    """
    with changing(session.definitions.root) as known:
        workspace = workspace_of(known, name)
        folder = Path(workspace.path)
        if not keep and folder.is_dir():
            if not force:
                _refuse_loss(workspace)
            remove_tree(folder)
        forget_build(session, workspace)
        del known[name]
        return workspace


def _refuse_loss(workspace: Workspace) -> None:
    ways = [
        "`--keep` closes it and leaves the folder",
        "`--force` throws the work away",
    ]
    try:
        found = unsaved(Path(workspace.path), workspace.base)
    except SourceError as error:
        raise LithifyError(
            f"{workspace.chunk}: nobody can tell what of {workspace.path} is saved elsewhere: {error.message}",
            hints=ways,
        ) from error
    if not found:
        return
    shown = [*found.commits, *found.changed]
    more = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    raise LithifyError(
        f"{workspace.chunk}: its workspace {workspace.path} has what is nowhere else: {found.told()}",
        hints=[
            *([f"{'; '.join(shown[:MOST_SHOWN])}{more}"] if shown else []),
            f"push it, or `git -C {workspace.path} format-patch {workspace.base[:12]}` makes patches for the definitions"
            if found.commits
            else f"`git -C {workspace.path} status` shows it",
            *ways,
        ],
    )


def forget_build(session: Session, workspace: Workspace) -> None:
    """Remove what is kept of a workspace's builds; enters the user namespace where there is anything."""
    place = kept_place(session.cache, workspace.id)
    if not place.exists():
        return
    lock = session.cache.locks / f"workspace-{workspace.id}"
    if is_held(lock):
        raise LithifyError(
            f"{workspace.chunk} is being built in its workspace", hints=["try again when that has ended"]
        )
    enter()
    with hold_lock(lock):
        remove_tree(place)
    lock.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Remove what was made of a folder that could not be made whole."""
    shutil.rmtree(folder, ignore_errors=True)
