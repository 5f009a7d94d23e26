"""``lithify cross-bootstrap``."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lithify.cli.origin import RefOption, RepoOption, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.space import require_room
from lithify.schedule.session import resolve_system


def command(
    ctx: typer.Context,
    arch: Annotated[str, typer.Argument(help="the architecture to build for; the system's")],
    system: Annotated[str, typer.Argument(help="the system, as a path or a name")],
    output: Annotated[str, typer.Option("--output", metavar="FILE", help="the tarball")] = "",
    repo: RepoOption = "",
    ref: RefOption = "",
) -> None:
    """Begin a system for an architecture that nothing can be built on yet, and print the path of a tarball for it.

    The system's chunks in bootstrap mode are built here; the tarball holds them, the sources of all other chunks in /src, and
    /native-bootstrap, which builds these on the machine itself. It is SYSTEM-ARCH-bootstrap.tar.gz in the current folder.

    \b
    Examples:
      lithify cross-bootstrap armv8l64 systems/base.morph
      lithify cross-bootstrap ppc64 base --output /tmp/base.tar.gz
      lithify cross-bootstrap ppc64 base --repo . --ref HEAD
    """
    origin = origin_of(repo, ref)
    crossing = importlib.import_module("lithify.deploy.cross_bootstrap")  # what builds, libostree with it
    crossing.check_architecture(arch)
    with reading_events(ctx.obj) as report, opened(ctx.obj, report, origin) as session:
        file = session.definitions.locate(system, kind="system", cwd=ctx.obj.cwd)
        request = crossing.cross_request(session, resolve_system(session, file, ask=True), arch)
        name = output or f"{request.resolved.graph.system.name}-{arch}-bootstrap.tar.gz"
        target = Path(os.path.normpath(ctx.obj.cwd / name))
        crossing.check_target(target)
        require_room(ctx.obj.settings)
        crossing.cross_bootstrap(session, request, target)
    sys.stdout.write(f"{target}\n")
