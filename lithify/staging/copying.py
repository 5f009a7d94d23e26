"""A stack of folders becomes one by copying every file: the last resort, which works everywhere."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lithify.cache import remove_tree


def copy_stack(lowers: Sequence[Path], target: Path) -> None:
    """Copy a stack into ``target``, lowest first: later files win, folders unite, and the topmost folder's attributes count."""
    for lower in lowers:
        _copy_tree(lower, target)
    for lower in lowers:
        _set_folder_times(lower, target)


def _copy_tree(source: Path, target: Path) -> None:
    seen: dict[tuple[int, int], Path] = {}
    take_attributes(source, target)
    for folder, folders, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        for name in sorted([*folders, *files]):
            _copy_entry(Path(folder) / name, there / name, seen)


def _copy_entry(source: Path, target: Path, seen: dict[tuple[int, int], Path]) -> None:
    info = source.lstat()
    if stat.S_ISDIR(info.st_mode):
        if target.is_symlink() or not target.is_dir():
            remove_tree(target)
            target.mkdir()
        take_attributes(source, target)
        return
    remove_tree(target)
    if stat.S_ISLNK(info.st_mode):
        target.symlink_to(os.readlink(source))
        os.chown(target, info.st_uid, info.st_gid, follow_symlinks=False)
    elif (info.st_dev, info.st_ino) in seen:
        os.link(seen[info.st_dev, info.st_ino], target)
    else:
        seen[info.st_dev, info.st_ino] = target
        shutil.copyfile(source, target)
        take_attributes(source, target)
    os.utime(target, ns=(info.st_mtime_ns, info.st_mtime_ns), follow_symlinks=False)


def unlinked(source: Path, target: Path) -> Path:
    """Return ``source`` if no two of its paths are one file; else make ``target`` like it, with a file for each path.

    All other files of ``target`` are those of ``source`` itself, by hard link.
    """
    paths: dict[tuple[int, int], list[str]] = {}
    for folder, _, files in os.walk(source):
        for name in files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if info.st_nlink > 1 and stat.S_ISREG(info.st_mode):
                paths.setdefault((info.st_dev, info.st_ino), []).append(path)
    apart = {path for group in paths.values() if len(group) > 1 for path in group}
    if not apart:
        return source
    target.mkdir()
    for folder, folders, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        take_attributes(Path(folder), there)
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if path in apart or os.path.islink(path) or name in folders:
                _copy_entry(Path(path), there / name, {})
            else:
                os.link(path, there / name)
    _set_folder_times(source, target)
    return target


def copy_without_nodes(source: Path, target: Path) -> tuple[tuple[str, os.stat_result], ...]:
    """Copy a folder to ``target``; what is neither file, folder nor symlink is left out, and returned: its path and status."""
    seen: dict[tuple[int, int], Path] = {}
    nodes = []
    target.mkdir()
    take_attributes(source, target)
    for folder, folders, files in os.walk(source, onerror=_raise):
        below = Path(folder).relative_to(source)
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            info = path.lstat()
            if stat.S_IFMT(info.st_mode) in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK):
                _copy_entry(path, target / below / name, seen)
            else:
                nodes.append((str(below / name), info))
    return tuple(nodes)


def _raise(error: OSError) -> None:
    raise error


def _set_folder_times(source: Path, target: Path) -> None:
    for folder, _, _ in os.walk(source, topdown=False):
        there = target / Path(folder).relative_to(source)
        if there.is_dir() and not there.is_symlink():
            time = os.stat(folder).st_mtime_ns
            os.utime(there, ns=(time, time))


def take_attributes(source: Path, target: Path) -> None:
    """Give a file or folder the owner, xattrs and mode of another, in the order in which none undoes the one before.

    A change of owner drops capabilities, and what is made in a folder with a default ACL begins with an ACL.
    """
    info = source.lstat()
    os.chown(target, info.st_uid, info.st_gid)
    wanted = os.listxattr(source)
    for name in os.listxattr(target):
        if name not in wanted:
            with _where_allowed():
                os.removexattr(target, name)
    for name in wanted:
        with _where_allowed():
            os.setxattr(target, name, os.getxattr(source, name))
    os.chmod(target, info.st_mode & 0o7777)


@contextmanager
def _where_allowed() -> Iterator[None]:
    """Go on where an xattr is the host's business (a security module's label), not the content's."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP):
            raise
