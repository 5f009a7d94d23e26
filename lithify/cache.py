"""The cache folder: its layout, its locks, and the one pattern by which anything is published in it.

The pattern (:func:`publish`): look, lock, look again, make aside, sync, rename. The store's artifacts follow the same order
with a ref in place of the rename. Manual: ``docs/internals/locks-and-crashes.md``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from lithify.crash import crash_point
from lithify.errors import HostError, Interrupted, NoSpace, StoreError
from lithify.holders import describe_holders

_libc = ctypes.CDLL(None, use_errno=True)

WAIT_SECONDS = 0.1
"""Between looks at a lock by who may give up."""

_CHOOSE = "choose a folder that is yours with --cachedir, or LITHIFY_CACHEDIR"


class CacheFolder(Struct, frozen=True):
    """Where each part of the cache lives; all of it is on one file system."""

    root: Path

    @property
    def ostree(self) -> Path:
        """The bare OSTree repository."""
        return self.root / "ostree"

    @property
    def layers(self) -> Path:
        """Kept checkouts, named by the content digest of what they hold."""
        return self.root / "layers"

    @property
    def sources(self) -> Path:
        """Git mirrors (``git/``), archives (``archives/``) and Debian packages (``debian/``)."""
        return self.root / "sources"

    @property
    def staging(self) -> Path:
        """DESTDIRs and upper layers of running and failed builds."""
        return self.root / "staging"

    @property
    def logs(self) -> Path:
        """Build logs, one file a build."""
        return self.root / "logs"

    @property
    def locks(self) -> Path:
        """Lock files; a held ``flock`` is a running user, an unlocked file means nothing."""
        return self.root / "locks"

    @property
    def compiler_caches(self) -> Path:
        """What ccache keeps: a folder for each chunk and compiler. May be removed while no build runs."""
        return self.root / "ccache"

    @property
    def workspaces(self) -> Path:
        """Build folders of open workspaces, one folder each. May be removed while no build runs."""
        return self.root / "workspaces"

    @property
    def standing(self) -> Path:
        """What builds with nothing to do print; see :mod:`lithify.schedule.standing`. May be removed at any time."""
        return self.root / "standing"

    @property
    def kept(self) -> Path:
        """Notes of what ``lithify keep`` names; see :mod:`lithify.schedule.retention`."""
        return self.root / "kept"

    @property
    def facts(self) -> Path:
        """The SQLite file of :mod:`lithify.facts`."""
        return self.root / "facts.sqlite"


def open_cache(root: Path) -> CacheFolder:
    """Return the cache at ``root``, made if missing: mode 0700, no inherited ACL or setgid bit.

    Raises :class:`HostError` where the folder is another user's or its file system cannot do what the store needs.
    """
    cache = CacheFolder(root.absolute())
    try:
        if not cache.locks.is_dir():
            cache.root.mkdir(parents=True, exist_ok=True)
            _take_possession(cache.root)
            _try_file_system(cache.root)
        for folder in (cache.layers, cache.sources, cache.staging, cache.logs, cache.locks):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True, mode=0o700)
                _take_possession(folder)
    except OSError as error:
        raise host_error_of(error, cache.root) from error
    return cache


def _take_possession(folder: Path) -> None:
    """Make a folder ours alone; what is made in it inherits neither group nor ACL."""
    for name in ("system.posix_acl_default", "system.posix_acl_access"):
        try:
            os.removexattr(folder, name)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
    os.chmod(folder, 0o700)


def _try_file_system(root: Path) -> None:
    """Raise :class:`HostError` unless hard links, symlinks, modes and user xattrs work here."""
    probe = root / ".probe"
    missing = []
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # one at a time; what a killed one left goes
        shutil.rmtree(probe, ignore_errors=True)
        probe.mkdir()
        crash_point("cache.probe")
        one = probe / "one"
        one.write_bytes(b"x")
        attempts: tuple[tuple[str, Callable[[], None]], ...] = (
            ("hard links", lambda: os.link(one, probe / "two")),
            ("symbolic links", lambda: os.symlink("one", probe / "three")),
            ("file modes", lambda: _mode_probe(one)),
            ("extended attributes (user.*)", lambda: os.setxattr(one, "user.lithify", b"x")),
        )
        for what, attempt in attempts:
            try:
                attempt()
            except OSError as error:
                if is_full_error(error):
                    raise
                missing.append(what)
    finally:
        shutil.rmtree(probe, ignore_errors=True)
        os.close(descriptor)
    if missing:
        raise HostError(
            f"the file system of the cache folder {root} has no {', no '.join(missing)}",
            hints=["choose a folder on ext4, xfs or btrfs with --cachedir"],
        )


def _mode_probe(path: Path) -> None:
    os.chmod(path, 0o4711)
    if stat.S_IMODE(path.stat().st_mode) != 0o4711:
        raise OSError(errno.ENOTSUP, "modes are not kept")


def host_error_of(error: OSError, path: Path) -> StoreError | HostError:
    """Return the error that a user can act on for a failed write below ``path``."""
    place = os.fsdecode(error.filename2 or error.filename or path)
    if is_full_error(error):
        return no_space(path, error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return HostError(f"cannot write {place}: {error.strerror}", hints=[_CHOOSE])
    return StoreError(f"{place}: {error.strerror}")


def failure_within(error: OSError, root: Path) -> NoSpace | HostError | None:
    """Return the error for what may not be read or written in the cache at ``root``, or has no room; None for anything else.

    A write that finds no room often tells no name: it is taken for one in the cache where there is none left.
    """
    place = os.fsdecode(error.filename2 or error.filename or "")
    within = Path(place).is_relative_to(root)
    if is_full_error(error) and (within or (not place and root.exists() and is_full(root))):
        return no_space(root, error)
    if within and isinstance(error, PermissionError):
        return HostError(f"{place}: {error.strerror}", hints=[_CHOOSE])
    return None


@contextmanager
def host_errors(path: Path) -> Iterator[None]:
    """Raise what :func:`host_error_of` makes of an ``OSError`` in the block, for a write below ``path``."""
    try:
        yield
    except OSError as error:
        raise host_error_of(error, path) from error


def is_full_error(error: OSError) -> bool:
    """Return whether something could not be written for want of room, on the disk or in a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_full(path: Path) -> bool:
    """Return whether the file system of ``path`` has no room for anything worth mentioning: under a MiB, or 16 inodes."""
    usage = os.statvfs(path)
    return usage.f_bavail * usage.f_frsize < 1 << 20 or (usage.f_files > 0 and usage.f_favail < 16)


def no_space(path: Path, error: OSError | None = None) -> NoSpace:
    """Return the error for a full file system, with figures and what helps; ``error`` tells whether it was a quota."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    usage = os.statvfs(there)
    free = usage.f_bavail * usage.f_frsize
    inodes = f", {usage.f_favail} inodes" if usage.f_files else ""
    figures = f"{free // (1 << 20)} MiB free{inodes}"
    helps = "`lithify gc` frees what nothing needs; --cachedir moves the cache to another file system"
    if error is not None and error.errno == errno.EDQUOT:
        # what a quota leaves, each kind of file system tells in its own way
        figures = f"a disk quota is used up (the file system has {figures})"
        helps += "; `quota -s` or `btrfs qgroup show` tells what the quota is"
    return NoSpace(f"no space left in {path}: {figures}", hints=[helps])


@contextmanager
def hold_lock(
    path: Path,
    *,
    shared: bool = False,
    on_wait: Callable[[str], None] | None = None,
    gives_up: Callable[[], bool] | None = None,
) -> Iterator[None]:
    """Hold the lock file ``path`` for the block; wait for it where another process holds it.

    ``on_wait`` is called once, with what is known of the holder (``process 123``, and whether somebody has stopped it), before
    waiting begins. The lock is the kernel's (``flock``), so a killed holder never blocks anybody. Raises :class:`Interrupted`
    once ``gives_up`` says so while it waits: a thread that waits in the kernel can be told nothing.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait is not None:
                    on_wait(_holder(descriptor))
                    on_wait = None
                if gives_up is None:
                    fcntl.flock(descriptor, kind)
                else:
                    _lock_unless(descriptor, kind, gives_up)
            if not _still_named(descriptor, path):
                continue  # its last holder removed the file while we waited
            if not shared:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
            yield
            return
        finally:
            os.close(descriptor)


def _lock_unless(descriptor: int, kind: int, gives_up: Callable[[], bool]) -> None:
    while not gives_up():
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(WAIT_SECONDS)
    raise Interrupted


def is_held(path: Path) -> bool:
    """Return whether another holder has the lock file ``path``; one that does not exist is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_unheld(path: Path) -> None:
    """Remove a lock file unless somebody holds it; whoever waits for it meanwhile makes it anew."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return  # it went meanwhile, or it is no file of ours
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def _still_named(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _holder(descriptor: int) -> str:
    written = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
    return describe_holders(descriptor, written=written or "another process")


def publish(
    target: Path,
    make: Callable[[Path], None],
    *,
    locks: Path,
    sync: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> Path:
    """Return ``target``, made by ``make`` if it is not there: whole or not at all, once, whoever else wants it.

    ``make`` gets a path beside the target that does not exist, and makes a file or folder there. Whatever it leaves behind
    on failure is removed. ``locks`` is the cache's lock folder.
    """
    if target.exists():
        return target
    name = hashlib.sha256(os.fsencode(str(target))).hexdigest()[:32]
    with hold_lock(locks / f"publish-{name}", on_wait=on_wait):
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name[:100]}.partial")
        remove_tree(aside)
        try:
            crash_point("publish.make")
            make(aside)
            crash_point("publish.made")
            if sync and aside.is_dir():
                sync_file_system(aside)  # a folder's own fsync says nothing of the files in it
            elif sync:
                sync_path(aside)
            crash_point("publish.rename")
            os.rename(aside, target)
            crash_point("publish.renamed")
            if sync:
                sync_path(target.parent)
        except OSError as error:
            remove_tree(aside)
            if is_full_error(error):
                raise no_space(target, error) from error
            raise
        except BaseException:
            remove_tree(aside)
            raise
    return target


def sync_path(path: Path) -> None:
    """Write a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Have the whole file system of a folder on the disk; raises :class:`OSError` where the disk fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all in it, read-only folders included; nothing there is no error."""
    try:
        _remove(os.fspath(path))
    except (OSError, RecursionError):
        _remove_carefully(path)  # says what is in the way, if it cannot be had out of the way


def _remove(path: str) -> None:
    """Remove what lies at ``path`` in few system calls: most folders that are removed are empty."""
    try:
        os.rmdir(path)
        return
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    with os.scandir(path) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _remove(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(path)


def _remove_carefully(path: Path) -> None:
    """Do what :func:`remove_tree` does where folders are read-only, or their paths too long."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        path.unlink(missing_ok=True)
        return

    def unlock(function: Callable[..., object], name: str, _: object) -> None:
        parent = os.path.dirname(name)
        os.chmod(parent, 0o700)
        if os.path.isdir(name) and not os.path.islink(name):  # a file may have other names, in the store
            os.chmod(name, 0o700)
        function(name)

    shutil.rmtree(path, onerror=unlock)
