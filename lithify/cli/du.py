"""``lithify du``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from lithify.cache import CacheFolder
from lithify.cli.keeping import retention_around
from lithify.cli.reporting import reading_events
from lithify.cli.text import padded, seconds_text, size, width_of
from lithify.schedule.eviction import Holding, alone
from lithify.schedule.holdings import KINDS, Holdings, survey
from lithify.schedule.retention import Retention
from lithify.staging.namespace import enter


def command(
    ctx: typer.Context,
    artifacts: Annotated[
        bool,
        typer.Option("--artifacts", "-a", help="each build, mirror, archive and package, the largest last"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print all of it as JSON")] = False,
) -> None:
    """Show what the cache holds and how much of the disk that takes; a file that several builds share counts once.

    Of each artifact: its size, what is freed if it alone goes, how long it took to build or takes to fetch, and what keeps it.
    The sizes of artifacts add up to more than the cache has, since they share files.

    \b
    Examples:
      lithify du
      lithify du --artifacts
      lithify du --json
    """
    cache = CacheFolder(ctx.obj.settings.cachedir.absolute())
    if not cache.root.is_dir():
        found = Holdings(sizes=(), holdings=(), builds={}, kinds=dict.fromkeys(KINDS, 0), unheld=0)
    else:
        with reading_events(ctx.obj) as report:
            retention = retention_around(ctx.obj, report) if artifacts or as_json else Retention()
            enter()
            found = survey(cache, retention)
    if as_json:
        sys.stdout.write(json.dumps(_data(found), indent=2) + "\n")
        return
    sys.stdout.write((_rows(found) if artifacts else "") + _table(found))


def _table(found: Holdings) -> str:
    counts = _counts(found.holdings)
    lines = [
        f"{size(found.kinds[kind]):>9}  {kind}{counts.get(kind, '')}" for kind in KINDS if found.kinds[kind]
    ]
    if found.unheld:
        lines.append(f"{size(found.unheld):>9}  of it is nobody's: `lithify gc` frees it")
    return "\n".join([*lines, f"{size(found.total):>9}  all", ""])


def _counts(holdings: Sequence[Holding]) -> dict[str, str]:
    """Return for a kind of the table how many there are, where that says something."""
    counts: dict[str, int] = {}
    for holding in holdings:
        kind = {"build": "commits", "definitions": "definitions"}.get(holding.kind, f"{holding.kind}s")
        counts[kind] = counts.get(kind, 0) + 1
    return {
        kind: f" of {count} build{'' if count == 1 else 's'}" if kind == "commits" else f" ({count})"
        for kind, count in counts.items()
    }


def _rows(found: Holdings) -> str:
    frees = alone(found.holdings, found.sizes)
    rows = sorted(
        ((_size(holding, found), holding) for holding in found.holdings),
        key=lambda row: (row[0], row[1].name, row[1].place),
    )
    names = {holding.place: _name(holding) for holding in found.holdings}
    width = max(map(width_of, names.values()), default=0)
    lines = [f"{'size':>9}  {'alone':>9}  {'again':>9}"] if rows else []
    for bytes_, holding in rows:
        lines.append(
            f"{size(bytes_):>9}  {size(frees[holding.place]):>9}  {seconds_text(holding.seconds):>9}  "
            f"{padded(names[holding.place], width)}  {_kept(holding)}".rstrip()
        )
    return "".join(f"{line}\n" for line in lines)


def _name(holding: Holding) -> str:
    return f"{holding.place[:8]}  {holding.name}" if holding.kind == "build" else holding.place


def _kept(holding: Holding) -> str:
    return holding.kept_by or ("young" if holding.young else "")


def _size(holding: Holding, found: Holdings) -> int:
    return sum(found.sizes[part] for part in holding.parts)


def _data(found: Holdings) -> dict[str, Any]:
    frees = alone(found.holdings, found.sizes)
    artifacts = []
    for holding in found.holdings:
        build = found.builds.get(holding.place)
        artifacts.append(
            {
                "kind": holding.kind if build is None else build.kind,
                "name": holding.name,
                **({"path": holding.place} if build is None else {"key": build.key, "commit": build.commit}),
                "made-at": int(holding.made_at),
                "size": _size(holding, found),
                "alone": frees[holding.place],
                "seconds": round(holding.seconds, 3),
                "kept-by": holding.kept_by,
            }
        )
    return {
        "kinds": dict(found.kinds),
        "nobody's": found.unheld,
        "total": found.total,
        "artifacts": artifacts,
    }
