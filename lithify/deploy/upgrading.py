"""What ``lithify upgrade`` refuses before anything is begun. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lithify.deploy.cluster import Wanted
from lithify.deploy.registry import LATER, TYPES
from lithify.errors import DeployError


def refuse_upgrades(wanted: Sequence[Wanted]) -> None:
    """Raise one :class:`DeployError` that names each upgrade that cannot be, and its type."""
    refused = [f"{one.name}: {why}" for one in wanted if one.upgrade and (why := _refusal(one.type))]
    if refused:
        several = [f"{len(refused)} deployments cannot be upgraded", *refused]
        raise DeployError(
            refused[0] if len(refused) == 1 else "\n".join(several),
            hints=["`lithify deploy` makes a deployment anew"],
        )


def _refusal(name: str) -> str:
    """Return why nothing can be upgraded by a type; empty where it can."""
    if name in LATER:
        return f"the upgrade type {name} is not there yet"
    kind = TYPES.get(name)
    if kind is None:
        return f"unknown upgrade type {name}"
    return "" if kind.upgrades else f"the type {name} cannot be upgraded"
