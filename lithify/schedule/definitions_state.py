"""Which state of a definitions tree a build is made from: the commit, and the files that were read and differ from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from lithify.build.metadata import DefinitionsState
from lithify.sources.git_program import checked_out_commit, origin_of, tree_of_commit
from lithify.sources.lock import LOCK_NAME
from lithify.sources.urls import without_password


def definitions_state(root: Path, names: Iterable[str]) -> DefinitionsState:
    """Return the state of the tree at ``root`` of which the files ``names`` were read; the lock file counts too.

    git's own status is not asked for: it would run what the work tree's configuration and attributes name.
    """
    commit = checked_out_commit(root)
    if not commit:
        return DefinitionsState()
    blobs = tree_of_commit(root, commit)
    read = sorted({*names, LOCK_NAME})
    return DefinitionsState(
        repository=without_password(origin_of(root)),
        commit=commit,
        changed=tuple(name for name in read if _differs(root / name, blobs, name)),
    )


def _differs(path: Path, blobs: Mapping[str, str], name: str) -> bool:
    """Return whether a file is not the blob that the commit has of it; a file that neither has does not differ."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return name in blobs
    except OSError:
        return True
    known = blobs.get(name, "")
    kind = hashlib.sha256 if len(known) == 64 else hashlib.sha1
    return kind(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() != known
