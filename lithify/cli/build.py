"""``lithify build``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.schedule.run import Policy
from lithify.schedule.session import build_system


def command(
    ctx: typer.Context,
    system: Annotated[str, typer.Argument(help="the system, as a path or a name")],
    components: Annotated[
        list[str] | None, typer.Argument(help="only these chunks or strata, and what they need")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", "-k", help="go on with what does not depend on a failure")
    ] = False,
) -> None:
    """Build a system, or only the named chunks and strata of it, and print KEY.kind.name of what was asked for.

    \b
    Examples:
      lithify build systems/demo.morph
      lithify build demo zlib dropbear
      lithify build demo --keep-going -j 4
    """
    with reading_events(ctx.obj) as report, opened(ctx.obj, report) as session:
        result = build_system(
            session,
            session.definitions.locate(system, kind="system", cwd=ctx.obj.cwd),
            components=components or (),
            policy=Policy(jobs=ctx.obj.settings.jobs, keep_going=keep_going),
        )
    sys.stdout.write("".join(f"{line}\n" for line in result.lines))
