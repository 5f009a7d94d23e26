"""A small seccomp filter for every sandbox: doors that neither namespaces nor missing capabilities close.

- ``AF_VSOCK`` sockets, which reach the hypervisor of a virtual machine from every network namespace;
- the kernel's keyrings: the session keyring of whoever builds is inherited by all that he starts;
- user namespaces: where our own namespace could not forbid them, a build could make one and mount in it;
- io_uring, which would open all of these sockets past any filter.

``clone3`` passes its flags in memory, where no filter sees them; it is answered ENOSYS, and every C library falls back to
``clone``. The filter is classic BPF over ``struct seccomp_data`` (``linux/seccomp.h``), handed to ``bwrap --seccomp``.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Sequence

from msgspec import Struct

_CLONE_NEWUSER = 0x10000000
_CLONE3 = 435
_IO_URING_SETUP = 425
"""Calls as young as these have one number on all machines."""
_AF_VSOCK = 40
_X32 = 0x40000000
"""Set in the numbers of x86-64's third ABI, which repeats most calls; nothing uses it."""

_LOAD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in ``struct seccomp_data``; of an argument the low half, on the little-endian machines below."""
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000


class _Abi(Struct, frozen=True, kw_only=True):
    """The numbers of the calls of one architecture's ABI."""

    arch: int
    """``AUDIT_ARCH_*`` of ``linux/audit.h``."""
    socket: int
    clone: int
    unshare: int
    keys: tuple[int, int, int]
    """``add_key``, ``request_key``, ``keyctl``."""


_X86_64 = _Abi(arch=0xC000003E, socket=41, clone=56, unshare=272, keys=(248, 249, 250))
_I386 = _Abi(arch=0x40000003, socket=359, clone=120, unshare=310, keys=(286, 287, 288))
_AARCH64 = _Abi(arch=0xC00000B7, socket=198, clone=220, unshare=97, keys=(217, 218, 219))
_ARM = _Abi(arch=0x40000028, socket=281, clone=120, unshare=337, keys=(309, 310, 311))
_RISCV64 = _Abi(arch=0xC00000F3, socket=198, clone=220, unshare=97, keys=(217, 218, 219))

_ABIS = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64, _ARM), "riscv64": (_RISCV64,)}
"""By ``uname -m``: every ABI that a program may use there."""

_Instruction = tuple[int, int, int, int]


def program(machine: str) -> bytes | None:
    """Return the filter for a machine as ``struct sock_filter`` items, or None where its call numbers are not known here."""
    abis = _ABIS.get(machine)
    if abis is None:
        return None
    code: list[_Instruction] = []
    for abi in abis:
        section = _section(abi)
        code += [(_LOAD, 0, 0, _ARCH), (_JUMP_EQUAL, 0, len(section), abi.arch), *section]
    code.append(_answer(None))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def open_filter() -> int | None:
    """Return a descriptor from which bubblewrap reads this machine's filter; the caller closes it."""
    code = program(platform.machine())
    if code is None:
        return None
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    os.write(descriptor, code)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _section(abi: _Abi) -> Sequence[_Instruction]:
    """Return what is asked of a call of one ABI; every way through it ends in an answer."""
    code: list[_Instruction] = [(_LOAD, 0, 0, _NUMBER)]
    if abi is _X86_64:
        code += [(_JUMP_AT_LEAST, 0, 1, _X32), _answer(errno.ENOSYS)]
    for number in (*abi.keys, _CLONE3, _IO_URING_SETUP):
        code += [(_JUMP_EQUAL, 0, 1, number), _answer(errno.ENOSYS)]
    for number in (abi.clone, abi.unshare):
        code += _with_argument(number, (_JUMP_ANY_BIT, 0, 1, _CLONE_NEWUSER), errno.EPERM)
    code += _with_argument(abi.socket, (_JUMP_EQUAL, 0, 1, _AF_VSOCK), errno.EAFNOSUPPORT)
    code.append(_answer(None))
    return code


def _with_argument(number: int, test: _Instruction, refusal: int) -> list[_Instruction]:
    """Refuse the call ``number`` where its first argument passes ``test``, allow it otherwise."""
    return [
        (_JUMP_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        test,
        _answer(refusal),
        _answer(None),
    ]


def _answer(refusal: int | None) -> _Instruction:
    return (_RETURN, 0, 0, _ALLOW if refusal is None else _ERRNO | refusal)
