"""``lithify certify``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from msgspec import Struct

from lithify.cache import open_cache
from lithify.cli.naming import sound_graphs
from lithify.cli.origin import RefOption, RepoOption, origin_of, with_old_spelling
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.errors import LithifyError
from lithify.graph.model import SystemGraph
from lithify.report.certification import Keepers, Reason, reasons_against
from lithify.schedule.session import Session
from lithify.sources.reaching import Reaching


class _Certified(Struct, frozen=True, kw_only=True):
    """One system that was looked at."""

    name: str
    """As the user gave it."""
    graph: SystemGraph
    reasons: tuple[Reason, ...]


def command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="SYSTEM...", help="the systems, as paths or names")],
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Say of systems whether all that they are made from can be had again from their definitions alone.

    Of each chunk, the ref must be a commit of 40 digits, or from format 9 on be pinned in the lock file; a branch or tag of its
    repository must lead to that commit, so that it is not thrown away there one day; and the repository must be on the
    trove-host by its pull URL, unless that setting is empty. Repositories are fetched for it; with --no-git-update what the
    cache has of them must do. 0 where all systems pass, else 1.

    \b
    Examples:
      lithify certify systems/demo.morph
      lithify certify demo --repo . --ref v1.0
      lithify certify demo --trove-host ''
    """
    origin, names = with_old_spelling(ctx.obj, origin_of(repo, ref), words)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        graphs = sound_graphs(ctx.obj, session.definitions, names)
        open_cache(session.settings.cachedir.absolute())
        session.hold_cache()
        keepers = _keepers(session)
        looked_at = [
            _Certified(name=name, graph=graph, reasons=reasons_against(graph, keepers))
            for name, graph in zip(names, graphs, strict=True)
        ]
    sys.stdout.write(_as_json(looked_at) if as_json else "".join(_text(one) for one in looked_at))
    failed = [one.name for one in looked_at if one.reasons]
    if failed:
        raise LithifyError(f"not certified: {', '.join(failed)}")


def _keepers(session: Session) -> Keepers:
    settings = session.settings
    return Keepers(
        lock=session.lock,
        aliases=settings.pull_aliases(),
        trove_host=settings.trove_host,
        why_lost=Reaching(session.sources()).why_lost,
    )


def _text(one: _Certified) -> str:
    verdict = "FAILED" if one.reasons else "PASSED"
    lines = [f"Reproducibility certification {verdict} for {one.name}"]
    for reason in one.reasons:
        place = reason.place
        lines.append(f"  {place.file}:{place.line}:{place.column}: {reason.chunk}: {reason.text}")
    return "".join(f"{line}\n" for line in lines)


def _as_json(looked_at: Sequence[_Certified]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "system": one.name,
            "file": one.graph.system.file,
            "passed": not one.reasons,
            "chunks": len(one.graph.chunks),
            "reasons": [
                {
                    "chunk": reason.chunk,
                    "what": reason.kind,
                    "text": reason.text,
                    "file": reason.place.file,
                    "line": reason.place.line,
                    "column": reason.place.column,
                }
                for reason in one.reasons
            ],
        }
        for one in looked_at
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
