"""``lithify checkout``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from lithify.build.metadata import Content
from lithify.build.workshop import Workshop, bench
from lithify.cli.invocation import Invocation
from lithify.cli.list_files import content_of
from lithify.cli.naming import commit_of, full_key, named_artifact, named_system
from lithify.cli.origin import RefOption, RepoOption, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.deploy.deployment import carry_out, check_order
from lithify.deploy.order import Order, Works
from lithify.deploy.tar import write_tar
from lithify.errors import LithifyError, UsageError
from lithify.events import DeploymentFinished, DeploymentStarted, Report
from lithify.graph.keys import known
from lithify.schedule.building import open_workshop
from lithify.schedule.session import Session, find_built
from lithify.store.reading import Repository

_STDOUT = "-"
"""The destination that is no file."""


_What = Annotated[
    str, typer.Argument(metavar="ARTIFACT|SYSTEM", help="an artifact's key, or a system that is built")
]
_Destination = Annotated[str, typer.Argument(help="the folder or tar file to make; `-` with --tar: stdout")]
_Tar = Annotated[bool, typer.Option("--tar", help="make a tar file")]
_Owner = Annotated[str, typer.Option("--owner", help="`me`: all files are the caller's")]
_HardLinks = Annotated[
    bool, typer.Option("--hard-links", help="link to the store's own files, to which nobody may write then")
]
_AsJson = Annotated[bool, typer.Option("--json", help="print what was made as JSON")]


def command(
    ctx: typer.Context,
    what: _What,
    destination: _Destination,
    tar: _Tar = False,
    owner: _Owner = "",
    hard_links: _HardLinks = False,
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: _AsJson = False,
) -> None:
    """Take a tree out of the store, as a folder or as a tar file.

    \b
    Examples:
      lithify checkout systems/demo.morph /tmp/demo
      lithify checkout 3f9a01c2 /tmp/zlib --owner me
      lithify checkout demo demo.tar --tar
      lithify checkout demo /var/tmp/demo --hard-links
      lithify checkout demo - --tar | ssh board tar -xC /mnt
    """
    piped = destination == _STDOUT
    if piped:
        _check_stdout(what, tar=tar, as_json=as_json)
    target = Path(os.path.normpath(ctx.obj.cwd / destination))
    if os.path.lexists(target) and not piped:
        raise UsageError(f"{destination} is there already", hints=["name a place that does not exist"])
    values = _values(owner, hard_links=hard_links, tar=tar)
    origin = origin_of(repo, ref)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        session.hold_cache()
        order = _order(
            _named(ctx.obj, session, what), "tar" if tar else "directory", target=target, values=values
        )
        if not piped:
            check_order(order)
        workshop = open_workshop(session, None)
        if piped:
            _write_to_stdout(order, workshop.store.reading, report)
            return
        _write(order, workshop, report, sync=ctx.obj.settings.fsync)
    sys.stdout.write(json.dumps(_data(order), indent=2) + "\n" if as_json else f"{target}\n")


class _Tree(Struct, frozen=True, kw_only=True):
    """What is taken out."""

    name: str
    key: str
    content: Content


def _named(invocation: Invocation, session: Session, what: str) -> _Tree:
    """Return the tree that a user means, by an artifact's key or by a system; raises where it is not in the store."""
    named = named_artifact(what)
    if named is None:
        resolved, built = find_built(session, named_system(invocation, session, what).graph.system.file)
        if built is None:
            raise LithifyError(f"{what} is not built yet", hints=[f"lithify build {what}"])
        return _Tree(name=built.name, key=str(known(resolved.keys.system)), content=built.content)
    content = content_of(session.repository, named)
    commit = commit_of(session.repository, named)
    name = named.name or str(session.repository.commit(commit).metadata["name"])
    return _Tree(name=name, key=full_key(session.repository, named), content=content)


def _order(tree: _Tree, kind: str, *, target: Path, values: Mapping[str, str]) -> Order:
    return Order(
        name=tree.name,
        type=kind,
        location=target,
        values=values,
        system=tree.name,
        content=tree.content,
        commit="",
        definition_key=tree.key,
    )


def _data(order: Order) -> dict[str, str]:
    return {
        "made": str(order.location),
        "type": order.type,
        "name": order.name,
        "key": order.definition_key,
        "content": order.content.digest,
    }


def _values(owner: str, *, hard_links: bool, tar: bool) -> dict[str, str]:
    """Return what a deployment of the type ``directory`` is told; raises :class:`UsageError` for what does not go together."""
    if owner not in ("", "me"):
        raise UsageError(f"--owner {owner}: it is `me`, or left out")
    if hard_links and tar:
        raise UsageError("--hard-links is for a folder: a tar file holds the files' content")
    if hard_links and owner:
        raise UsageError(
            "--hard-links and --owner: hard links are the store's own files, which keep their owners"
        )
    values = {"owner": owner, "hard-links": "yes" if hard_links else ""}
    return {} if tar else {name: value for name, value in values.items() if value}


def _check_stdout(what: str, *, tar: bool, as_json: bool) -> None:
    """Raise :class:`UsageError` where the tree cannot be written to stdout."""
    if not tar:
        raise UsageError(
            "a folder cannot be written to stdout",
            hints=["--tar writes a tar there", "./- is a folder of that name"],
        )
    if as_json:
        raise UsageError("--json: stdout is taken by the tar", hints=["name a file in place of -"])
    if sys.stdout.isatty():
        raise UsageError(
            "a tar is not written to a terminal", hints=[f"lithify checkout {what} - --tar >FILE"]
        )


def _write(order: Order, workshop: Workshop, report: Report, *, sync: bool) -> None:
    with bench(workshop, "checkout") as own:
        works = Works(repository=workshop.store.reading, scratch=own.scratch, report=report, sync=sync)
        carry_out(order, works, noted=False)


def _write_to_stdout(order: Order, repository: Repository, report: Report) -> None:
    began = time.monotonic()
    report(DeploymentStarted(name=order.name, type="tar", location="stdout"))
    entries = repository.entries(order.content.tree, order.content.manifest)
    write_tar(sys.stdout.buffer, entries, repository.file_path)
    sys.stdout.buffer.flush()
    seconds = time.monotonic() - began
    report(
        DeploymentFinished(name=order.name, type="tar", location="stdout", outcome="made", seconds=seconds)
    )
