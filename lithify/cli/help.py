"""``lithify help``, and morph's ``help-extensions``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lithify.cli.absent import ABSENT
from lithify.cli.extensions import coming, extension_help, extension_names
from lithify.cli.helping import known_help
from lithify.cli.registry import COMMANDS
from lithify.definitions.nearest import nearest
from lithify.definitions.root import find_root
from lithify.errors import LithifyError


def command(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="a command, or an extension as NAME.KIND")] = "",
    extensions: Annotated[
        bool, typer.Option("--extensions", help="list all extensions: built in, and the definitions' own")
    ] = False,
) -> None:
    """Show the help over all commands, of one command, or of an extension (NAME.KIND).

    \b
    Examples:
      lithify help
      lithify help build
      lithify help image.write
      lithify help --extensions
    """
    root = root_at(ctx.obj.cwd)
    if extensions:
        sys.stdout.write("".join(f"{name}\n" for name in extension_names(root)))
        return
    text = known_help([topic] if topic else []) or extension_help(topic, root)
    if text is None:
        known = [*(name for one in COMMANDS for name in (one.name, *one.aliases)), *extension_names(root)]
        near = nearest(topic, known)
        hint = f"did you mean {' or '.join(near)}?" if near else "`lithify help` lists all commands"
        hint = ABSENT.get(topic) or coming(topic) or hint
        raise LithifyError(f"Unknown subcommand or extension {topic}", hints=[hint])
    sys.stdout.write(text)


def root_at(cwd: Path) -> Path | None:
    """Return the root of the definitions around a folder; None where there are none."""
    try:
        return find_root(cwd)
    except LithifyError:
        return None
