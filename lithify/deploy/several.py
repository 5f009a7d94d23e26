"""Several deployments are carried out, one after the other; imported by the command only when one is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.build.workshop import bench
from lithify.deploy.deployment import carry_out
from lithify.deploy.order import Order, Works
from lithify.schedule.building import open_workshop
from lithify.schedule.session import Session


def carry_out_all(session: Session, orders: Sequence[Order]) -> list[str]:
    """Return what became of each order; enters the user namespace, so no thread may have been started before."""
    workshop = open_workshop(session, None)
    outcomes: list[str] = []
    for order in orders:
        with bench(workshop, f"deploy-{order.name}") as own:
            works = Works(
                repository=workshop.store.reading,
                scratch=own.scratch,
                report=session.report,
                sync=session.settings.fsync,
            )
            outcomes.append(carry_out(order, works))
    return outcomes
