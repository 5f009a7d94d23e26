"""``lithify build --check``: builds again what was built, and compares."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lithify.build.metadata import BuiltChunk
from lithify.cli.invocation import Invocation
from lithify.cli.naming import named_chunk
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.text import printable
from lithify.errors import LithifyError
from lithify.process import find_program
from lithify.report.contents import ContentDifference, content_differences, short_difference
from lithify.schedule.building import build, undertaking_of
from lithify.schedule.definitions_from_git import Origin
from lithify.schedule.realising import Undertaking, find_chunk, find_system
from lithify.schedule.rebuilding import Rebuilt, rebuilding
from lithify.schedule.request import Request, request_for
from lithify.schedule.session import Session
from lithify.staging.confined import confined
from lithify.store.reading import Repository

SHOWN_FILES = 5
"""Of each chunk; more are counted."""
DIFFERENT = 1
"""The exit status with which diffoscope has told a difference; 2 is trouble."""
DIFFOSCOPE_SECONDS = 120.0
DIFFOSCOPE_LINES = 40


def check(invocation: Invocation, origin: Origin | None, words: Sequence[str], events_to: str) -> None:
    """Build a system, or chunks, and all of it again, and print what differs. Raises :class:`LithifyError` where any does."""
    with (
        reading_events(invocation, events_to=events_to) as report,
        opened(invocation, report, origin) as session,
    ):
        request = _request(invocation, session, words)
        if not request.is_done:
            build(session, request, keep_going=False)
        undertaking = undertaking_of(session, request.resolved)
        wanted = [*(undertaking.graph.needed if request.components is None else request.components)]
        chunks = _needed(undertaking, wanted)
        system = find_system(undertaking) if request.components is None else None
        jobs = session.settings.jobs
        with rebuilding(undertaking, chunks, wanted, system, jobs) as made:
            lines = [line for one in made for line in _lines(undertaking.workshop.store.reading, one)]
    same = sum(one.is_same for one in made)
    lines.append(f"{same} of {len(made)} came out the same")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if same < len(made):
        names = ", ".join(one.name for one in made if not one.is_same)
        raise LithifyError(f"not the same when built again: {names}")


def _request(invocation: Invocation, session: Session, words: Sequence[str]) -> Request:
    """Return what is asked for: a system, some chunks and strata of one, or chunks whose system needs no naming."""
    try:
        file = session.definitions.locate(words[0], kind="system", cwd=invocation.cwd)
        session.definitions.system(file)
    except LithifyError:
        file = ""
    if file:
        return request_for(session, file, words[1:])
    named = [named_chunk(invocation, session, [word]) for word in words]
    return request_for(session, named[0].resolved.graph.system.file, [one.name for one in named])


def _needed(undertaking: Undertaking, wanted: Sequence[str]) -> dict[str, BuiltChunk]:
    """Return chunks, and all that they are built on, as they are in the store."""
    names = dict.fromkeys(wanted)
    for name in wanted:
        names.update(
            dict.fromkeys(member for group in undertaking.keys.staged(name) for member in group.chunks)
        )
    found = {name: find_chunk(undertaking, name) for name in names}
    return {name: built for name, built in found.items() if built is not None}


def _lines(repository: Repository, one: Rebuilt) -> list[str]:
    title = f"{one.kind} {one.name} [{one.key[:8]}]"
    if one.failure is not None:
        return [f"FAILED   {title}: {one.failure.message}", *(f"    {hint}" for hint in one.failure.hints)]
    if one.again is None or one.is_same:
        return [f"same     {title}"]
    found = list(content_differences(repository, one.stored, one.again))
    count = f"{len(found)} files differ" if len(found) > 1 else "1 file differs"
    lines = [f"DIFFERS  {title}: {count}"]
    for difference in found[:SHOWN_FILES]:
        lines.append(f"    /{difference.path}: {difference.what}")
        lines += [f"        {printable(line)}" for line in _shown(difference)]
    if len(found) > SHOWN_FILES:
        lines.append(f"    and {len(found) - SHOWN_FILES} more")
    return lines


def _shown(difference: ContentDifference) -> list[str]:
    """Return how two files differ: as diffoscope sees it, where it is installed."""
    if difference.old is None or difference.new is None:
        return []
    if find_program("diffoscope") is not None:
        told = _diffoscope(difference.path, difference.old, difference.new)
        if told:
            return told
    return short_difference(difference.old, difference.new)


def _diffoscope(path: str, old: Path, new: Path) -> list[str]:
    """Return the first lines of what diffoscope says; it reads what a build made, so it sees nothing else.

    The files have the names that they have in the artifact: of some it knows by the name what they are.
    """
    shown = {f"/{when}/{path}": file for when, file in (("built-before", old), ("built-again", new))}
    line = ["diffoscope", "--no-progress", "--text", "-", *shown]
    try:
        done = confined(line, shown=shown, timeout=DIFFOSCOPE_SECONDS, expected=None)
    except subprocess.TimeoutExpired:
        return []
    if done.returncode != DIFFERENT:
        return []  # it could not tell
    lines = done.stdout.decode(errors="replace").splitlines()
    return [*lines[:DIFFOSCOPE_LINES], "…"] if len(lines) > DIFFOSCOPE_LINES else lines
