"""``lithify expand-repo``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from lithify.sources.urls import expand_alias

_ALIAS = re.compile(r"(?P<name>[^=]+)=(?P<pull>[^#]+)#(?P<push>[^#]+)")


def command(
    ctx: typer.Context,
    urls: Annotated[
        list[str], typer.Argument(metavar="URL...", help="repositories, as definitions name them")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Show where repositories are pulled from and pushed to, by the aliases in force. Asks no server.

    \b
    Examples:
      lithify expand-repo upstream:linux
      lithify expand-repo --repo-alias mine=https://example.com/%s#ssh://git@example.com/%s mine:zlib
    """
    pulls, pushes = patterns(ctx.obj.settings.repository_aliases())
    rows = [
        {"original": url, "pull": expand_alias(url, pulls), "push": expand_alias(url, pushes)} for url in urls
    ]
    sys.stdout.write(
        json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
        if as_json
        else "".join("Original: {original}\nPull: {pull}\nPush: {push}\n\n".format(**row) for row in rows)
    )


def patterns(aliases: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return alias → pull pattern, and alias → push pattern, of ``ALIAS=PULL#PUSH``; any other entry says nothing."""
    matches = [match for alias in aliases if (match := _ALIAS.fullmatch(alias))]
    return {m["name"]: m["pull"] for m in matches}, {m["name"]: m["push"] for m in matches}
