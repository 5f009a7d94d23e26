"""A disk image of a system that is built, to be booted at once."""

from __future__ import annotations

from pathlib import Path

from lithify.build.workshop import bench
from lithify.cli.invocation import Invocation
from lithify.cli.reporting import reading_events
from lithify.cli.run import opened
from lithify.definitions.root import find_root
from lithify.deploy.deployment import carry_out, check_order
from lithify.deploy.order import Order, Works
from lithify.errors import LithifyError
from lithify.graph.keys import known
from lithify.schedule.building import open_workshop
from lithify.schedule.session import find_built

_MAKES_IT = "`lithify deploy CLUSTER` makes images"


def image_of_system(invocation: Invocation, what: str, folder: Path) -> Path:
    """Return an image in ``folder`` of the system that a user means, as a deployment makes it that sets no value.

    Enters the user namespace. Raises :class:`LithifyError` where there is no such system, it is not built, or has no kernel.
    """
    try:
        find_root(invocation.cwd)
    except LithifyError as error:
        raise LithifyError(f"there is no image {what}", hints=[_MAKES_IT]) from error
    with reading_events(invocation) as report, opened(invocation, report) as session:
        session.hold_cache()
        try:
            file = session.definitions.locate(what, kind="system", cwd=invocation.cwd)
        except LithifyError as error:
            raise LithifyError(
                f"there is no image {what}; {error.message}", hints=[*error.hints, _MAKES_IT]
            ) from error
        resolved, built = find_built(session, file)
        if built is None:
            raise LithifyError(f"{what} is not built yet", hints=[f"lithify build {what}"])
        order = Order(
            name=built.name,
            type="image",
            location=folder / f"{built.name}.img",
            values={},
            system=built.name,
            content=built.content,
            commit="",
            definition_key=str(known(resolved.keys.system)),
        )
        check_order(order)
        workshop = open_workshop(session, None)
        with bench(workshop, "boot") as own:
            works = Works(repository=workshop.store.reading, scratch=own.scratch, report=report, sync=False)
            carry_out(order, works, noted=False)
    return order.location
