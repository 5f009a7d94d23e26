"""``lithify help``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lithify.cli.app import find_command, run
from lithify.cli.helping import overview
from lithify.cli.registry import COMMANDS
from lithify.errors import LithifyError, UsageError


def command(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="a command")] = "",
) -> None:
    """Show the help over all commands, or of one.

    \b
    Examples:
      lithify help
      lithify help build
    """
    if not topic:
        sys.stdout.write(overview())
        return
    if topic not in {name for entry in COMMANDS for name in (entry.name, *entry.aliases)}:
        try:
            find_command(topic)
        except UsageError as error:
            raise LithifyError(f"Unknown subcommand or extension {topic}", hints=error.hints) from error
    raise typer.Exit(run([topic, "--help"], ctx.obj.environment))
