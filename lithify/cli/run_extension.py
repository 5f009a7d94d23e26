"""``lithify run-extension``."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lithify.cache import CacheFolder, open_cache
from lithify.cli.extensions import built_in_type, unknown_extension
from lithify.cli.help import root_at
from lithify.cli.invocation import Invocation
from lithify.cli.origin import RefOption, RepoOption, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import laid_out
from lithify.definitions.extensions import kind_of, own_extension
from lithify.deploy.cluster import UPGRADE, says_yes
from lithify.deploy.extension import Extension, run_extension
from lithify.deploy.registry import TYPES
from lithify.errors import DeployError, UsageError
from lithify.events import Report, Waiting
from lithify.lease import Lease
from lithify.schedule.definitions_from_git import Origin


def command(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME.KIND", help="an extension of the definitions, or one built in")
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARG...",
            help="of a configure extension FOLDER, of a write extension FOLDER LOCATION, of a check extension LOCATION",
        ),
    ] = None,
    repo: RepoOption = "",
    ref: RefOption = "",
) -> None:
    """Run one extension by hand, with the caller's environment as its variables.

    An extension of the definitions is a program: it is run in the root of the definitions, on this terminal. FOLDER may be
    relative to the current folder, LOCATION is as in `deploy`. What an ordinary user runs on a folder is run as root of a
    user namespace, where owners can be set. What begins with - stands behind --.

    \b
    Examples:
      lithify run-extension extensions/set-hostname.configure tree
      lithify run-extension tar.write tree /tmp/tree.tar
      lithify run-extension image.write tree demo.img
    """
    given = list(arguments or ())
    origin = origin_of(repo, ref)
    invocation: Invocation = ctx.obj
    with reading_events(invocation) as report, _definitions(invocation, report, origin) as root:
        own = own_extension(name, root) if root is not None else None
        if own is not None and root is not None:
            passed = passed_arguments(kind_of(name), given, invocation.cwd, of_commit=origin is not None)
            extension = Extension(name=name, path=own, folder=root)
            sys.stdout.flush()
            with tempfile.TemporaryDirectory(
                prefix="lithify-extension-", dir=_tempdir(invocation)
            ) as scratch:
                run_extension(extension, passed, invocation.environment, Path(scratch), report)
            return
        if built_in_type(name) is None:
            raise unknown_extension(name, root)
        base = root if root is not None and origin is None else invocation.cwd
        made = _write(invocation, name, given, base, report)
    sys.stdout.write(f"{made}\n")


def _write(invocation: Invocation, name: str, given: Sequence[str], base: Path, report: Report) -> Path:
    """Run a built-in write extension, and return what it made."""
    if len(given) != 2:
        raise UsageError(
            f"{name} takes a folder and a location",
            hints=[
                f"lithify run-extension {name} FOLDER LOCATION",
                f"`lithify help {name}` says what they mean",
            ],
        )
    folder, location = invocation.cwd / given[0], base / given[1]
    kind = str(built_in_type(name))
    if says_yes(name, invocation.environment.get(UPGRADE)) and not TYPES[kind].upgrades:
        raise DeployError(f"{name}: the type {kind} cannot be upgraded")
    by_hand = importlib.import_module("lithify.deploy.by_hand")  # libostree with it
    order = by_hand.order_by_hand(kind, folder, location, invocation.environment)
    cache = open_cache(invocation.settings.cachedir.absolute())
    with closing(Lease(cache)) as claim:
        claim.share(
            lambda holder: report(Waiting(what="the cache, which is being cleaned up", holder=holder))
        )
        tempdir = _tempdir(invocation) or Path(tempfile.gettempdir())
        by_hand.write_by_hand(order, folder, cache, tempdir, report, sync=invocation.settings.fsync)
    return location


def passed_arguments(kind: str, given: Sequence[str], cwd: Path, *, of_commit: bool) -> list[str]:
    """Return what an extension is handed: the folder by its whole path, since it is run in another one.

    A location is relative to the root of the definitions, where it is run. That of a commit is a folder of the cache:
    there a location that looks like a path is relative to ``cwd``.
    """
    passed = list(given)
    at = 0 if kind == "check" else 1
    if kind != "check" and passed:
        passed[0] = str(cwd / passed[0])
    if of_commit and kind != "configure" and len(passed) > at and not set(passed[at]) & set(":@"):
        passed[at] = str(cwd / passed[at])
    return passed


@contextmanager
def _definitions(invocation: Invocation, report: Report, origin: Origin | None) -> Iterator[Path | None]:
    """Yield the root of the definitions of a commit, or of those around; None where there are none."""
    if origin is None:
        yield root_at(invocation.cwd)
        return
    with closing(Lease(CacheFolder(invocation.settings.cachedir.absolute()))) as claim:
        yield laid_out(invocation, report, origin, claim)


def _tempdir(invocation: Invocation) -> Path | None:
    """Return where scratch folders are made; None where that is the system's business."""
    tempdir = invocation.settings.tempdir
    if tempdir is not None:
        tempdir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempdir
