"""``lithify gc``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from lithify.cli.invocation import Invocation
from lithify.cli.naming import system_files
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened, stored_only
from lithify.cli.text import padded, size, width_of
from lithify.definitions.root import find_root
from lithify.errors import LithifyError
from lithify.events import Report
from lithify.schedule.collecting import (
    StoredBuild,
    empty_cache,
    keys_needed,
    remove_unkept,
    stored_builds,
)
from lithify.schedule.session import resolve_system


def command(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="empty the cache altogether")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show which builds would go")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the builds that go as JSON")] = False,
) -> None:
    """Remove from the cache what nothing keeps: builds, objects, unused layers, old logs, what killed commands left.

    Kept is what the systems of the definitions around need as they are now, and every build younger than the setting gc-keep.
    While another command works on the cache, no build goes.

    \b
    Examples:
      lithify gc --dry-run
      lithify gc
      lithify gc --gc-keep 1d
      lithify gc --all
    """
    settings = ctx.obj.settings
    if everything and not dry_run:
        sys.stdout.write(f"{empty_cache(settings)} is empty\n")
        return
    with reading_events(ctx.obj) as report:
        builds = stored_builds(
            stored_only(ctx.obj),
            needed={} if everything else _needed(ctx.obj, report),
            now=time.time(),
            keep_seconds=0 if everything else settings.gc_keep,
        )
        if dry_run:
            going, told = [build for build in builds if not build.kept_by], "would go"
        else:
            removal = remove_unkept(settings, builds, report)
            going, told = list(removal.builds), "gone"
            if removal.busy:
                ctx.obj.messages.warn("warning: another command works on the cache, so no build was removed")
    if as_json:
        sys.stdout.write(json.dumps([asdict(build) for build in going], indent=2) + "\n")
        return
    sys.stdout.write(_text(going, told))
    if not dry_run:
        freed, layers = size(removal.collected.bytes), removal.collected.layers
        sys.stdout.write(f"{settings.cachedir}: {freed} freed, {layers} layers removed\n")


def _needed(invocation: Invocation, report: Report) -> dict[str, str]:
    """Return the keys that the systems around need; outside of a definitions tree none."""
    try:
        find_root(invocation.cwd)
    except LithifyError:
        return {}
    with opened(invocation, report) as session:
        return keys_needed(resolve_system(session, file) for file in system_files(session))


def _text(builds: list[StoredBuild], told: str) -> str:
    width = max((width_of(build.name) for build in builds), default=0)
    lines = [
        f"{build.key[:8]}  {padded(build.name, width)}  {time.strftime('%Y-%m-%d', time.localtime(build.made_at))}"
        f"  {size(build.size):>9}  built in {build.seconds:.0f} s"
        for build in builds
    ]
    again = sum(build.seconds for build in builds)
    cost = f", {again:.0f} s to build again" if builds else ""
    return "\n".join([*lines, f"{len(builds)} builds {told}{cost}", ""])
