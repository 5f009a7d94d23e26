"""A cluster file becomes orders: which systems go where, with which values. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from lithify.definitions.model import ClusterFile, ClusterSystem, Deployment
from lithify.definitions.nearest import did_you_mean
from lithify.errors import DeployError, UsageError


class Wanted(Struct, frozen=True, kw_only=True):
    """One deployment that a cluster names, values merged."""

    name: str
    system: ClusterSystem
    type: str
    location: str
    values: Mapping[str, Any]


def wanted_deployments(
    cluster: ClusterFile, names: Sequence[str], overrides: Mapping[str, Mapping[str, str]]
) -> tuple[Wanted, ...]:
    """Return the deployments of a cluster, or those named, in the order of the file.

    ``overrides``: deployment → value → text, from the command line; it wins over the deployment's own values, and these
    over the defaults. Raises :class:`DeployError` for a name that is none, before anything is deployed.
    """
    known = {name: (system, entry) for system in cluster.systems for name, entry in system.deploy.items()}
    nested = {name for system in cluster.systems for name in _nested_names(system)}
    for name in [*names, *overrides]:
        if name in known:
            continue
        if name in nested or name.rpartition(".")[2] in nested:
            raise DeployError(
                f"{name} is a sub-system's deployment: it comes with its parent and cannot be asked for"
            )
        raise DeployError(
            f"{cluster.name} has no deployment {name}",
            hints=[did_you_mean(name, known) or f"it has: {', '.join(sorted(known))}"],
        )
    wanted = tuple(
        _wanted(name, system, entry, overrides.get(name, {}))
        for name, (system, entry) in known.items()
        if not names or name in names
    )
    _refuse_shared_locations(wanted)
    return wanted


def _refuse_shared_locations(wanted: Sequence[Wanted]) -> None:
    """Raise where one deployment would replace what another of the same run has just made."""
    first: dict[str, str] = {}
    for one in wanted:
        place = os.path.normpath(one.location)
        if place in first:
            raise DeployError(
                f"{first[place]} and {one.name} have one location, {one.location}",
                hints=["give each a `location:` of its own"],
            )
        first[place] = one.name


def _wanted(name: str, system: ClusterSystem, entry: Deployment, overrides: Mapping[str, str]) -> Wanted:
    defaults = system.deploy_defaults
    values = {**defaults.values, **entry.values, **overrides}
    kind = values.pop("type", None) or entry.type or defaults.type
    location = values.pop("location", None) or entry.location or defaults.location
    if kind is None or location is None:
        missing = "type" if kind is None else "location"
        raise DeployError(
            f"{name}: its deployment has no {missing}", hints=[f"add `{missing}:` to it in the cluster"]
        )
    if system.subsystems:
        raise DeployError(
            f"{name}: sub-systems cannot be deployed yet", hints=["leave `subsystems:` out of the cluster"]
        )
    return Wanted(name=name, system=system, type=str(kind), location=str(location), values=values)


def _nested_names(system: ClusterSystem) -> list[str]:
    return [name for sub in system.subsystems for name in (*sub.deploy, *_nested_names(sub))]


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Return the names and the ``NAME.KEY=VALUE`` overrides among a command's arguments."""
    names: list[str] = []
    overrides: dict[str, dict[str, str]] = {}
    for argument in arguments:
        left, equals, value = argument.partition("=")
        name, dot, key = left.rpartition(".")
        if equals and dot:
            overrides.setdefault(name, {})[key] = value
        elif equals:
            raise UsageError(f"{argument} is not DEPLOYMENT.KEY=VALUE")
        else:
            names.append(argument)
    return names, overrides


def absolute_location(location: str, root: Path) -> Path:
    """Return where a deployment goes: a relative location is relative to the root of the definitions."""
    return root / location
