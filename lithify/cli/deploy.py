"""``lithify deploy``."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from lithify.build.benches import leftovers
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.cli.timing import timings_of
from lithify.deploy.cluster import Wanted, absolute_location, split_overrides, wanted_deployments
from lithify.deploy.deployment import check_order, is_unchanged
from lithify.deploy.order import Order
from lithify.errors import DeployError
from lithify.schedule.session import Session, find_built


def command(
    ctx: typer.Context,
    cluster: Annotated[str, typer.Argument(help="the cluster, as a path or a name")],
    deployments: Annotated[
        list[str] | None, typer.Argument(help="only these deployments; NAME.KEY=VALUE sets a value")
    ] = None,
    timings: Annotated[
        bool,
        typer.Option(
            "--timings",
            metavar="[FILE.json]",
            help="show where the time went; with a file, also write a trace for Perfetto or chrome://tracing",
        ),
    ] = False,
    timings_file: Annotated[str, typer.Option("--timings-file", hidden=True)] = "",
) -> None:
    """Deploy the systems of a cluster, or the named deployments of it; they must be built.

    \b
    Examples:
      lithify deploy clusters/demo.morph
      lithify deploy demo image
      lithify deploy demo image image.location=/tmp/demo.img
      lithify deploy demo image --timings
    """
    names, overrides = split_overrides(deployments or ())
    timer = timings_of(ctx.obj, timings, timings_file)
    with reading_events(ctx.obj, timings=timer) as report, opened(ctx.obj, report) as session:
        session.hold_cache()
        definitions = session.definitions
        file = definitions.cluster(definitions.locate(cluster, kind="cluster", cwd=ctx.obj.cwd))
        orders = [_order(session, wanted) for wanted in wanted_deployments(file, names, overrides)]
        for order in orders:
            check_order(order)
        if all(is_unchanged(order) for order in orders) and not leftovers(session.cache):
            outcomes = ["unchanged" for _ in orders]
        else:
            several = importlib.import_module("lithify.deploy.several")  # what builds, libostree with it
            outcomes = several.carry_out_all(session, orders)
    for order, outcome in zip(orders, outcomes, strict=True):
        sys.stdout.write(f"{order.name}: {order.type} {order.location}: {outcome}\n")


def _order(session: Session, wanted: Wanted) -> Order:
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
    return Order(
        name=wanted.name,
        type=wanted.type,
        location=absolute_location(wanted.location, session.definitions.root),
        values=wanted.values,
        system=system.name,
        content=built.content,
        commit=built.commit,
        definition_key=str(resolved.keys.system),
    )
