"""``lithify fsck``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from lithify.cli.invocation import Invocation
from lithify.cli.own_cache import own_cache
from lithify.cli.reporting import reading_events
from lithify.definitions.root import find_root
from lithify.errors import LithifyError
from lithify.schedule.inspection import BY_HAND, Damage, Inspection, inspect
from lithify.schedule.mending import mend
from lithify.sources.lock import LOCK_NAME
from lithify.staging.namespace import enter
from lithify.store.signing import trusted_keys


def command(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="throw away what is damaged, so that it is made again")
    ] = False,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="every build must be signed by one of trusted-keys")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print what was found as JSON")] = False,
) -> None:
    """Check the cache: every object, ref, layer, mirror, archive, package, log and fact against what it should be.

    Names what is damaged, the builds that it belongs to, and what mends it. The lock file of the definitions around is read
    too. Other commands may work meanwhile. 0 where all is sound, or was mended; else 1.

    \b
    Examples:
      lithify fsck
      lithify fsck --repair
      lithify fsck --signatures --trusted-keys release.gpg
      lithify fsck --json
    """
    invocation: Invocation = ctx.obj
    cache = own_cache(invocation, "fsck")
    if not cache.root.is_dir():
        _show(Inspection(counts={}, damages=()), (), as_json=as_json)
        return
    with reading_events(invocation) as report, ExitStack() as held:
        trusted = held.enter_context(trusted_keys(_key_files(invocation))) if signatures else None
        enter()
        look = partial(inspect, cache, report, lock_file=_lock_file(invocation), trusted=trusted)
        found = look()
        left = found.damages
        if repair and any(damage.what not in BY_HAND for damage in left):
            mend(invocation.settings, cache, left, report)
            left = look().damages
    _show(found, left if repair else None, as_json=as_json)
    if left:
        raise _error(left, repaired=repair)


def _key_files(invocation: Invocation) -> list[Path]:
    return [invocation.cwd / Path(name).expanduser() for name in invocation.settings.trusted_keys]


def _lock_file(invocation: Invocation) -> Path | None:
    try:
        return find_root(invocation.cwd) / LOCK_NAME
    except LithifyError:
        return None


def _show(found: Inspection, left: Sequence[Damage] | None, *, as_json: bool) -> None:
    """Print what was found; ``left``: what was not mended, None where nothing was to be."""
    still = {(damage.what, damage.name) for damage in left or ()}

    def mended(damage: Damage) -> bool:
        return left is not None and (damage.what, damage.name) not in still

    if as_json:
        record = {
            "checked": dict(found.counts),
            "damaged": [{**_record(damage), "mended": mended(damage)} for damage in found.damages],
        }
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
        return
    lines: list[str] = []
    for damage in found.damages:
        lines += [*_lines(damage), "    mended" if mended(damage) else f"    {damage.mend}"]
    counts = ", ".join(
        f"{count} {what if count != 1 else _one(what)}" for what, count in found.counts.items() if count
    )
    number = len(found.damages)
    result = "all sound" if not number else f"{number} damaged"
    lines.append(f"{counts or 'nothing is cached'}: {result}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _one(what: str) -> str:
    return {"repositories": "repository", "facts": "file of facts"}.get(what, what.removesuffix("s"))


def _record(damage: Damage) -> dict[str, Any]:
    return {
        "what": damage.what,
        "name": damage.name,
        "reason": damage.reason,
        "belongs-to": [
            {"kind": owner.kind, "name": owner.name, "key": owner.key, "path": owner.path}
            for owner in damage.owners
        ],
        "mend": damage.mend,
    }


def _lines(damage: Damage) -> list[str]:
    what = "" if damage.what == "object" else f"{damage.what} "
    lines = [f"{what}{damage.name} {damage.reason}"]
    for owner in damage.owners:
        name = " ".join(part for part in (owner.kind or "build", owner.name) if part)
        lines.append(f"    of {name} [{owner.key[:8]}]{f': /{owner.path}' if owner.path else ''}")
    return lines


def _error(left: Sequence[Damage], *, repaired: bool) -> LithifyError:
    number = len(left)
    text = left[0].name if number == 1 else f"{number} things"
    still = " still" if repaired else ""
    by_hand = all(damage.what in BY_HAND for damage in left)
    hints = (
        []
        if repaired or by_hand
        else ["`lithify fsck --repair` throws away what is damaged, and the next build makes it anew"]
    )
    return LithifyError(f"{text} {'is' if number == 1 else 'are'}{still} damaged", hints=hints)
