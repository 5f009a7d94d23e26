"""``lithify anchor``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from lithify.cache import open_cache
from lithify.cli.expand_repo import patterns
from lithify.cli.invocation import Invocation
from lithify.cli.naming import sound_graphs
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.definitions.model import GitSource, Source
from lithify.errors import LithifyError, UsageError
from lithify.graph.model import SystemGraph
from lithify.graph.pins import source_identity
from lithify.schedule.session import Session
from lithify.sources.anchor_names import AnchorNames
from lithify.sources.anchoring import Anchor, Target, make_anchors, raise_all
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror, mirror_of
from lithify.sources.kinds import UNLOCKED
from lithify.sources.pins import refuse_unpinned, resolve_pins
from lithify.sources.urls import expand_alias, git_url, shown


def command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="what the anchors are for, such as a release")],
    words: Annotated[list[str], typer.Argument(metavar="SYSTEM...", help="the systems, as paths or names")],
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Push a branch for every commit that systems are made from to its repository, so that none is thrown away there.

    The branch is refs/heads/TROVE_ID/anchors/NAME/COMMIT, by the setting anchor-ref-format, with the first trove-id; it goes to
    the push URL of the repo-alias. All are pushed, or none: where a repository refuses one, and after Ctrl-C, those that were
    made now are taken back. Anchors that are there already stay as they are. Sources that are no git repository have no commit;
    they are named.

    \b
    Examples:
      lithify anchor v1.0 systems/demo.morph
      lithify anchor v1.0 demo --repo . --ref v1.0
      lithify anchor v1.0 demo --trove-id mytrove
    """
    origin, systems = one_of_a_commit(ctx.obj, origin_of(repo, ref), words)
    names = _names(ctx.obj, name)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        declared = _declared(sound_graphs(ctx.obj, session.definitions, systems))
        _tell_others(ctx.obj, declared)
        if not any(isinstance(source, GitSource) for source in declared):
            raise LithifyError(f"no commit to anchor: {', '.join(systems)} has no git source")
        open_cache(session.settings.cachedir.absolute())
        session.hold_cache()
        targets = _targets(session, declared, names)
        made = make_anchors(targets, session.sources())
    rows = [
        _row(target, anchor, new)
        for target, new in zip(targets, made, strict=True)
        for anchor in target.anchors
    ]
    sys.stdout.write(
        json.dumps(rows, indent=2, ensure_ascii=False) + "\n" if as_json else "".join(map(_line, rows))
    )


def _names(invocation: Invocation, name: str) -> AnchorNames:
    settings = invocation.settings
    if not settings.trove_id:
        raise LithifyError(
            "no trove-id is set, below which anchors stand",
            hints=["--trove-id NAME, or `trove-id` in a file of settings"],
        )
    trove_id = settings.trove_id[0].partition("=")[0]
    return AnchorNames(settings.anchor_ref_format, trove_id=trove_id, name=name)


def _declared(graphs: Sequence[SystemGraph]) -> dict[Source, list[str]]:
    """Return all sources of systems, with the chunks that have them."""
    declared: dict[Source, list[str]] = {}
    for graph in graphs:
        for chunk in graph.chunks.values():
            for source in chunk.sources:
                chunks = declared.setdefault(source, [])
                chunks += [] if chunk.name in chunks else [chunk.name]
    return declared


def _tell_others(invocation: Invocation, declared: Mapping[Source, Sequence[str]]) -> None:
    """Name the sources that cannot be anchored; what is in the definitions needs no anchor."""
    for source, chunks in declared.items():
        if not isinstance(source, GitSource) and source.kind not in UNLOCKED:
            text = f"{', '.join(chunks)}: {source_identity(source)} is no git source: it gets no anchor"
            invocation.messages.warn(f"warning: {text}")


def _targets(session: Session, declared: Mapping[Source, Sequence[str]], names: AnchorNames) -> list[Target]:
    """Return what is pushed where, each commit in the mirror; raises the errors of all repositories that lack one."""
    context = session.sources()
    chunks: dict[Source, str] = {
        source: found[0] for source, found in declared.items() if isinstance(source, GitSource)
    }
    pins = resolve_pins(chunks, session.lock, context, session.definitions.format.number)
    refuse_unpinned(chunks, pins)
    _, pushes = patterns(session.settings.repository_aliases())
    found: dict[tuple[str, str], tuple[GitSource, Mirror, dict[str, list[str]]]] = {}
    errors: list[LithifyError] = []
    for source in declared:
        if not isinstance(source, GitSource):
            continue
        try:
            mirror = mirror_of(source.url, context)
            commit = _commit(mirror, str(pins[source].digest_data["commit"]))
            url = _push_url(source, mirror, pushes, context)
        except LithifyError as error:
            error.message = f"{', '.join(declared[source])}: {error.message}"
            errors.append(error)
            continue
        _, _, commits = found.setdefault((url, str(mirror.path)), (source, mirror, {}))
        commits.setdefault(commit, []).extend(declared[source])
    raise_all(errors)
    return [
        _target(source, url, mirror, names, commits) for (url, _), (source, mirror, commits) in found.items()
    ]


def _target(
    source: GitSource, url: str, mirror: Mirror, names: AnchorNames, commits: Mapping[str, Sequence[str]]
) -> Target:
    anchors = tuple(
        Anchor(ref=names.ref(commit), commit=commit, chunks=tuple(dict.fromkeys(chunks)))
        for commit, chunks in commits.items()
    )
    if len({anchor.ref for anchor in anchors}) < len(anchors):
        raise UsageError(
            f"anchor-ref-format gives {len(anchors)} commits of {shown(source.url)} one branch",
            hints=["{commit_sha1} in it tells them apart"],
        )
    return Target(repository=source.url, url=url, mirror=mirror, anchors=anchors)


def _commit(mirror: Mirror, pinned: str) -> str:
    """Return the commit of a pin, which is in the mirror then: a branch can lead to no tag object."""
    mirror.ensure(pinned)
    return mirror.resolve(pinned) or pinned


def _push_url(source: GitSource, mirror: Mirror, pushes: Mapping[str, str], context: SourceContext) -> str:
    expanded = expand_alias(source.url, pushes)
    return mirror.url if expanded == source.url else git_url(expanded, context.definitions_root)


def _row(target: Target, anchor: Anchor, new: frozenset[str]) -> dict[str, Any]:
    return {
        "repository": shown(target.repository),
        "push": shown(target.url),
        "ref": anchor.ref,
        "commit": anchor.commit,
        "chunks": list(anchor.chunks),
        "made": anchor.ref in new,
    }


def _line(row: Mapping[str, Any]) -> str:
    return f"{row['repository']} {row['ref']}{'' if row['made'] else ' (was there)'}\n"
