"""``lithify gc``."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from msgspec.structs import asdict

from lithify.cache import CacheFolder
from lithify.cli.keeping import retention_around
from lithify.cli.reporting import reading_events
from lithify.cli.text import padded, seconds_text, size, width_of
from lithify.config import parse_size
from lithify.errors import LithifyError, UsageError
from lithify.schedule.collecting import Demand, Removal, collect_garbage, empty_cache, look_for_garbage
from lithify.schedule.eviction import Holding
from lithify.schedule.holdings import Holdings
from lithify.schedule.retention import Retention

_MOST_NAMED = 3


def command(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="empty the cache altogether")] = False,
    max_size: Annotated[
        str,
        typer.Option(
            "--max-size", metavar="SIZE", help="remove no more than it takes to have this size, such as 20G"
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would go")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print what goes as JSON")] = False,
) -> None:
    """Remove from the cache what nothing keeps: builds, sources, unused layers, old logs, what killed commands left.

    Kept is what the systems of the definitions around need as they are now, what `lithify keep` names, and all that is younger
    than the setting gc-keep. With --max-size, the cheapest to have again for each byte that it frees goes first, however young
    it is, and only as much as it takes; without it, the setting cachedir-max-size asks for that after all else. While another
    command works on the cache, no build and no source goes. 1 where more is kept than the limit allows.

    \b
    Examples:
      lithify gc --dry-run
      lithify gc
      lithify gc --max-size 20G --dry-run
      lithify gc --max-size 20G
      lithify gc --gc-keep 1d
      lithify gc --all
    """
    settings = ctx.obj.settings
    if max_size and everything:
        raise UsageError("--all and --max-size: one of them", hints=["--all leaves nothing in the cache"])
    if everything and not dry_run:
        sys.stdout.write(f"{empty_cache(settings)} is empty\n")
        return
    limit = _limit(max_size) if max_size else settings.cachedir_max_size
    if not CacheFolder(settings.cachedir.absolute()).locks.is_dir():
        sys.stdout.write(_nothing(as_json=as_json))
        return
    with reading_events(ctx.obj) as report:
        retention = Retention(young_from=math.inf) if everything else retention_around(ctx.obj, report)
        demand = Demand(retention=retention, sweep=not max_size, limit=None if everything else limit)
        removal = look_for_garbage(settings, demand) if dry_run else collect_garbage(settings, demand, report)
    if removal.busy:
        ctx.obj.messages.warn("warning: another command works on the cache, so no build was removed")
    sys.stdout.write(_as_json(removal) if as_json else _as_text(removal, dry_run=dry_run))
    if limit is not None and not everything and removal.eviction.left > limit:
        raise _over(removal, limit)


def _limit(text: str) -> int:
    limit = parse_size(text, "--max-size")
    if not limit:
        hint = "`lithify gc --gc-keep 0` removes all that nothing keeps, `lithify gc --all` everything"
        raise UsageError("--max-size 0 is no size", hints=[hint])
    return limit


def _nothing(*, as_json: bool) -> str:
    data = {"gone": [], "freed": 0, "left": 0, "seconds": 0.0, "busy": False}
    return json.dumps(data, indent=2) + "\n" if as_json else "the cache is empty\n"


def _over(removal: Removal, limit: int) -> LithifyError:
    """Return the error for a cache that stays larger than it may be, with what keeps it."""
    left = size(removal.eviction.left)
    if removal.busy:
        return LithifyError(
            f"{left} are left, more than {size(limit)}", hints=["try again when it has ended"]
        )
    keepers = sorted({holding.kept_by for holding in removal.holdings.holdings if holding.kept_by})
    hints = ["`lithify du` shows what takes how much"]
    if keepers:
        more = f" and {len(keepers) - _MOST_NAMED} more" if len(keepers) > _MOST_NAMED else ""
        hints.insert(0, f"it is kept for {', '.join(keepers[:_MOST_NAMED])}{more}")
    return LithifyError(f"{left} are left, more than {size(limit)}", hints=hints)


def _as_json(removal: Removal) -> str:
    eviction = removal.eviction
    data = {
        "gone": [
            _record(holding, frees, removal.holdings)
            for holding, frees in zip(eviction.gone, eviction.frees, strict=True)
        ],
        "freed": removal.freed,
        "left": eviction.left,
        "seconds": round(eviction.seconds, 1),
        "busy": removal.busy,
    }
    return json.dumps(data, indent=2) + "\n"


def _record(holding: Holding, frees: int, holdings: Holdings) -> dict[str, Any]:
    build = holdings.builds.get(holding.place)
    data = (
        {"kind": holding.kind, "name": holding.name, "path": holding.place, "made-at": int(holding.made_at)}
        if build is None
        else {name.replace("_", "-"): value for name, value in asdict(build).items() if name != "kept_by"}
    )
    return {**data, "seconds": round(holding.seconds, 3), "frees": frees}


def _as_text(removal: Removal, *, dry_run: bool) -> str:
    eviction = removal.eviction
    names = [_name(holding) for holding in eviction.gone]
    width = max(map(width_of, names), default=0)
    lines = [
        f"{padded(name, width)}  {time.strftime('%Y-%m-%d', time.localtime(holding.made_at))}"
        f"  {size(frees):>9}  {_again(holding)}"
        for name, holding, frees in zip(names, eviction.gone, eviction.frees, strict=True)
    ]
    lines.append(
        f"{_counted(eviction.gone)} {'would go' if dry_run else 'gone'}"
        + (f", {seconds_text(eviction.seconds)} to have again" if eviction.gone else "")
    )
    freed = f"{size(removal.freed)} {'would be freed' if dry_run else 'freed'}"
    number = removal.collected.layers
    layers = "" if dry_run else f", {number} layer{'' if number == 1 else 's'} removed"
    lines.append(f"{freed}, {size(eviction.left)} left{layers}")
    return "\n".join([*lines, ""])


def _name(holding: Holding) -> str:
    if holding.kind == "build":
        return f"{holding.place[:8]}  {holding.name}"
    return f"{holding.kind}  {holding.name}"


def _again(holding: Holding) -> str:
    built = holding.kind == "build"
    return f"{'built in' if built else 'to be had again in about'} {seconds_text(holding.seconds)}"


def _counted(holdings: Iterable[Holding]) -> str:
    """Return how many of each kind there are: ``2 builds, 1 git mirror``."""
    counts: dict[str, int] = {"build": 0}
    for holding in holdings:
        counts[holding.kind] = counts.get(holding.kind, 0) + 1
    parts = [
        f"{count} {kind}{'' if count == 1 or kind == 'definitions' else 's'}"
        for kind, count in counts.items()
        if count
    ]
    return ", ".join(parts) or "0 builds"
