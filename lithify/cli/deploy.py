"""``lithify deploy``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lithify.build.benches import leftovers
from lithify.cli.invocation import Invocation
from lithify.cli.origin import RefOption, RepoOption, one_of_a_commit, origin_of
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.timing import Timings, TimingsFile, TimingsOption, timings_of
from lithify.definitions.model import ClusterFile
from lithify.definitions.tree import Definitions
from lithify.deploy.cluster import Wanted, absolute_location, split_overrides, wanted_deployments
from lithify.deploy.deployment import check_order, is_unchanged
from lithify.deploy.order import Order
from lithify.deploy.upgrading import refuse_upgrades
from lithify.errors import DeployError
from lithify.events import Warned
from lithify.schedule.definitions_from_git import Origin
from lithify.schedule.session import Session, find_built

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="CLUSTER [DEPLOYMENT...]",
        help="the cluster, as a path or a name; with names, only these deployments; NAME.KEY=VALUE sets a value",
    ),
]


def command(
    ctx: typer.Context,
    words: Words,
    repo: RepoOption = "",
    ref: RefOption = "",
    timings: TimingsOption = False,
    timings_file: TimingsFile = "",
    upgrade: Annotated[bool, typer.Option("--upgrade", hidden=True)] = False,
) -> None:
    """Deploy the systems of a cluster, or the named deployments of it; they must be built.

    Relative locations are relative to the root of the definitions; with --repo, to the current folder.

    \b
    Examples:
      lithify deploy clusters/demo.morph
      lithify deploy demo image
      lithify deploy demo image image.location=/tmp/demo.img
      lithify deploy demo image --timings
    """
    origin = origin_of(repo, ref)
    deploy_cluster(ctx.obj, words, origin, timings_of(ctx.obj, timings, timings_file), upgrade=upgrade)


def deploy_cluster(
    invocation: Invocation,
    words: Sequence[str],
    origin: Origin | None,
    timer: Timings | None,
    *,
    upgrade: bool,
) -> None:
    """Carry out the deployments that ``CLUSTER [DEPLOYMENT...] [NAME.KEY=VALUE...]`` names, and print what became of each.

    Whatever can be told of one before is told before any of them is begun.
    """
    origin, (cluster, *deployments) = one_of_a_commit(invocation, origin, words)
    names, overrides = split_overrides(deployments)
    with reading_events(invocation, timings=timer) as report, opened(invocation, report, origin) as session:
        session.hold_cache()
        definitions = session.definitions
        file = _cluster(definitions, definitions.locate(cluster, kind="cluster", cwd=invocation.cwd))
        chosen = wanted_deployments(file, names, overrides, upgrade=upgrade)
        refuse_upgrades(chosen)
        base = definitions.root if origin is None else invocation.cwd
        orders = [_order(session, wanted, base) for wanted in chosen]
        for order in orders:
            check_order(order)
        if all(is_unchanged(order) for order in orders) and not leftovers(session.cache):
            outcomes = ["unchanged" for _ in orders]
        else:
            several = importlib.import_module("lithify.deploy.several")  # what builds, libostree with it
            outcomes = several.carry_out_all(session, orders)
    for order, outcome in zip(orders, outcomes, strict=True):
        sys.stdout.write(f"{order.name}: {order.type} {order.location}: {outcome}\n")


def _cluster(definitions: Definitions, path: str) -> ClusterFile:
    loaded = definitions.loaded(path)
    if loaded is not None and loaded.file is not None and not isinstance(loaded.file, ClusterFile):
        raise DeployError(
            "lithify deployment commands are only supported for cluster morphologies",
            hints=[f"{path} is a {loaded.file.kind}"],
        )
    return definitions.cluster(path)


def _order(session: Session, wanted: Wanted, base: Path) -> Order:
    if wanted.by_default:
        text = "it has no `upgrade-type` and `upgrade-location`: its `type` and `location` are upgraded"
        session.report(Warned(text=f"{wanted.name}: {text}"))
    resolved, built = find_built(session, wanted.system.morph)
    system = resolved.graph.system
    if built is None:
        raise DeployError(
            f"{wanted.name}: the system {system.name} is not built yet",
            hints=[f"lithify build {system.file}"],
        )
    if system.configuration_extensions:
        raise DeployError(
            f"{wanted.name}: configuration extensions cannot be run yet: {', '.join(system.configuration_extensions)}",
            hints=["leave `configuration-extensions:` out of the system, or deploy it with morph"],
        )
    if resolved.keys.workspaces_of_system():
        held = ", ".join(name for name, chunk in resolved.graph.chunks.items() if chunk.workspace is not None)
        session.report(Warned(text=f"{wanted.name}: what is deployed is built on open workspaces: {held}"))
    return Order(
        name=wanted.name,
        type=wanted.type,
        location=absolute_location(wanted.location, base),
        values=wanted.values,
        system=system.name,
        content=built.content,
        commit=built.commit,
        definition_key=str(resolved.keys.system),
        upgrade=wanted.upgrade,
    )
