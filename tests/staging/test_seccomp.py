"""The filter is what the kernel takes, for every machine whose calls are known."""

from __future__ import annotations

import struct

import pytest

from lithify.staging.seccomp import program

ALLOW = 0x7FFF0000
ENOSYS, EPERM, EAFNOSUPPORT = (0x50000 | number for number in (38, 1, 97))
NEWUSER = 0x10000000
X86_64, I386, AARCH64, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0xC00000F3


def answer(machine: str, arch: int, number: int, argument: int = 0) -> int:
    """Run a filter as the kernel does and return what it answers to a call."""
    code = program(machine)
    assert code is not None
    data = struct.pack("=IIQQ", number, arch, 0, argument)
    instructions = list(struct.iter_unpack("=HBBI", code))
    position = accumulator = 0
    while True:
        operation, if_true, if_false, value = instructions[position]
        position += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
            continue
        holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[
            operation
        ]
        position += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "arch", "number", "argument", "expected"),
    [
        ("x86_64", X86_64, 41, 40, EAFNOSUPPORT),  # socket(AF_VSOCK)
        ("x86_64", X86_64, 41, 1, ALLOW),  # socket(AF_UNIX)
        ("x86_64", X86_64, 41, 2, ALLOW),
        ("x86_64", X86_64, 272, NEWUSER, EPERM),  # unshare
        ("x86_64", X86_64, 272, 0x20000, ALLOW),  # the missing capability refuses it
        ("x86_64", X86_64, 56, NEWUSER | 17, EPERM),  # clone
        ("x86_64", X86_64, 56, 17, ALLOW),
        ("x86_64", X86_64, 435, 0, ENOSYS),  # clone3
        ("x86_64", X86_64, 248, 0, ENOSYS),  # add_key
        ("x86_64", X86_64, 249, 0, ENOSYS),
        ("x86_64", X86_64, 250, 0, ENOSYS),
        ("x86_64", X86_64, 0, 0, ALLOW),  # read
        ("x86_64", X86_64, 0x40000000 | 250, 0, ENOSYS),  # x32
        ("x86_64", I386, 359, 40, EAFNOSUPPORT),
        ("x86_64", I386, 310, NEWUSER, EPERM),
        ("x86_64", I386, 288, 0, ENOSYS),
        ("x86_64", I386, 41, 40, ALLOW),  # dup, there
        ("aarch64", AARCH64, 198, 40, EAFNOSUPPORT),
        ("aarch64", AARCH64, 97, NEWUSER, EPERM),
        ("aarch64", AARCH64, 220, NEWUSER, EPERM),
        ("aarch64", AARCH64, 219, 0, ENOSYS),
        ("aarch64", AARCH64, 41, 40, ALLOW),
        ("riscv64", RISCV64, 198, 40, EAFNOSUPPORT),
        ("riscv64", RISCV64, 63, 0, ALLOW),
    ],
)
def test_a_call_is_answered(machine: str, arch: int, number: int, argument: int, expected: int) -> None:
    assert answer(machine, arch, number, argument) == expected


def test_a_machine_whose_calls_are_not_known_has_no_filter() -> None:
    assert program("vax") is None
