"""The merge of many chunks' trees in a real store: a fifth of the folders are shared, as in systems that were measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.figures import Figure, measure
from lithify.build.metadata import last_ref, read_chunk
from lithify.cache import open_cache
from lithify.store.gvariant import Dirmeta, Dirtree, Tree
from lithify.store.merge import Part, merge
from lithify.store.reading import Repository
from lithify.store.transaction import Transaction
from lithify.store.writing import Store

FILES = 540
"""Files of a chunk: 54,000 for a hundred chunks."""


def merging(scratch: Path, chunks: int, rounds: int) -> Figure:
    """Return how long the merge of ``chunks`` trees takes; each round reads the store anew."""
    cache = open_cache(scratch / "merging")
    store = Store(cache, sync=False)
    with store.transaction() as transaction:
        meta = transaction.write_dirmeta(Dirmeta())
        parts = [
            Part(name=f"chunk-{number}", tree=_chunk(transaction, meta, number)) for number in range(chunks)
        ]
    store.close()

    def work(_: int) -> object:
        again = Store(cache, sync=False)
        try:
            return merge(again.reading, parts)
        finally:
            again.close()

    return measure(f"merge of {chunks} trees, {chunks * FILES} files", rounds, work, goal=0.1)


def _chunk(transaction: Transaction, meta: str, number: int) -> Tree:
    """Write a tree with some files in shared folders, and most in folders of its own."""

    def files(folder: str, count: int) -> tuple[tuple[str, str], ...]:
        names = sorted(f"{folder}-{number}-{index}" for index in range(count))
        return tuple((name, hashlib.sha256(name.encode()).hexdigest()) for name in names)

    def folder(dirs: dict[str, Dirtree | str], own: tuple[tuple[str, str], ...] = ()) -> str:
        written = {
            name: inner if isinstance(inner, str) else transaction.write_dirtree(inner)
            for name, inner in dirs.items()
        }
        return transaction.write_dirtree(
            Dirtree(files=own, dirs=tuple((name, written[name], meta) for name in sorted(written)))
        )

    own = {f"chunk-{number}": Dirtree(files=files("data", 60))}
    share = folder({name: folder(dict(own)) for name in ("doc", "locale", "man", "lib", "info", "examples")})
    usr = folder(
        {
            "bin": Dirtree(files=files("program", 40)),
            "lib": Dirtree(files=files("library", 60)),
            "include": folder({f"chunk-{number}": Dirtree(files=files("header", 80))}),
            "share": share,
        }
    )
    return Tree(folder({"usr": usr}), meta)


def merging_real(cache_folder: Path, system: str, arch: str, rounds: int) -> Figure:
    """Return how long the merge of a built system's artifacts takes; each round reads the store anew."""
    ostree = cache_folder / "ostree"
    reading = Repository(ostree)
    commit = reading.ref(last_ref("system", system, arch))
    if commit is None:
        raise SystemExit(f"{system} is not built in {cache_folder}")
    chosen = [(one["commit"], one["artifact"]) for one in reading.commit(commit).metadata["artifacts"]]
    chunks = {commit: read_chunk(reading, commit) for commit, _ in chosen}
    parts = [
        Part(name=artifact, tree=content.tree, manifest=content.manifest)
        for commit, artifact in chosen
        for content in (chunks[commit].artifacts[artifact],)
    ]

    def work(_: int) -> object:
        return merge(Repository(ostree), parts)

    name = f"merge of {len(chunks)} chunks' trees ({len(parts)} artifacts) to the system's, in process"
    return measure(name, rounds, work, goal=0.1)
