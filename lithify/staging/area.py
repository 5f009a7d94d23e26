"""A staging area: a stack of layers as one root folder, for the time of a ``with`` block."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lithify.cache import is_full_error, no_space, remove_tree
from lithify.errors import HostError, LithifyError
from lithify.staging.folders import plain_folder
from lithify.staging.methods import Method
from lithify.staging.mounting import Stack

SANDBOX_POINTS = ("proc", "dev", "tmp")
"""Where the sandbox mounts something of its own."""
OWN_LAYERS = 2
"""The mount points, and an empty one: the kernel refuses a single lower layer."""
LONGEST_AWAY = 60.0
"""Seconds that making a layer again may take."""
_OWN_FOLDERS = ("empty", "points", "root", "work", "links")


@contextmanager
def staging_area(
    method: Method,
    layers: Sequence[Path],
    *,
    folder: Path,
    mount_points: Sequence[str],
    upper: Path | None,
) -> Iterator[Path]:
    """Yield the root of a staging area over ``layers`` (lowest first), taken away at the end of the block.

    ``folder`` is the build's own, on the cache's file system. Without ``upper`` the root is read-only: a small layer has the
    mount points, so nothing but what is bound there can be written. With ``upper`` everything written lands in it, the mount
    points stand in the lowest layer, and none of them has to be told from what was written.
    """
    layers = each_once(layers)
    if method.most_layers is not None and len(layers) + OWN_LAYERS > method.most_layers:
        raise HostError(
            f"{len(layers)} layers are more than {method.name} can mount: {method.most_layers - OWN_LAYERS}",
            hints=["`--staging-method copy` knows no limit"],
        )
    left = False
    try:
        try:
            try:
                end = method.mount(_lay(folder, layers, mount_points, upper), folder / "root", folder)
            except FileNotFoundError:
                # another command found a layer damaged, and is making it again: it is away for a moment
                _wait_for(layers)
                end = method.mount(_lay(folder, layers, mount_points, upper), folder / "root", folder)
        except OSError as error:
            if is_full_error(error):
                raise no_space(folder, error) from error
            raise HostError(f"the staging area cannot be mounted by {method.describe()}: {error}") from error
        try:
            yield folder / "root"
        finally:
            end()  # where this fails, what is still mounted is not walked into
            left = True
    finally:
        if left or not os.path.ismount(folder / "root"):
            for name in _OWN_FOLDERS:
                _discard(folder / name)


def _wait_for(layers: Sequence[Path]) -> None:
    """Return when all layers are there, or when one has not come back for too long."""
    last = time.monotonic() + LONGEST_AWAY
    while not all(layer.is_dir() for layer in layers) and time.monotonic() < last:
        time.sleep(0.01)


def _lay(folder: Path, layers: Sequence[Path], mount_points: Sequence[str], upper: Path | None) -> Stack:
    """Make the area's own folders and return what is to be mounted."""
    for name in _OWN_FOLDERS:
        remove_tree(folder / name)
    empty, points, _ = (plain_folder(folder / name) for name in ("empty", "points", "root"))
    for point in (*SANDBOX_POINTS, *mount_points):
        there = str(points)
        for part in Path(point.lstrip("/")).parts:
            there = f"{there}/{part}"
            with suppress(FileExistsError):
                os.mkdir(there)
                os.chmod(there, 0o755)  # all else it has from a plain folder
    if upper is None:
        return Stack(lowers=[empty, *layers, points])
    return Stack(lowers=[points, empty, *layers], upper=upper, work=plain_folder(folder / "work"))


def each_once(layers: Sequence[Path]) -> list[Path]:
    """Return the layers with each in its topmost place alone: the kernel refuses one that stands twice (ELOOP).

    Two chunks of equal content have the same layer; what a lower copy of it shows, the upper one shows too.
    """
    return list(reversed(dict.fromkeys(reversed(layers))))


def _discard(path: Path) -> None:
    try:
        remove_tree(path)
    except OSError as error:
        raise LithifyError(f"{path} cannot be removed: {error.strerror}") from error
