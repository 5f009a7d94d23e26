"""``lithify log``, and morph's ``show-build-log``."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from lithify.build.benches import FAILED_LOG, kept_of
from lithify.cache import is_held
from lithify.cli.naming import named_chunk
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.errors import LithifyError, UsageError
from lithify.graph.keys import known
from lithify.report.builds import last_build
from lithify.schedule.session import Resolved, Session

POLL_SECONDS = 0.2


def command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="[SYSTEM] CHUNK", help="the chunk")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="go on as a running build writes")] = False,
    path_only: Annotated[bool, typer.Option("--path", help="print where the log is")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
    repo: RepoOption = "",
    ref: RefOption = "",
) -> None:
    """Print the log of a chunk's last build, failed or not.

    \b
    Examples:
      lithify log zlib
      lithify log systems/demo.morph dropbear
      lithify log busybox -f
    """
    if follow and as_json:
        raise UsageError(
            "--follow and --json: one of them", hints=["`build --events FILE` follows a build as JSON"]
        )
    origin, words = one_of_a_commit(ctx.obj, origin_of(repo, ref), words)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        named = named_chunk(ctx.obj, session, words)
        path = log_of(session, named.resolved, named.name)
        running = _is_running(session, path)
    if as_json:
        text = path.read_text(errors="replace")
        data = {"chunk": named.name, "key": path.stem, "path": str(path), "running": running}
        sys.stdout.write(json.dumps({**data, "lines": text.splitlines()}, indent=2) + "\n")
        return
    if path_only:
        sys.stdout.write(f"{path}\n")
        return
    with path.open("rb") as log:
        shutil.copyfileobj(log, sys.stdout.buffer)
        sys.stdout.flush()
        while follow and _is_running(session, path):
            shutil.copyfileobj(log, sys.stdout.buffer)
            sys.stdout.flush()
            time.sleep(POLL_SECONDS)
        shutil.copyfileobj(log, sys.stdout.buffer)


def log_of(session: Session, resolved: Resolved, name: str) -> Path:
    """Return the log of a chunk as it is defined now, else that of its last build; raises :class:`LithifyError`.

    What a failed build left is taken away by the next one: where it is there, it is the last.
    """
    candidates = [session.cache.logs / f"{known(resolved.keys.chunk[name])}.log"]
    kept = kept_of(session.cache, name)
    if kept is not None and (kept / FAILED_LOG).is_symlink():
        candidates.append(Path(os.readlink(kept / FAILED_LOG)))
    last = last_build(session.repository, resolved.keys, "chunk", name)
    if last is not None:
        metadata = session.repository.commit(last).metadata
        candidates.append(session.cache.logs / f"{metadata['definition-key']}.log")
        origin = metadata.get("content-from", "")
        if origin and session.repository.has(origin, "commit"):  # `gc` may have taken the build it came from
            earlier = session.repository.commit(origin).metadata
            candidates.append(session.cache.logs / f"{earlier['definition-key']}.log")
    for path in candidates:
        if path.exists():
            return path
    raise LithifyError(
        f"there is no log of {name}", hints=[f"lithify build {resolved.graph.system.file} {name}"]
    )


def _is_running(session: Session, path: Path) -> bool:
    """Return whether a process builds the key whose log this is."""
    return is_held(session.cache.locks / f"d-{path.stem}")
