"""A staging area: a stack of layers as one root folder, for the time of a ``with`` block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lithify.cache import remove_tree
from lithify.errors import HostError, LithifyError
from lithify.staging.methods import Method
from lithify.staging.mounting import MOST_LOWERS, Stack

SANDBOX_POINTS = ("proc", "dev", "tmp")
"""Where the sandbox mounts something of its own."""


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
    if len(layers) > MOST_LOWERS - 2:
        raise HostError(
            f"{len(layers)} layers: the kernel mounts {MOST_LOWERS}",
            hints=["`--staging-method copy` knows no limit"],
        )
    points = _fresh(folder / "points", 0o755)
    empty = _fresh(folder / "empty", 0o755)
    root = _fresh(folder / "root", 0o755)
    for point in (*SANDBOX_POINTS, *mount_points):
        (points / point.lstrip("/")).mkdir(parents=True, exist_ok=True)
    layers = each_once(layers)
    lowers = [empty, *layers, points] if upper is None else [points, empty, *layers]
    work = None if upper is None else _fresh(folder / "work", 0o755)
    try:
        end = method.mount(Stack(lowers=lowers, upper=upper, work=work), root, folder)
    except OSError as error:
        raise HostError(f"the staging area cannot be mounted by {method.describe()}: {error}") from error
    try:
        yield root
    finally:
        end()
        for name in ("root", "points", "empty", "work", "links"):
            _discard(folder / name)


def each_once(layers: Sequence[Path]) -> list[Path]:
    """Return the layers with each in its topmost place alone: the kernel refuses one that stands twice (ELOOP).

    Two chunks of equal content have the same layer; what a lower copy of it shows, the upper one shows too.
    """
    return list(reversed(dict.fromkeys(reversed(layers))))


def _fresh(path: Path, mode: int) -> Path:
    remove_tree(path)
    path.mkdir()
    os.chmod(path, mode)
    return path


def _discard(path: Path) -> None:
    try:
        remove_tree(path)
    except OSError as error:
        raise LithifyError(f"{path} cannot be removed: {error.strerror}") from error
