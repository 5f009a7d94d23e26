"""A deployment is carried out: checked, found unchanged or written aside, renamed to its location, and noted beside it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from lithify.cache import hold_lock, remove_tree, sync_file_system, sync_path
from lithify.crash import crash_point
from lithify.definitions.nearest import did_you_mean
from lithify.deploy.order import DEPLOY_FORMAT, Order, Works
from lithify.deploy.registry import type_named
from lithify.errors import DeployError, LithifyError, NoSpace
from lithify.events import DeploymentFinished, DeploymentStarted, Report, Waiting
from lithify.graph.canonical import digest

SIDECAR = ".lithify.json"
"""What is put behind a location for the note on what is deployed there."""


def check_order(order: Order) -> None:
    """Raise :class:`DeployError` for what can be told before any slow work; unknown values name the nearest known one."""
    kind = type_named(order.type, order.name)
    if order.location.name in ("", ".."):
        raise DeployError(f"{order.name}: it has no location")
    folder = order.location.parent
    if not folder.is_dir():
        raise DeployError(
            f"{order.name}: there is no folder {folder}", hints=["make it, or choose another `location:`"]
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DeployError(
            f"{order.name}: the folder {folder} may not be written", hints=["choose another `location:`"]
        )
    if order.location.exists() and not (order.location.is_file() or order.location.is_dir()):
        raise DeployError(
            f"{order.name}: {order.location} is a device, and would be replaced by a file",
            hints=["deploy to a file, and write that to the device: dd if=FILE of=DEVICE bs=4M conv=fsync"],
        )
    for name in order.values:
        if name not in kind.fields and not is_variable(name):
            known = f"{order.type} knows: {', '.join(kind.fields) or 'none'}"
            raise DeployError(
                f"{order.name}: {order.type} has no value {name}",
                hints=[did_you_mean(name, kind.fields) or known],
            )
    kind.check(order)


def is_variable(name: str) -> bool:
    """Return whether a value is a variable for extensions, as morph's clusters have them: ``HOSTNAME``, ``FSTAB_HOME``."""
    return name.upper() == name and name.replace("_", "A").isalnum()


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

    Another process that writes to the same location is waited for. Raises :class:`DeployError` where the location is taken
    by a folder that no deployment made.
    """
    began = time.monotonic()
    location = order.location
    works.report(DeploymentStarted(name=order.name, type=order.type, location=str(location)))
    try:
        with _alone_at(location, works.report):
            outcome = _made(order, works, noted=noted)
    except OSError as error:
        raise _location_error(error, order) from error
    works.report(
        DeploymentFinished(
            name=order.name,
            type=order.type,
            location=str(location),
            outcome=outcome,
            seconds=time.monotonic() - began,
        )
    )
    return outcome


def _made(order: Order, works: Works, *, noted: bool) -> Literal["made", "unchanged"]:
    if is_unchanged(order):
        return "unchanged"
    _refuse_foreign(order)
    location = order.location
    aside = location.with_name(f".{location.name}.partial")
    try:
        remove_tree(aside)  # what a killed process left
        type_named(order.type, order.name).write(order, works, aside)
        crash_point("deploy.written")
        if (
            works.sync
        ):  # an image has its full size from the start: a loss of power would leave holes that nobody sees
            (sync_file_system if aside.is_dir() else sync_path)(aside)
        if noted:
            _write_note(order, aside)
        crash_point("deploy.noted")
        if aside.is_dir() or (location.is_dir() and not location.is_symlink()):
            remove_tree(location)  # a rename replaces a file by a file alone
        crash_point("deploy.replace")
        os.replace(aside, location)
        crash_point("deploy.replaced")
    finally:
        remove_tree(aside)
    return "made"


@contextmanager
def _alone_at(location: Path, report: Report) -> Iterator[None]:
    """Let one process at a time write to a location; the lock's file is gone afterwards."""
    lock = location.with_name(f".{location.name}.lock")

    def waiting(holder: str) -> None:
        report(Waiting(what=str(location), holder=holder))

    with hold_lock(lock, on_wait=waiting):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _location_error(error: OSError, order: Order) -> LithifyError:
    """Return the error that a user can act on for a write that failed at a location."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(order.location.parent).free
        return NoSpace(
            f"{order.name}: no space left in {order.location.parent}: {free // (1 << 20)} MiB free",
            hints=["free some, or choose another `location:`"],
        )
    return DeployError(
        f"{order.name}: cannot write {error.filename or order.location}: {error.strerror}",
        hints=["choose another `location:`"],
    )


def _refuse_foreign(order: Order) -> None:
    """Never replace a device, or a folder that is somebody's own; a file is replaced, as every compiler does."""
    location = order.location
    if location.exists() and not location.is_file() and not location.is_dir():
        raise DeployError(
            f"{order.name}: {location} is a device, a named pipe or a socket: none of them is ever replaced",
            hints=["choose another `location:`; what is made there can be copied to a disk, as with dd"],
        )
    if not location.is_dir() or location.stat().st_ino in _own_folders(_read_note(location)):
        return
    if order.type != "directory":
        raise DeployError(f"{order.name}: {location} is a folder", hints=["choose another `location:`"])
    if any(location.iterdir()):
        raise DeployError(
            f"{order.name}: the folder {location} is not empty, and no deployment made it",
            hints=["remove it, or choose another `location:`"],
        )


def _own_folders(noted: Mapping[str, Any]) -> set[Any]:
    """Return the inodes of what deployments made at a location: the note is written before the old one is replaced."""
    state = noted.get("state")
    return {state[0] if isinstance(state, list) and state else None, noted.get("replaces")}


def note_path(location: Path) -> Path:
    """Return the path of the note on what is deployed at a location."""
    return location.with_name(location.name + SIDECAR)


def _read_note(location: Path) -> dict[str, Any]:
    try:
        noted = json.loads(note_path(location).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _write_note(order: Order, made: Path) -> None:
    """Note what is about to be renamed to the location; it matches nothing there until it is."""
    location = order.location
    known = _own_folders(_read_note(location))
    old = location.stat().st_ino if location.exists() else None
    value = {
        "deployment": order.name,
        "type": order.type,
        "system": order.system,
        "content": order.content.digest,
        "commit": order.commit,
        "definition-key": order.definition_key,
        "inputs": inputs_digest(order),
        "state": _state(made.stat()),
        "replaces": old if old in known else None,
    }
    path = note_path(location)
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
