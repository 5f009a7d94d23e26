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

UPGRADE = "UPGRADE"
"""The variable that makes an upgrade of one deployment, as in morph."""


class Wanted(Struct, frozen=True, kw_only=True):
    """One deployment that a cluster names, values merged."""

    name: str
    system: ClusterSystem
    type: str
    """Of an upgrade, its ``upgrade-type``."""
    location: str
    """Of an upgrade, its ``upgrade-location``."""
    values: Mapping[str, Any]
    upgrade: bool = False
    """What is there is upgraded, not made anew."""
    by_default: bool = False
    """An upgrade without a type and location of its own: those of the first deployment are used."""


def wanted_deployments(
    cluster: ClusterFile,
    names: Sequence[str],
    overrides: Mapping[str, Mapping[str, str]],
    *,
    upgrade: bool = False,
) -> tuple[Wanted, ...]:
    """Return the deployments of a cluster, or those named, in the order of the file; with ``upgrade``, as upgrades.

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
        _wanted(name, system, entry, overrides.get(name, {}), upgrade=upgrade)
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


def _wanted(
    name: str, system: ClusterSystem, entry: Deployment, overrides: Mapping[str, str], *, upgrade: bool
) -> Wanted:
    defaults = system.deploy_defaults
    values = {**defaults.values, **entry.values, **overrides}
    upgrade = upgrade or says_yes(name, values.get(UPGRADE))

    def field(key: str) -> str | None:
        attribute = key.replace("-", "_")
        found = values.pop(key, None) or getattr(entry, attribute) or getattr(defaults, attribute)
        return None if found is None else str(found)

    fields = {"type": field("type"), "location": field("location")}
    own = {"upgrade-type": field("upgrade-type"), "upgrade-location": field("upgrade-location")}
    has_own = any(own.values())
    chosen = own if upgrade and has_own else fields
    missing = [key for key, value in chosen.items() if value is None]
    if missing:
        raise DeployError(
            f"{name}: its deployment has no {missing[0]}",
            hints=[f"add `{missing[0]}:` to it in the cluster"],
        )
    if system.subsystems:
        raise DeployError(
            f"{name}: sub-systems cannot be deployed yet", hints=["leave `subsystems:` out of the cluster"]
        )
    kind, location = chosen.values()
    return Wanted(
        name=name,
        system=system,
        type=str(kind),
        location=str(location),
        values=values,
        upgrade=upgrade,
        by_default=upgrade and not has_own,
    )


def says_yes(name: str, value: object) -> bool:
    """Return what ``UPGRADE`` says, in morph's words; raises :class:`DeployError` for what is neither yes nor no."""
    text = str(value).lower()
    if value is None or text in ("no", "0", "false", ""):
        return False
    if text in ("yes", "1", "true"):
        return True
    raise DeployError(f"{name}: {UPGRADE} is neither yes nor no: {value}")


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
