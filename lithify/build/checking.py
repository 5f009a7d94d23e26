"""What commits say of themselves against what they hold: content digests, keys, and the refs that name them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lithify.build.metadata import Content, last_ref, read_chunk, read_system
from lithify.store.content import content_digest
from lithify.store.damage import DamagedObject
from lithify.store.reading import Commit, Repository


def commit_fault(repository: Repository, checksum: str) -> str:
    """Return in what a commit's metadata is wrong about the commit; empty where it is right, or where it is no build.

    Raises :class:`DamagedObject` where the commit cannot be read at all.
    """
    commit = repository.commit(checksum)
    metadata = commit.metadata
    if "kind" not in metadata:
        return ""  # somebody else's, who says nothing of keys
    try:
        for name in ("definition", "build"):
            if metadata[f"{name}-key"] != _digest(metadata[f"{name}-inputs"]["inputs"]):
                return f"its {name} key is not that of its inputs"
        for what, content in _contents(repository, commit):
            if content.digest != content_digest(content.tree, content.manifest):
                return f"the content digest of {what} is not that of its tree"
    except DamagedObject:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"its metadata is not understood: {type(error).__name__} {error}"
    return ""


def _contents(repository: Repository, commit: Commit) -> Iterator[tuple[str, Content]]:
    if commit.metadata["kind"] == "system":
        built = read_system(commit.checksum, commit)
        yield built.name, built.content
        return
    chunk = read_chunk(repository, commit.checksum)
    yield chunk.name, chunk.whole
    yield from chunk.artifacts.items()


def ref_fault(name: str, commit: Commit) -> str:
    """Return why a commit is not what a ref should name; empty where it is, or where the ref is none of ours."""
    metadata = commit.metadata
    kind, _, rest = name.partition("/")
    right: dict[str, Any] = {
        "d": metadata.get("definition-key"),
        "b": metadata.get("build-key"),
        "last": _last(metadata, ()),
        "workspace-last": _last(metadata, metadata.get("workspaces", ())),
    }
    return f"names a build of another key: {right[kind]}" if kind in right and right[kind] != rest else ""


def _last(metadata: Mapping[str, Any], workspaces: Sequence[str]) -> str:
    kind, name, arch = (str(metadata.get(what)) for what in ("kind", "name", "arch"))
    return last_ref(kind, name, arch, workspaces).partition("/")[2]


def _digest(inputs: object) -> str:
    """Return the digest of what came from canonical JSON, in which bytes have their form already."""
    text = json.dumps(inputs, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
