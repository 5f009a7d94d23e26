"""Writes down what a build's answer rests on, for :mod:`lithify.schedule.standing`.

What was read of the definitions is known from the reader, with each file's status as it was before it was read. Of ``local``
and ``patch`` sources, a look is taken, and then each is read once more: only if it is what the build had is the look kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lithify.build.metadata import definition_ref
from lithify.cache import CacheFolder
from lithify.crash import crash_point
from lithify.definitions.model import Source
from lithify.definitions.watching import Status
from lithify.errors import LithifyError
from lithify.graph.keys import known
from lithify.graph.model import ContentDigest
from lithify.graph.pins import Pin
from lithify.schedule.request import Request, facts_are_current
from lithify.schedule.session import Resolved, Session, declared_in
from lithify.schedule.standing import answer_path, circumstances, mounted_by, question, sealed
from lithify.sources.kinds import UNLOCKED, kind_of
from lithify.sources.local import below_definitions
from lithify.sources.lock import LOCK_NAME, parse_lock
from lithify.sources.tree import SETTLED_NS, look_at

FIRST_FORMAT = 9
"""Before it, a branch may mean another commit each time: no answer stands."""
MOST_ANSWERS = 200
"""Answers kept in a cache; the oldest go."""
SMALL = 8 << 20
"""Bytes of a source that may be read again each time, because it was changed a moment before."""


class _CannotTell(Exception):
    """Something is not certain enough for the answer to be kept."""


def keep_answer(
    session: Session,
    request: Request,
    cwd: Path,
    name: str,
    *,
    now: int,
    mounted: Sequence[ContentDigest] = (),
) -> None:
    """Keep what building the system ``name``, said in ``cwd``, came to; where that is not certain, nothing is kept.

    ``now``: nanoseconds since 1970. ``mounted``: the layers that the system was composed on; of one that was not composed
    this time, what is known from the last time is kept.
    """
    path = answer_path(session.cache, session.definitions.root, cwd, name)
    try:
        record = {**_record(session, request, now), "mounted": [*(mounted or mounted_by(path))]}
        _write(session.cache, path, record)
    except (_CannotTell, LithifyError, OSError):
        return  # something changed meanwhile, or the disk is full: the next build is resolved in the ordinary way


def keep_mounted(session: Session, cwd: Path, words: Sequence[str], mounted: Sequence[ContentDigest]) -> None:
    """Keep which layers were mounted to build what ``words`` name, said in ``cwd``: most will be once more."""
    path = answer_path(session.cache, session.definitions.root, cwd, question(words))
    try:
        _write(session.cache, path, {"text": None, "mounted": [*mounted]})
    except OSError:
        return  # the disk is full: the next build looks at them when it needs them


def _record(session: Session, request: Request, now: int) -> dict[str, Any]:
    resolved, watched = request.resolved, session.watched
    ref = definition_ref(known(resolved.keys.system))
    commit = session.repository.ref(ref)
    if (
        resolved.graph.format < FIRST_FORMAT
        or session.workspaces
        or request.components is not None
        or not watched.is_settled
        or commit is None
        or not facts_are_current(session, commit, resolved.graph)
    ):
        raise _CannotTell
    return {
        "circumstances": circumstances(session.settings),
        "text": "".join(f"{line}\n" for line in request.lines),
        "ref": ref,
        "commit": commit,
        "files": [
            (name, seen.status, seen.digest, _is_settled(seen.status, session.began))
            for name, seen in sorted(watched.files.items())
        ],
        "absent": sorted(watched.absent),
        "looked-up": sorted(watched.looked_up.items()),
        "names": watched.names_digest,
        "lock": _lock(session),
        "sources": list(_sources(session, resolved, now)),
    }


def _is_settled(status: Status, read_at: int) -> bool:
    """Return whether a file read not before ``read_at`` cannot have changed since without a new status."""
    return status[-1] < read_at - SETTLED_NS


def _lock(session: Session) -> dict[str, Any]:
    status = session.lock_status
    if status is None:
        return {"name": LOCK_NAME, "status": None}
    settled = _is_settled(status, session.began)
    digest = ""
    if not settled:
        content = (session.definitions.root / LOCK_NAME).read_bytes()
        if parse_lock(content, LOCK_NAME) != session.lock:
            raise _CannotTell
        digest = hashlib.sha256(content).hexdigest()
    return {"name": LOCK_NAME, "status": status, "digest": digest, "settled": settled}


def _sources(session: Session, resolved: Resolved, now: int) -> Iterator[tuple[str, str, str, str, bool]]:
    """Yield what :func:`_source` says of each source whose content is read at each build."""
    for source in declared_in(resolved.graph):
        if source.kind in UNLOCKED:
            yield _source(session, source, resolved.pins[source], now)


def _source(session: Session, source: Source, pin: Pin, now: int) -> tuple[str, str, str, str, bool]:
    """Return a source's path, its real path, how it looks, the digest of its content, and whether the look alone will do."""
    assert source.kind in ("local", "patch")
    real = below_definitions(source.path, session.definitions.root)
    if source.kind == "patch" and not _is_plain(real):
        raise _CannotTell  # what a link leads to is read, and a look does not see it
    look = look_at(real)
    settled = look.newest < now - SETTLED_NS
    digest = str(pin.digest_data["tree"]) if source.kind == "local" else ""
    if not settled and (not digest or look.size > SMALL):
        raise _CannotTell
    if kind_of(source).pin(source, session.sources()) != pin:
        raise _CannotTell
    return source.path, str(real), look.digest, digest, settled


def _is_plain(found: Path) -> bool:
    return not any(
        os.path.islink(os.path.join(folder, name))
        for folder, folders, files in os.walk(found)
        for name in (*folders, *files)
    )


def _write(cache: CacheFolder, path: Path, record: dict[str, Any]) -> None:
    """Put an answer in place of the last one, whole or not at all. Not synced: a torn one is none."""
    folder = cache.standing
    folder.mkdir(mode=0o700, exist_ok=True)
    # one name for all: what a killed process left is written over, and two writers at once make a torn one at worst
    aside = folder / f".{path.name}.partial"
    try:
        aside.write_bytes(sealed(record))
        crash_point("standing.replace")
        os.replace(aside, path)
        crash_point("standing.replaced")
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    kept = sorted(folder.iterdir(), key=lambda file: file.lstat().st_mtime_ns)
    for old in kept[:-MOST_ANSWERS]:
        old.unlink(missing_ok=True)
