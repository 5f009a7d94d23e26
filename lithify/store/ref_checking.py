"""The refs of the store: each names a whole commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lithify.store.reading import Repository, is_temporary

_CHECKSUM = re.compile(rb"[0-9a-f]{64}\n?")


def ref_faults(repository: Repository) -> Iterator[tuple[str, str]]:
    """Yield (ref, what is wrong with it), sorted: one that cannot be read, or whose commit is missing or not whole."""
    top = repository.path / "refs" / "heads"
    for place in sorted(top.rglob("*")):
        if is_temporary(place.name) or place.is_dir():
            continue
        reason = _fault(repository, place)
        if reason and place.exists():
            yield str(place.relative_to(top)), reason


def _fault(repository: Repository, place: Path) -> str:
    try:
        text = place.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not _CHECKSUM.fullmatch(text):
        return "names no commit"
    commit = text.decode().strip()
    if repository.is_partial(commit):
        return f"names commit {commit}, which is not whole"
    if not repository.has(commit, "commit"):
        return f"names commit {commit}, which is not there"
    return ""


def drop_refs(repository: Repository, names: list[str]) -> None:
    """Remove refs, whatever they hold; one that is not there is no error."""
    for name in names:
        (repository.path / "refs" / "heads" / name).unlink(missing_ok=True)
