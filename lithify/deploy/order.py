"""What a deployment is asked to do, as plain data, and what every type of deployment offers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from lithify.build.metadata import Content
from lithify.errors import DeployError, NoSpace
from lithify.events import Report
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.process import tool_environment
from lithify.store.reading import Repository

DEPLOY_FORMAT = 2
"""Part of what decides whether a deployment is unchanged; raised when the same inputs give other bytes."""


class Order(Struct, frozen=True, kw_only=True):
    """One deployment of one system."""

    name: str
    type: str
    location: Path
    values: Mapping[str, Any]
    """Everything else that the cluster says of it, defaults and command line applied."""
    system: str
    content: Content
    commit: str
    definition_key: str
    upgrade: bool = False
    """What is at the location is upgraded; asked of a type that can do that alone."""


class Works(Struct, frozen=True, kw_only=True):
    """What a deployment is made with."""

    repository: Repository
    scratch: Path
    """An empty folder, removed afterwards."""
    report: Report
    sync: bool = True
    """Have what is deployed on the disk before it takes its place."""


class DeploymentType(Protocol):
    """A kind of deployment: one file, one line in the registry, one test file."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Return the values it understands, each with one line of help."""
        ...

    @property
    def upgrades(self) -> bool:
        """Return whether it can upgrade what is there: add a version to it, or change it into another one."""
        ...

    def check(self, order: Order) -> None:
        """Raise :class:`DeployError` for what can be told before any slow work."""
        ...

    def write(self, order: Order, works: Works, target: Path) -> None:
        """Make the deployment at ``target``, which does not exist and is renamed to its location afterwards."""
        ...


def fixed_environment() -> dict[str, str]:
    """Return the environment for tools whose output must be the same each time: fixed clock, zone and locale."""
    epoch = str(SOURCE_DATE_EPOCH)
    return tool_environment(
        {"SOURCE_DATE_EPOCH": epoch, "E2FSPROGS_FAKE_TIME": epoch, "MTOOLS_SKIP_CHECK": "1"}
    )


def no_room(folder: Path, said: bytes) -> NoSpace | None:
    """Return the error for a tool that found no room in ``folder``, by what it said, or None."""
    if not any(sign in said for sign in (b"No space left", b"Disk quota exceeded")):
        return None
    there = os.statvfs(folder)
    free = there.f_bavail * there.f_frsize
    return NoSpace(
        f"no space left in {folder}: {free // (1 << 20)} MiB free",
        hints=["free some, or choose another folder with --tempdir"],
    )


def text_value(order: Order, name: str, default: str = "") -> str:
    """Return a value as text; a list becomes words."""
    value = order.values.get(name)
    if value is None:
        return default
    if isinstance(value, tuple | list):
        return " ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        raise DeployError(f"{order.name}: {name} is a map, not a text")
    return str(value)
