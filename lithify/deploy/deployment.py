"""A deployment is carried out: checked, found unchanged or written aside, renamed to its location, and noted beside it."""

from __future__ import annotations

import difflib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lithify.cache import host_error_of, remove_tree
from lithify.deploy.order import DEPLOY_FORMAT, Order, Works
from lithify.deploy.registry import type_named
from lithify.errors import DeployError
from lithify.events import DeploymentFinished, DeploymentStarted, Report
from lithify.graph.canonical import digest

SIDECAR = ".lithify.json"
"""What is put behind a location for the note on what is deployed there."""


def check_order(order: Order) -> None:
    """Raise :class:`DeployError` for what can be told before any slow work; unknown values name the nearest known one."""
    kind = type_named(order.type, order.name)
    if not order.location.name:
        raise DeployError(f"{order.name}: it has no location")
    if not order.location.parent.is_dir():
        raise DeployError(f"{order.name}: there is no folder {order.location.parent}")
    for name in order.values:
        if name not in kind.fields:
            close = difflib.get_close_matches(name, kind.fields, n=1, cutoff=0.5)
            known = (
                f"did you mean {close[0]}?"
                if close
                else f"{order.type} knows: {', '.join(kind.fields) or 'none'}"
            )
            raise DeployError(f"{order.name}: {order.type} has no value {name}", hints=[known])
    kind.check(order)


def inputs_digest(order: Order) -> str:
    """Return a digest over everything that decides what a deployment writes."""
    return digest(
        {
            "format": DEPLOY_FORMAT,
            "type": order.type,
            "system": order.system,
            "content": order.content.digest,
            "values": {name: _plain(value) for name, value in order.values.items()},
        }
    )


def is_unchanged(order: Order) -> bool:
    """Return whether what stands at the location is what this order would write, and untouched since."""
    noted = _read_note(order.location)
    try:
        info = order.location.stat()
    except OSError:
        return False
    return noted.get("inputs") == inputs_digest(order) and noted.get("state") == _state(info)


def carry_out(order: Order, works: Works, *, noted: bool = True) -> Literal["made", "unchanged"]:
    """Write a deployment unless it is there already; whole or not at all. ``noted``: leave a note beside it.

    Raises :class:`DeployError` where the location is taken by a folder that no deployment made.
    """
    kind = type_named(order.type, order.name)
    began = time.monotonic()
    works.report(DeploymentStarted(name=order.name, type=order.type, location=str(order.location)))
    if is_unchanged(order):
        return _finished(order, works.report, "unchanged", began)
    _refuse_foreign(order)
    aside = order.location.with_name(f".{order.location.name}.partial")
    try:
        remove_tree(aside)
        kind.write(order, works, aside)
        if order.location.is_dir() and not order.location.is_symlink():
            remove_tree(order.location)
        os.replace(aside, order.location)
        if noted:
            _write_note(order)
    except OSError as error:
        raise host_error_of(error, order.location) from error
    finally:
        remove_tree(aside)
    return _finished(order, works.report, "made", began)


def _finished(
    order: Order, report: Report, outcome: Literal["made", "unchanged"], began: float
) -> Literal["made", "unchanged"]:
    report(
        DeploymentFinished(
            name=order.name,
            type=order.type,
            location=str(order.location),
            outcome=outcome,
            seconds=time.monotonic() - began,
        )
    )
    return outcome


def _refuse_foreign(order: Order) -> None:
    """Never replace a folder that is somebody's own; a file is replaced, as every compiler does."""
    if order.location.is_dir() and not _read_note(order.location) and any(order.location.iterdir()):
        raise DeployError(
            f"{order.name}: the folder {order.location} is not empty, and no deployment made it",
            hints=["remove it, or choose another location"],
        )


def note_path(location: Path) -> Path:
    """Return the path of the note on what is deployed at a location."""
    return location.with_name(location.name + SIDECAR)


def _read_note(location: Path) -> dict[str, Any]:
    try:
        noted = json.loads(note_path(location).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _write_note(order: Order) -> None:
    value = {
        "deployment": order.name,
        "type": order.type,
        "system": order.system,
        "content": order.content.digest,
        "commit": order.commit,
        "definition-key": order.definition_key,
        "inputs": inputs_digest(order),
        "state": _state(order.location.stat()),
    }
    path = note_path(order.location)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(aside, path)


def _state(info: os.stat_result) -> list[int]:
    return [info.st_ino, info.st_size, info.st_mtime_ns]


def _plain(value: Any) -> Any:
    """Return a value of the definitions as canonical JSON has it; floats by their text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return repr(value) if isinstance(value, float) else value
