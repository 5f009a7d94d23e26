"""``lithify shell``."""

from __future__ import annotations

from typing import Annotated

import typer

from lithify.cli.naming import named_chunk
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.schedule.building import undertaking_of
from lithify.schedule.shelling import run_shell


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="[SYSTEM] CHUNK [-- COMMAND]", help="the chunk, and what to run")
    ],
    failed: Annotated[bool, typer.Option("--failed", help="where its last failed build stopped")] = False,
    repo: RepoOption = "",
    ref: RefOption = "",
) -> None:
    """Open a shell in a chunk's staging area: its layers, its folders, its environment. The exit status is the shell's.

    \b
    Examples:
      lithify shell zlib
      lithify shell zlib --failed
      lithify shell demo zlib -- make test
    """
    origin, words = one_of_a_commit(ctx.obj, origin_of(repo, ref), words)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        named = named_chunk(ctx.obj, session, words)
        undertaking = undertaking_of(session, named.resolved)
        status = run_shell(undertaking, named.name, failed=failed, argv=ctx.obj.inner_command)
    raise typer.Exit(status)
