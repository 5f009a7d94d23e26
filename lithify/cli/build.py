"""``lithify build``."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from lithify.build.benches import leftovers
from lithify.cli.failure import asker
from lithify.cli.invocation import Invocation
from lithify.cli.naming import named_system
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.requesting import sound_request
from lithify.cli.run import opened
from lithify.cli.show import as_data, as_text
from lithify.cli.space import require_room
from lithify.cli.timing import TimingsFile, TimingsOption, timings_of
from lithify.definitions.nearest import meant
from lithify.errors import LithifyError, UsageError
from lithify.events import timed
from lithify.graph.model import ContentDigest, SystemGraph
from lithify.report.states import due_by, expectation, reasons
from lithify.schedule.definitions_from_git import Origin
from lithify.schedule.plan import Plan
from lithify.schedule.request import Request
from lithify.schedule.session import Session
from lithify.schedule.witness import keep_answer, keep_mounted
from lithify.store.damage import DamagedObject

_Words = Annotated[
    list[str],
    typer.Argument(
        metavar="SYSTEM [COMPONENT...]",
        help="the system, as a path or a name; with chunks or strata, only these and what they need",
    ),
]
_KeepGoing = Annotated[
    bool, typer.Option("--keep-going", "-k", help="go on with what does not depend on a failure")
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="only show what would be built, and why, as `show` does")
]
_AsJson = Annotated[bool, typer.Option("--json", help="with --dry-run: print it as JSON")]
_EventsTo = Annotated[
    str,
    typer.Option(
        "--events", metavar="FILE", help="write all that happens as JSON lines to a file or descriptor"
    ),
]
_Check = Annotated[bool, typer.Option("--check", help="build it all again from nothing, aside, and compare")]


def command(
    ctx: typer.Context,
    words: _Words,
    keep_going: _KeepGoing = False,
    dry_run: _DryRun = False,
    as_json: _AsJson = False,
    events_to: _EventsTo = "",
    check: _Check = False,
    repo: RepoOption = "",
    ref: RefOption = "",
    timings: TimingsOption = False,
    timings_file: TimingsFile = "",
) -> None:
    """Build a system, or only the named chunks and strata of it, and print KEY.kind.name of what was asked for.

    \b
    Examples:
      lithify build systems/demo.morph
      lithify build demo zlib dropbear
      lithify build demo --keep-going -j 4
      lithify build demo --dry-run
      lithify build demo --repo . --ref HEAD~2
      lithify build demo --timings trace.json
      lithify build --check zlib
    """
    if as_json and not dry_run:
        raise UsageError(
            "--json is for --dry-run", hints=["--events FILE writes what a build does as JSON lines"]
        )
    if check:
        checking = importlib.import_module("lithify.cli.check")
        checking.check(ctx.obj, origin_of(repo, ref), words, events_to)
        return
    origin, (system, *components) = one_of_a_commit(ctx.obj, origin_of(repo, ref), words)
    if dry_run:
        _show_only(ctx.obj, origin, system, components, as_json=as_json)
        return
    timer = timings_of(ctx.obj, timings, timings_file)
    with (
        reading_events(ctx.obj, events_to=events_to, timings=timer) as report,
        opened(ctx.obj, report, origin) as session,
    ):
        request = _built(ctx.obj, session, system, components, keep_going=keep_going, on_disk=origin is None)
    sys.stdout.write("".join(f"{line}\n" for line in request.lines))


def _built(
    invocation: Invocation,
    session: Session,
    system: str,
    components: Sequence[str],
    *,
    keep_going: bool,
    on_disk: bool,
) -> Request:
    """Return what was asked for, once all of it is there. ``on_disk``: the definitions are no commit's."""
    file = session.definitions.locate(system, kind="system", cwd=invocation.cwd)
    request = sound_request(session, file, components)
    mounted: Sequence[ContentDigest] = ()
    if not request.is_done:
        mounted = _made(invocation, session, request, keep_going=keep_going)
    elif leftovers(session.cache):
        importlib.import_module("lithify.schedule.building").tidy(session)
    if not components and on_disk:
        keep_answer(session, request, invocation.cwd, system, now=time.time_ns(), mounted=mounted)
    elif mounted and on_disk:
        keep_mounted(session, invocation.cwd, [system, *components], mounted)
    if not request.is_done and invocation.settings.cachedir_max_size is not None:
        importlib.import_module("lithify.cli.limiting").keep_to_size(invocation, session, session.report)
    return request


def _made(
    invocation: Invocation, session: Session, request: Request, *, keep_going: bool
) -> Sequence[ContentDigest]:
    """Build what is missing, and return what was mounted for the system."""
    require_room(invocation.settings)
    # half a second, much of it libostree
    with timed(session.report, "prepare"):
        building = importlib.import_module("lithify.schedule.building")
    done = building.build(
        session,
        request,
        keep_going=keep_going,
        on_failure=None if keep_going else asker(invocation, sys.stdin),
        because=lambda plan: _reasons(session, request, plan),
    )
    mounted: Sequence[ContentDigest] = done.mounted
    return mounted


def _reasons(session: Session, request: Request, plan: Plan) -> tuple[str, ...]:
    """Return why there is something to build; empty where what tells it is damaged, since the build mends that."""
    try:
        return reasons(due_by(session, request.resolved, plan, whole=request.components is None))
    except DamagedObject:
        return ()


def _show_only(
    invocation: Invocation, origin: Origin | None, system: str, components: Sequence[str], *, as_json: bool
) -> None:
    """Print what a build would do; one that has nothing to do, or cannot begin, says so too."""
    with reading_events(invocation) as report, opened(invocation, report, origin) as session:
        resolved = named_system(invocation, session, system)
        wanted = _chunks_of(resolved.graph, components) if components else None
        found = expectation(session, resolved, wanted)
    sys.stdout.write(json.dumps(as_data(found), indent=2) + "\n" if as_json else as_text(found))


def _chunks_of(graph: SystemGraph, components: Sequence[str]) -> list[str]:
    names: dict[str, None] = {}
    for component in components:
        name = component.removesuffix(".morph").rsplit("/", 1)[-1]
        if name not in graph.chunks and name not in graph.strata:
            raise LithifyError(
                f"{graph.system.name} has no chunk or stratum {component}",
                hints=meant(name, [*graph.chunks, *graph.strata]),
            )
        names.update(dict.fromkeys([name] if name in graph.chunks else graph.strata[name].chunks))
    return list(names)
