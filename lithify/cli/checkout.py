"""``lithify checkout``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from lithify.build.workshop import bench
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
from lithify.schedule.session import find_built
from lithify.store.reading import Repository

_STDOUT = "-"
"""The destination that is no file."""


def command(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="ARTIFACT|SYSTEM", help="an artifact's key, or a system that is built")
    ],
    destination: Annotated[
        str, typer.Argument(help="the folder or tar file to make; `-` with --tar: stdout")
    ],
    tar: Annotated[bool, typer.Option("--tar", help="make a tar file")] = False,
    owner: Annotated[str, typer.Option("--owner", help="`me`: all files are the caller's")] = "",
    hard_links: Annotated[
        bool,
        typer.Option("--hard-links", help="link to the store's own files, to which nobody may write then"),
    ] = False,
    repo: RepoOption = "",
    ref: RefOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="print what was made as JSON")] = False,
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
        named = named_artifact(what)
        if named is None:
            resolved, built = find_built(session, named_system(ctx.obj, session, what).graph.system.file)
            if built is None:
                raise LithifyError(f"{what} is not built yet", hints=[f"lithify build {what}"])
            content, name, key = built.content, built.name, str(known(resolved.keys.system))
        else:
            content = content_of(session.repository, named)
            key = full_key(session.repository, named)
            name = named.name or str(
                session.repository.commit(commit_of(session.repository, named)).metadata["name"]
            )
        order = Order(
            name=name,
            type="tar" if tar else "directory",
            location=target,
            values=values,
            system=name,
            content=content,
            commit="",
            definition_key=key,
        )
        if not piped:
            check_order(order)
        workshop = open_workshop(session, None)
        if piped:
            _write_to_stdout(order, workshop.store.reading, report)
            return
        with bench(workshop, "checkout") as own:
            carry_out(
                order,
                Works(
                    repository=workshop.store.reading,
                    scratch=own.scratch,
                    report=report,
                    sync=ctx.obj.settings.fsync,
                ),
                noted=False,
            )
    made = {"made": str(target), "type": order.type, "name": name, "key": key, "content": content.digest}
    sys.stdout.write(json.dumps(made, indent=2) + "\n" if as_json else f"{target}\n")


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
