"""``lithify show-config``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lithify.config import SETTING_NAMES, Settings, value_text

DEFAULT = "default"


def command(
    ctx: typer.Context,
    processed: Annotated[
        bool, typer.Option("--processed", help="with the aliases that follow from trove-host and trove-id")
    ] = False,
    origins: Annotated[
        bool, typer.Option("--origins", help="say above each where its value comes from")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Print every setting with the value that holds here. Later ones win: files, environment, options.

    \b
    Examples:
      lithify show-config
      lithify show-config --origins
      lithify show-config --processed --trove-host git.example.com
    """
    settings: Settings = ctx.obj.settings
    values = {name: getattr(settings, name.replace("-", "_")) for name in SETTING_NAMES}
    if processed:
        values["repo-alias"] = settings.repository_aliases()
    if as_json:
        rows = {
            name: {"value": _plain(value), "origin": settings.origins.get(name, DEFAULT)}
            for name, value in values.items()
        }
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    for name, value in values.items():
        if origins:
            sys.stdout.write(f"# {settings.origins.get(name, DEFAULT)}\n")
        sys.stdout.write(f"{name} = {value_text(value)}\n")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return ["=".join(item) if isinstance(item, tuple) else item for item in value]
    return str(value) if isinstance(value, Path) else value
