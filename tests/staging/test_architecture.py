"""What the kernel calls a machine, and what systems call it."""

from __future__ import annotations

import pytest

from lithify.definitions.architectures import ARCHITECTURES
from lithify.staging.architecture import architecture_of, host_architecture


@pytest.mark.parametrize(
    ("machine", "little", "hard_float", "name"),
    [
        ("x86_64", True, False, "x86_64"),
        ("i386", True, False, "x86_32"),
        ("i686", True, False, "x86_32"),
        ("aarch64", True, False, "armv8l64"),
        ("aarch64_be", False, False, "armv8b64"),
        ("armv7l", True, True, "armv7lhf"),
        ("armv7l", True, False, "armv7l"),
        ("armv7b", False, True, "armv7b"),
        ("armv5tejl", True, False, "armv5l"),
        ("ppc64", False, False, "ppc64"),
        ("mips", False, False, "mips32b"),
        ("mips", True, False, "mips32l"),
        ("mips64", False, False, "mips64b"),
        ("mips64", True, False, "mips64l"),
        ("s390x", False, False, None),
        ("ppc64le", True, False, None),
    ],
)
def test_names(machine: str, little: bool, hard_float: bool, name: str | None) -> None:
    assert architecture_of(machine, little=little, hard_float=hard_float) == name
    assert name is None or name in ARCHITECTURES


def test_this_machine_has_a_name() -> None:
    assert host_architecture() in ARCHITECTURES
