"""Stacks of folders become one: overlayfs by the new mount API, by ``mount(2)``, or by FUSE.

A stack is given lowest first, as everywhere in lithify; overlayfs wants it topmost first. The methods differ in cost, never
in what a build sees.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from lithify.process import start, tool_environment
from lithify.staging.names import ShortNames
from lithify.staging.syscalls import (
    CLONE_FS,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_RDONLY,
    FilesystemContext,
    end_with_parent,
    mount,
    unmount,
    unshare,
)

MOST_LOWERS = 500
"""The kernel's limit (``OVL_MAX_STACK``)."""
PAGE = os.sysconf("SC_PAGE_SIZE")
_FUSE_SECONDS = 10.0
"""How long fuse-overlayfs may take to begin or to end."""
_FUSE_TICK = 0.002


class Stack(Struct, frozen=True, kw_only=True):
    """What is to be mounted."""

    lowers: Sequence[Path]
    """Lowest first, at least two."""
    upper: Path | None = None
    """Takes what is written; None mounts read-only."""
    work: Path | None = None
    """An empty folder beside ``upper``."""


def mount_overlay(stack: Stack, target: Path, names: ShortNames, *, userxattr: bool) -> None:
    """Mount a stack by ``fsopen`` and ``lowerdir+`` (Linux 6.5 and later), which know no limit on lengths.

    Raises :class:`OSError` where the kernel has none of it.
    """
    lowers = [names.of(lower) for lower in stack.lowers]

    def attach() -> None:
        with FilesystemContext("overlay") as context:
            for option in _options(stack, userxattr=userxattr):
                name, _, value = option.partition("=")
                context.set(name, value or None)
            for name in reversed(lowers):
                context.set("lowerdir+", name)
            if stack.upper is not None and stack.work is not None:
                context.set("upperdir", names.of(stack.upper))
                context.set("workdir", names.of(stack.work))
            context.attach(str(target), MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if stack.upper is None else 0))

    _in_folder(names.descriptor, attach)


def mount_overlay_classic(stack: Stack, target: Path, names: ShortNames, *, userxattr: bool) -> None:
    """Mount a stack by ``mount(2)``: its options must fit a page."""
    options = f"lowerdir={':'.join(names.of(lower) for lower in reversed(stack.lowers))}"
    if stack.upper is not None and stack.work is not None:
        options += f",upperdir={names.of(stack.upper)},workdir={names.of(stack.work)}"
    options = ",".join([options, *_options(stack, userxattr=userxattr)])
    if len(options) >= PAGE:
        raise OSError(
            errno.E2BIG, f"{len(stack.lowers)} layers do not fit the options of mount(2)", str(target)
        )
    flags = MS_NODEV | (MS_RDONLY if stack.upper is None else 0)
    _in_folder(names.descriptor, lambda: mount("overlay", str(target), "overlay", flags, options))


def _options(stack: Stack, *, userxattr: bool) -> list[str]:
    """Return the options that do not depend on what is mounted.

    A distribution may have other defaults than the kernel's for the first three (module parameters): renamed folders and
    changed modes would leave an upper layer that is not what was written. With ``userxattr`` the kernel has the first two
    off. ``volatile`` leaves out the sync of the whole file system at the unmount; what is captured is synced by the store.
    """
    options = ["userxattr"] if userxattr else ["redirect_dir=off", "metacopy=off"]
    options.append("index=off")
    return options if stack.upper is None else [*options, "volatile"]


def _in_folder(folder: int, action: Callable[[], None]) -> None:
    """Call ``action`` in a thread whose working directory is the open ``folder``; that of the process never changes."""
    failure: list[BaseException] = []

    def work() -> None:
        try:
            unshare(CLONE_FS)
            os.chdir(folder)
            action()
        except BaseException as error:  # noqa: BLE001 -- handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def mount_fuse(stack: Stack, target: Path, log: Path) -> Callable[[], None]:
    """Mount a stack by the program fuse-overlayfs and return what ends it; ``log`` takes what it has to say.

    The program stays our child and dies with the thread: a daemon would live in our mount namespace and so keep it, and
    itself, alive for ever. Raises :class:`HostError` where it is missing, :class:`OSError` where it cannot mount.
    """
    options = f"lowerdir={':'.join(_fuse_escaped(lower) for lower in reversed(stack.lowers))}"
    if stack.upper is not None:
        options += f",upperdir={_fuse_escaped(stack.upper)},workdir={_fuse_escaped(stack.work)}"
    else:
        options += ",ro"
    with log.open("wb") as said:
        server = start(
            ["fuse-overlayfs", "-f", "-o", options, str(target)],
            env=tool_environment(),
            stdout=said,
            stderr=said,
            before_exec=end_with_parent,
        )

    def end() -> None:
        unmount_target(target)
        try:
            server.wait(timeout=_FUSE_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.unlink(missing_ok=True)

    try:
        _await_mount(server, target, log)
    except BaseException:
        server.kill()
        end()
        raise
    return end


def _await_mount(server: subprocess.Popen[bytes], target: Path, log: Path) -> None:
    """Wait until a FUSE program has mounted; it has no other way to say so."""
    below = target.parent.stat().st_dev
    end = time.monotonic() + _FUSE_SECONDS
    while target.stat().st_dev == below:
        if server.poll() is not None or time.monotonic() > end:
            said = log.read_text(errors="replace").strip().splitlines()
            raise OSError(
                errno.EIO, f"fuse-overlayfs: {said[-1] if said else 'it did not mount'}", str(target)
            )
        time.sleep(_FUSE_TICK)


def _fuse_escaped(path: Path | None) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def unmount_target(target: Path) -> None:
    """Take a mount away; nothing where none is."""
    try:
        unmount(str(target))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
