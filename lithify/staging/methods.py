"""How stacks are mounted on this machine: chosen once, by trying a whole mount, and reported.

In order: overlayfs in the user namespace (or as root, where none can be made), fuse-overlayfs, a plain copy. Each gives the
same result; a setting can force one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lithify.cache import CacheFolder, remove_tree
from lithify.errors import HostError, LithifyError, UsageError
from lithify.staging.changes import note_state, upper_of_copy
from lithify.staging.mounting import (
    Stack,
    copy_stack,
    mount_fuse,
    mount_overlay,
    mount_overlay_classic,
    unmount_target,
)

CHOICES = ("auto", "overlay", "fuse-overlayfs", "copy")
"""What the setting ``staging-method`` may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to make a stack of folders one folder."""

    name: str
    detail: str
    opaque: str
    """The xattr that marks a folder of an upper layer as replacing the one below."""
    mount: Callable[[Stack, Path, Path], Callable[[], None]]
    """Mounts a stack at a target, with a scratch folder; returns what ends it and leaves the upper folder to be captured."""

    def describe(self) -> str:
        """Return one line for reports and metadata."""
        return f"{self.name} ({self.detail})"


def _overlay(*, userxattr: bool, classic: bool) -> Method:
    def attach(stack: Stack, target: Path, scratch: Path) -> Callable[[], None]:
        if classic:
            mount_overlay_classic(stack, target, scratch / "links", userxattr=userxattr)
        else:
            mount_overlay(stack, target, userxattr=userxattr)
        return lambda: unmount_target(target)

    where = "in a user namespace" if userxattr else "as root"
    how = "mount(2)" if classic else "the mount API"
    return Method(
        name="overlay",
        detail=f"the kernel's, {where}, by {how}",
        opaque="user.overlay.opaque" if userxattr else "trusted.overlay.opaque",
        mount=attach,
    )


def _fuse() -> Method:
    def attach(stack: Stack, target: Path, scratch: Path) -> Callable[[], None]:
        mount_fuse(stack, target)
        return lambda: unmount_target(target)

    return Method(
        name="fuse-overlayfs", detail="in user space", opaque="user.fuseoverlayfs.opaque", mount=attach
    )


def _copy() -> Method:
    def attach(stack: Stack, target: Path, scratch: Path) -> Callable[[], None]:
        copy_stack(stack.lowers, target)
        upper = stack.upper
        if upper is None:
            return lambda: remove_tree(target)
        before = note_state(target)
        return lambda: upper_of_copy(target, before, upper)

    return Method(name="copy", detail="every file copied", opaque="user.overlay.opaque", mount=attach)


def methods_of(choice: str) -> tuple[Method, ...]:
    """Return the methods to try for a setting, best first; raises :class:`UsageError` for an unknown one."""
    overlays = tuple(
        _overlay(userxattr=userxattr, classic=classic)
        for userxattr in (True, False)
        for classic in (False, True)
    )
    match choice:
        case "auto":
            return (*overlays, _fuse(), _copy())
        case "overlay":
            return overlays
        case "overlay-classic":
            return tuple(_overlay(userxattr=userxattr, classic=True) for userxattr in (True, False))
        case "fuse-overlayfs":
            return (_fuse(),)
        case "copy":
            return (_copy(),)
        case _:
            raise UsageError(f"unknown staging method {choice}", hints=[f"one of: {', '.join(CHOICES)}"])


def choose(cache: CacheFolder, forced: str = "auto") -> Method:
    """Return the first method that mounts a whole trial stack on the cache's file system, read-only and writable.

    Raises :class:`HostError` where a forced method does not work, with what the kernel said.
    """
    refusals = []
    for method in methods_of(forced):
        try:
            _try(cache, method)
        except (OSError, LithifyError) as error:
            refusals.append(f"{method.describe()}: {error}")
            continue
        return method
    raise HostError(
        f"staging by {forced} does not work here: {'; '.join(refusals)}",
        hints=["`lithify doctor` tries each method"],
    )


def _try(cache: CacheFolder, method: Method) -> None:
    folder = cache.staging / f"trial-{os.getpid()}"
    remove_tree(folder)
    folder.mkdir(mode=0o700)
    try:
        for name in ("low", "high", "upper", "work", "root"):
            (folder / name).mkdir()
        (folder / "low" / "removed").write_text("low")
        (folder / "high" / "kept").write_text("high")
        stack = Stack(lowers=(folder / "low", folder / "high"), upper=folder / "upper", work=folder / "work")
        end = method.mount(stack, folder / "root", folder)
        try:
            (folder / "root" / "removed").unlink()
            if (folder / "root" / "kept").read_text() != "high":
                raise OSError(f"{method.name} shows something else than was mounted")
        finally:
            end()
        if not os.path.lexists(folder / "upper" / "removed"):
            raise OSError(f"{method.name} keeps no removals")
    finally:
        remove_tree(folder)
