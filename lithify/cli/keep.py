"""``lithify keep``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from msgspec.structs import asdict

from lithify.cache import CacheFolder
from lithify.cli.naming import named_system
from lithify.cli.origin import RefOption, RepoOption, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.text import padded, width_of
from lithify.definitions.nearest import did_you_mean
from lithify.errors import LithifyError, UsageError
from lithify.lease import Lease
from lithify.schedule.retention import KeptBuild, keep, kept_builds, let_go
from lithify.schedule.session import find_built


def command(
    ctx: typer.Context,
    system: Annotated[
        str | None, typer.Argument(metavar="[SYSTEM]", help="a system that is built, as a path or a name")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="show what is kept")] = False,
    drop: Annotated[
        str,
        typer.Option(
            "--drop", metavar="NAME", help="keep it no longer: a name, or the first digits of a key"
        ),
    ] = "",
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print what is kept as JSON")] = False,
) -> None:
    """Keep a system's build in the cache, with all that it is made from, whatever becomes of its definitions.

    `lithify gc` takes nothing of it until it is dropped. A system that has changed and is built again may be kept beside it.

    \b
    Examples:
      lithify keep systems/demo.morph
      lithify keep demo --repo . --ref v1.0
      lithify keep --list
      lithify keep --drop demo
    """
    if sum((system is not None, listing, bool(drop))) != 1:
        raise UsageError("one of SYSTEM, --list and --drop NAME", hints=["`lithify keep --help` shows how"])
    cache = CacheFolder(ctx.obj.settings.cachedir.absolute())
    if system is not None:
        with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin_of(repo, ref)) as session:
            session.hold_cache()
            resolved, built = find_built(session, named_system(ctx.obj, session, system).graph.system.file)
            if built is None:
                raise LithifyError(f"{system} is not built yet", hints=[f"lithify build {system}"])
            shown: Sequence[KeptBuild] = [keep(session, resolved)]
    elif drop:
        shown = _dropped(cache, drop)
    else:
        shown = kept_builds(cache)
    sys.stdout.write(
        json.dumps([asdict(kept) for kept in shown], indent=2) + "\n" if as_json else _text(shown)
    )


def _dropped(cache: CacheFolder, name: str) -> Sequence[KeptBuild]:
    there = kept_builds(cache)
    found = [kept for kept in there if name == kept.name or (len(name) >= 8 and kept.key.startswith(name))]
    if not found:
        hint = did_you_mean(name, [kept.name for kept in there])
        raise LithifyError(
            f"nothing is kept as {name}", hints=[hint or "`lithify keep --list` shows what is"]
        )
    lease = Lease(cache)
    lease.share()
    for kept in found:
        let_go(cache, kept)
    lease.close()
    return found


def _text(shown: Sequence[KeptBuild]) -> str:
    width = max((width_of(kept.name) for kept in shown), default=0)
    return "".join(
        f"{kept.key[:8]}  {padded(kept.name, width)}  since {time.strftime('%Y-%m-%d', time.localtime(kept.since))}"
        f"  {len(kept.keys)} builds\n"
        for kept in shown
    )
