"""``lithify ostree``."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from lithify.cache import CacheFolder
from lithify.cli.invocation import Invocation
from lithify.cli.own_cache import own_cache
from lithify.cli.reporting import reading_events
from lithify.errors import LithifyError, UsageError
from lithify.events import Report, Waiting
from lithify.lease import Lease
from lithify.process import find_program, start
from lithify.schedule.building import reserve
from lithify.staging.namespace import enter
from lithify.store.writing import Store

_NEEDS_NONE = frozenset({"--help", "-h", "--version"})
"""Words with which ostree looks at no repository."""
_READING = frozenset(
    {"cat", "checkout", "checksum", "diff", "export", "find-remotes", "log", "ls", "rev-parse", "show"}
)
"""Commands of ostree that write nothing, and look at nothing but what a ref names."""


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="ARG...", help="ostree's command, and what belongs to it")
    ] = None,
) -> None:
    """Run the `ostree` of this machine on the cache's repository, in which `d/KEY` is the build with that definition key.

    It gets --repo, the caller's environment, and a user namespace in which files have the owners that they have in builds.
    While it runs, `lithify gc` takes no build, and waits where ostree may write. Settings stand before its first word; all that
    follows is ostree's own, --help too. Exit status 1 where ostree fails, with whatever status.

    \b
    Examples:
      lithify ostree refs
      lithify ostree ls -R d/KEY
      lithify ostree --cachedir /srv/cache show d/KEY
      lithify ostree refs --help
      lithify ostree --version
    """
    if not words:
        hints = ["`lithify ostree refs` lists what is built, `lithify ostree --help` shows more"]
        raise UsageError("missing argument ARG", hints=hints)
    cache = own_cache(ctx.obj, "ostree")
    line = _line(cache.ostree, words)
    if not _NEEDS_NONE.isdisjoint(words):
        _run(line, ctx.obj)
        return
    with reading_events(ctx.obj) as report, closing(Lease(cache)) as claim:
        if cache.locks.is_dir():
            claim.share(
                lambda holder: report(Waiting(what="the cache, which is being cleaned up", holder=holder))
            )
        if not (cache.ostree / "config").is_file():
            raise LithifyError(
                f"there is no repository in the cache {cache.root} yet", hints=["the first build makes it"]
            )
        enter()
        with _kept_from_collectors(cache, words, ctx.obj, report, claim):
            _run(line, ctx.obj)


@contextmanager
def _kept_from_collectors(
    cache: CacheFolder, words: Sequence[str], invocation: Invocation, report: Report, claim: Lease
) -> Iterator[None]:
    """Keep garbage from being collected while ostree may write: a collector waits for us then, and says so.

    Without it, it would wait inside of libostree and say nothing, and keep all builds waiting.
    """
    if next((word for word in words if not word.startswith("-")), "") in _READING:
        yield
        return
    settings = invocation.settings
    store = Store(cache, sync=settings.fsync, min_free=reserve(cache), report=report, lease=claim)
    with store.shared_lock():
        yield


def _line(repository: Path, words: Sequence[str]) -> list[str]:
    """Return the command line: the repository stands behind ostree's command, since ostree alone takes none."""
    options = list(takewhile(lambda word: word.startswith("-"), words))
    rest = words[len(options) :]
    given = [rest[0], f"--repo={repository}", *rest[1:]] if rest else []
    return [find_program("ostree") or "ostree", *options, *given]


def _run(line: Sequence[str], invocation: Invocation) -> None:
    """Run ostree on our own streams; raises :class:`LithifyError` for any status but 0."""
    with start(line, env=invocation.environment, cwd=invocation.cwd, stdin=0, stdout=1, stderr=2) as child:
        try:
            status = child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if status == -signal.SIGPIPE:
        raise BrokenPipeError
    if status < 0:
        raise LithifyError(f"ostree was ended by signal {-status} ({signal.strsignal(-status)})")
    if status != 0:
        raise LithifyError(f"ostree failed (exit_code={status})")
