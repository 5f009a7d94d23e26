"""The kernel calls that Python does not offer, by ctypes: ``unshare``, ``mount``, ``prctl``, and the mount API of Linux 5.2.

Numbers are those of ``asm-generic/unistd.h``, the same on every architecture that got them after 2018 (x86-64 included).
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_FS = 0x00000200
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_SYS_MOVE_MOUNT = 429
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6
_MOVE_MOUNT_F_EMPTY_PATH = 4
_AT_FDCWD = -100
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGKILL = 9
_UNAME26 = 0x0020000
_ASK = 0xFFFFFFFF
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NODEV = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def unshare(flags: int) -> None:
    """Leave the given namespaces; raises :class:`OSError`. A new user namespace needs a process of one thread."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    """Mount in the classic way; ``options`` may hold up to a page. Raises :class:`OSError`."""
    _checked(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            None if kind is None else kind.encode(),
            ctypes.c_ulong(flags),
            os.fsencode(options) if options else None,
        ),
        target,
    )


def unmount(target: str) -> None:
    """Take a mount away at once, even if something in it is still open."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), target)


def adopt_orphans() -> None:
    """Make every descendant whose parent ends a child of this process, which can then wait for it."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends; for use between fork and exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def show_another_kernel_version() -> None:
    """Have this thread, and what it starts from now on, be told by ``uname`` that the kernel is 2.6.x.

    The kernel has no other way to say another version (``UNAME26`` of ``personality(2)``). Raises :class:`OSError`.
    """
    now = _checked(_libc.personality(ctypes.c_ulong(_ASK)), "personality")
    _checked(_libc.personality(ctypes.c_ulong(now | _UNAME26)), "personality")


class FilesystemContext:
    """A file system that is being configured (``fsopen``); used as a context manager, which closes it."""

    def __init__(self, kind: str) -> None:
        self._descriptor = _checked(
            _libc.syscall(_SYS_FSOPEN, ctypes.c_char_p(kind.encode()), ctypes.c_uint(_FSOPEN_CLOEXEC)), kind
        )

    def __enter__(self) -> FilesystemContext:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def set(self, key: str, value: str | None = None) -> None:
        """Set a string parameter, or a flag; raises :class:`OSError` where the kernel does not take it."""
        _checked(
            _libc.syscall(
                _SYS_FSCONFIG,
                ctypes.c_int(self._descriptor),
                ctypes.c_uint(_FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING),
                ctypes.c_char_p(key.encode()),
                ctypes.c_char_p(None if value is None else os.fsencode(value)),
                ctypes.c_int(0),
            ),
            key,
        )

    def attach(self, target: str, attributes: int = 0) -> None:
        """Make the file system and mount it at ``target``."""
        mounted = self.mounted(attributes, target)
        try:
            _checked(
                _libc.syscall(
                    _SYS_MOVE_MOUNT,
                    ctypes.c_int(mounted),
                    ctypes.c_char_p(b""),
                    ctypes.c_int(_AT_FDCWD),
                    ctypes.c_char_p(os.fsencode(target)),
                    ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
                ),
                target,
            )
        finally:
            os.close(mounted)

    def mounted(self, attributes: int = 0, what: str = "") -> int:
        """Make the file system and return a descriptor of its root; it is mounted nowhere. ``what`` is named in errors."""
        _checked(
            _libc.syscall(
                _SYS_FSCONFIG,
                ctypes.c_int(self._descriptor),
                ctypes.c_uint(_FSCONFIG_CMD_CREATE),
                ctypes.c_char_p(None),
                ctypes.c_char_p(None),
                ctypes.c_int(0),
            ),
            what,
        )
        return _checked(
            _libc.syscall(
                _SYS_FSMOUNT,
                ctypes.c_int(self._descriptor),
                ctypes.c_uint(_FSMOUNT_CLOEXEC),
                ctypes.c_uint(attributes),
            ),
            what,
        )


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return int(result)
