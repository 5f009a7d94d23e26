"""Files of Debian's pool: pinned by digest, fetched by plain HTTP from this host's own mirror, kept in ``sources/debian/``.

No package index is needed for them. A mirror keeps only the newest version of a package, so a pinned file may be gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from lithify.graph.canonical import Value
from lithify.process import run
from lithify.sources.context import SourceContext
from lithify.sources.debian_host import debian_host
from lithify.sources.http import RemoteFile, drop_damaged, fetch_files
from lithify.sources.lock_words import join_words

SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_POOL_PATH = re.compile(r"pool/[A-Za-z0-9%+._/~-]+\Z")


def pool_files(
    rows: Sequence[tuple[str, str, int, str]], suite: str, context: SourceContext
) -> list[RemoteFile]:
    """Return the files with their URLs; ``rows``: (name for messages, path below the archive, size, sha256)."""
    host = context.debian_host or debian_host()
    archive = host.archive(suite, context.mirrors)
    return [RemoteFile(name=n, url=archive + path, size=size, sha256=sha) for n, path, size, sha in rows]


def pool_path(file: RemoteFile, context: SourceContext) -> Path:
    """Return where a file of the pool is kept."""
    return kept_at(file.sha256, context)


def kept_at(sha256: str, context: SourceContext) -> Path:
    """Return where the file of the pool with a digest is kept."""
    return context.cache.sources / "debian" / sha256


def fetch_pool(
    rows: Sequence[tuple[str, str, int, str]], suite: str, label: str, context: SourceContext, *, check: bool
) -> None:
    """Have files of the pool in the cache; with ``check``, those that are there are read and compared first."""
    there = [RemoteFile(name=name, url=path, size=size, sha256=sha) for name, path, size, sha in rows]
    if check:
        drop_damaged(there, lambda file: pool_path(file, context), context.report)
    if all(pool_path(file, context).exists() for file in there):
        return  # and this host need have no apt
    host = context.debian_host or debian_host()
    fetch_files(
        pool_files(rows, suite, context),
        lambda file: pool_path(file, context),
        cache=context.cache,
        label=label,
        report=context.report,
        proxy=host.proxy,
    )


def file_line(word: str, facts: Sequence[str], sha256: str, size: int, path: str) -> str:
    """Return a line of the lock file: what the file is, its digest, size and place."""
    return join_words(word, *facts, sha256, size, path)


def read_file_line(words: Sequence[str], facts: int) -> tuple[list[str], str, int, str]:
    """Return (facts, sha256, size, path) of such a line; raises :class:`ValueError`."""
    if len(words) != facts + 4:
        raise ValueError(f"a line of {words[0]} has {facts + 4} words")
    sha256, size, path = words[facts + 1 :]
    if (
        not SHA256.match(sha256)
        or not size.isdecimal()
        or not _POOL_PATH.match(path)
        or "/../" in unquote(path)
    ):
        raise ValueError(f"no sha256, size and path of the pool: {sha256} {size} {path}")
    return list(words[1 : facts + 1]), sha256, int(size), path


def host_architecture() -> str:
    """Return Debian's name of this host's architecture."""
    return run(["dpkg", "--print-architecture"]).stdout.decode().strip()


def rows_of(pin: Mapping[str, Value], name: str) -> list[list[str]]:
    """Return a table of a pin as lists of text."""
    table = pin[name]
    assert isinstance(table, Sequence)
    return [[str(item) for item in row] for row in table if isinstance(row, Sequence)]
