"""Stacks of folders become one: overlayfs by the new mount API, by ``mount(2)``, by FUSE, or as a plain copy.

A stack is given lowest first, as everywhere in lithify; overlayfs wants it topmost first. The methods differ in cost, never
in what a build sees.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lithify.cache import remove_tree
from lithify.errors import HostError
from lithify.process import find_program, run
from lithify.staging.syscalls import (
    CLONE_FS,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_RDONLY,
    FilesystemContext,
    mount,
    unmount,
    unshare,
)

MOST_LOWERS = 500
"""The kernel's limit (``OVL_MAX_STACK``)."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What is to be mounted."""

    lowers: Sequence[Path]
    """Lowest first, at least two."""
    upper: Path | None = None
    """Takes what is written; None mounts read-only."""
    work: Path | None = None
    """An empty folder beside ``upper``."""


def mount_overlay(stack: Stack, target: Path, *, userxattr: bool) -> None:
    """Mount a stack by ``fsopen`` and ``lowerdir+`` (Linux 6.5 and later), which know no limit on lengths.

    Raises :class:`OSError` where the kernel has none of it.
    """
    with FilesystemContext("overlay") as context:
        if userxattr:
            context.set("userxattr")
        for lower in reversed(stack.lowers):
            context.set("lowerdir+", str(lower))
        if stack.upper is not None:
            context.set("upperdir", str(stack.upper))
            context.set("workdir", str(stack.work))
        context.attach(str(target), MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if stack.upper is None else 0))


def mount_overlay_classic(stack: Stack, target: Path, links: Path, *, userxattr: bool) -> None:
    """Mount a stack by ``mount(2)``: its options fit a page, so layers get short names in the folder ``links``.

    Names are relative to that folder. The call is made in a thread with a working directory of its own, which is then
    thrown away: the working directory of the process never changes.
    """
    links.mkdir(exist_ok=True)
    names = []
    for number, lower in enumerate(stack.lowers):
        name = format(number, "x")
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(lower)
        names.append(name)
    options = f"lowerdir={':'.join(reversed(names))}"
    if stack.upper is not None:
        for name, folder in (("u", stack.upper), ("w", stack.work)):
            (links / name).unlink(missing_ok=True)
            (links / name).symlink_to(str(folder))
        options += ",upperdir=u,workdir=w"
    if userxattr:
        options += ",userxattr"
    if len(options) >= PAGE:
        raise OSError(errno.E2BIG, f"{len(names)} layers do not fit the options of mount(2)", str(target))
    flags = MS_NODEV | (MS_RDONLY if stack.upper is None else 0)
    _in_folder(links, lambda: mount("overlay", str(target), "overlay", flags, options))


def _in_folder(folder: Path, action: Callable[[], None]) -> None:
    """Call ``action`` in a thread whose working directory is ``folder``."""
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


def mount_fuse(stack: Stack, target: Path) -> None:
    """Mount a stack by the program fuse-overlayfs; raises :class:`HostError` where it is missing."""
    options = f"lowerdir={':'.join(_fuse_escaped(lower) for lower in reversed(stack.lowers))}"
    if stack.upper is not None:
        options += f",upperdir={_fuse_escaped(stack.upper)},workdir={_fuse_escaped(stack.work)}"
    else:
        options += ",ro"
    run(["fuse-overlayfs", "-o", options, str(target)])


def _fuse_escaped(path: Path | None) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def fuse_is_there() -> bool:
    """Return whether fuse-overlayfs is installed."""
    return find_program("fuse-overlayfs") is not None


def unmount_target(target: Path) -> None:
    """Take a mount away; nothing where none is."""
    try:
        unmount(str(target))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


def copy_stack(lowers: Sequence[Path], target: Path) -> None:
    """Copy a stack into ``target``, lowest first: later files win, folders unite, and the topmost folder's mode counts."""
    for lower in lowers:
        _copy_tree(lower, target)


def _copy_tree(source: Path, target: Path) -> None:
    seen: dict[tuple[int, int], Path] = {}
    _copy_folder_attributes(source, target)
    for folder, folders, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        for name in sorted([*folders, *files]):
            _copy_entry(Path(folder) / name, there / name, seen)
        folders[:] = [name for name in folders if not (Path(folder) / name).is_symlink()]


def _copy_entry(source: Path, target: Path, seen: dict[tuple[int, int], Path]) -> None:
    if source.is_dir() and not source.is_symlink():
        if target.is_symlink() or not target.is_dir():
            remove_tree(target)
            target.mkdir()
        _copy_folder_attributes(source, target)
        return
    remove_tree(target)
    info = source.lstat()
    first = seen.get((info.st_dev, info.st_ino))
    if first is not None and not source.is_symlink():
        os.link(first, target)
        return
    seen[info.st_dev, info.st_ino] = target
    shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, info.st_uid, info.st_gid, follow_symlinks=False)
    if not source.is_symlink():
        os.chmod(target, info.st_mode & 0o7777)
        copy_xattrs(source, target)
    os.utime(target, ns=(info.st_mtime_ns, info.st_mtime_ns), follow_symlinks=False)


def _copy_folder_attributes(source: Path, target: Path) -> None:
    info = source.lstat()
    os.chown(target, info.st_uid, info.st_gid)
    os.chmod(target, info.st_mode & 0o7777)
    copy_xattrs(source, target)


def copy_xattrs(source: Path, target: Path) -> None:
    """Copy every xattr that can be set here; after the owner, since a change of owner drops capabilities."""
    for name in os.listxattr(source, follow_symlinks=False):
        try:
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP):
                raise


def overlay_refusal(error: OSError) -> HostError:
    """Return the error for a method that was asked for and does not work here."""
    return HostError(
        f"overlayfs cannot be mounted here: {error.strerror}", hints=["`lithify doctor` tries each method"]
    )
