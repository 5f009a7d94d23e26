"""A build's request, where the store may be damaged at the very commits that it looks at."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from lithify.schedule.request import Request, request_for
from lithify.schedule.session import Session
from lithify.store.damage import DamagedObject

MOST_HEALINGS = 20
"""How many damaged commits are dropped before the last is reported."""


def sound_request(session: Session, system: str, components: Sequence[str]) -> Request:
    """Return what :func:`request_for` returns; damaged objects that it comes upon are dropped, with a warning."""
    for _ in range(MOST_HEALINGS):
        try:
            return request_for(session, system, components)
        except DamagedObject as error:
            importlib.import_module("lithify.schedule.building").heal_first(session, error)
    return request_for(session, system, components)
