"""How stacks are mounted on this machine: chosen once, by trying a whole mount, and reported.

In order: overlayfs in the user namespace (or as root, where none can be made), fuse-overlayfs, a plain copy. Each gives the
same result; a setting can force one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lithify.cache import CacheFolder, hold_lock, is_full_error, no_space, remove_tree
from lithify.errors import HostError, LithifyError, UsageError
from lithify.staging.changes import note_state, upper_of_copy
from lithify.staging.copying import copy_stack, unlinked
from lithify.staging.mounting import (
    MOST_LOWERS,
    Stack,
    mount_fuse,
    mount_overlay,
    mount_overlay_classic,
    unmount_target,
)
from lithify.staging.names import ShortNames, names_on_disk

CHOICES = ("auto", "overlay", "overlay-classic", "fuse-overlayfs", "copy")
"""What the setting ``staging-method`` may be; tests also force ``overlay-trusted``."""


class Method(Struct, frozen=True, kw_only=True):
    """A way to make a stack of folders one folder."""

    name: str
    detail: str
    most_layers: int | None
    """More than so many layers of a stack it cannot mount."""
    mount: Callable[[Stack, Path, Path], Callable[[], None]]
    """Mounts a stack at a target, with a scratch folder; returns what ends it and leaves the upper folder to be captured."""
    mount_named: Callable[[Stack, Path, Path, ShortNames], Callable[[], None]] | None = None
    """The same with the short names of a run, where the method uses some."""

    def with_names(self, names: ShortNames | None) -> Method:
        """Return the method with the short names of a run, which need not be made again for each mount."""
        named = self.mount_named
        if names is None or named is None:
            return self
        return replace(self, mount=lambda stack, target, scratch: named(stack, target, scratch, names))

    def describe(self) -> str:
        """Return one line for reports and metadata."""
        return f"{self.name} ({self.detail})"


def _overlay(*, userxattr: bool, classic: bool) -> Method:
    attach = mount_overlay_classic if classic else mount_overlay

    def mount(
        stack: Stack, target: Path, scratch: Path, names: ShortNames | None = None
    ) -> Callable[[], None]:
        own = names or names_on_disk(scratch / "links")
        try:
            attach(stack, target, own, userxattr=userxattr)
        finally:
            if names is None:
                own.close()
        return lambda: unmount_target(target)

    where = "in a user namespace" if userxattr else "as root"
    how = "mount(2)" if classic else "the mount API"
    return Method(
        name="overlay",
        detail=f"the kernel's, {where}, by {how}",
        most_layers=MOST_LOWERS,
        mount=mount,
        mount_named=mount,
    )


def _fuse() -> Method:
    """Return the method that uses fuse-overlayfs.

    It takes hard links of a layer for one file while that is written, and loses what was written to one name when another
    is removed; the kernel's overlay makes them two at the first write. So where a stack is written, they are two before.
    Release 1.14 gives a fifo that is made in a writable stack its mode without the umask.
    """

    def attach(stack: Stack, target: Path, scratch: Path) -> Callable[[], None]:
        if stack.upper is None:
            return mount_fuse(stack, target, scratch / "fuse.log")
        apart = scratch / "apart"
        remove_tree(apart)
        apart.mkdir()
        lowers = [unlinked(lower, apart / str(number)) for number, lower in enumerate(stack.lowers)]
        unmount = mount_fuse(replace(stack, lowers=lowers), target, scratch / "fuse.log")

        def end() -> None:
            unmount()
            remove_tree(apart)

        return end

    return Method(name="fuse-overlayfs", detail="in user space", most_layers=None, mount=attach)


def _copy() -> Method:
    def attach(stack: Stack, target: Path, scratch: Path) -> Callable[[], None]:
        copy_stack(stack.lowers, target)
        upper = stack.upper
        if upper is None:
            return lambda: remove_tree(target)
        before = note_state(target)
        return lambda: upper_of_copy(target, before, upper)

    return Method(name="copy", detail="every file copied", most_layers=None, mount=attach)


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
        case "overlay-trusted" | "overlay-trusted-classic":
            return (_overlay(userxattr=False, classic=choice.endswith("-classic")),)
        case "fuse-overlayfs":
            return (_fuse(),)
        case "copy":
            return (_copy(),)
        case _:
            raise UsageError(f"unknown staging method {choice}", hints=[f"one of: {', '.join(CHOICES)}"])


def choose(cache: CacheFolder, forced: str = "auto") -> Method:
    """Return the first method that mounts a whole trial stack on the cache's file system, read-only and writable.

    Raises :class:`HostError` where a forced method does not work, with what the kernel said, and
    :class:`~lithify.errors.NoSpace` where there is no room to try any.
    """
    refusals = []
    full: list[OSError] = []
    for method in methods_of(forced):
        try:
            _try(cache, method)
        except (OSError, LithifyError) as error:
            refusals.append(f"{method.describe()}: {error}")
            if isinstance(error, OSError) and is_full_error(error):
                full.append(error)
            continue
        return method
    if len(full) == len(refusals):  # of some, it says that there are too many mounts
        raise no_space(cache.staging, full[-1])
    raise HostError(
        f"staging by {forced} does not work here: {'; '.join(refusals)}",
        hints=["`lithify doctor` tries each method"],
    )


def _try(cache: CacheFolder, method: Method) -> None:
    label = f"trial-{os.getpid()}-{secrets.token_hex(4)}"  # as a bench is named: what a kill leaves goes with theirs
    lock = cache.locks / f"bench-{label}"
    with hold_lock(lock):
        try:
            _try_in(cache.staging / label, method)
        finally:
            lock.unlink(missing_ok=True)


def _try_in(folder: Path, method: Method) -> None:
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
