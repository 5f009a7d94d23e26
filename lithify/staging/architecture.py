"""The architecture of this machine, by the names that systems have."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from lithify.errors import HostError

_SAME = {"x86_64": "x86_64", "ppc64": "ppc64", "aarch64": "armv8l64", "aarch64_be": "armv8b64"}
_PATTERNS = (
    (r"i[3-6]86", "x86_32", "x86_32"),
    (r"armv5.*", "armv5l", ""),
    (r"armv7l", "armv7l", ""),
    (r"armv7b", "", "armv7b"),
    (r"armv8l", "armv7l", ""),
    (r"mips", "mips32l", "mips32b"),
    (r"mips64", "mips64l", "mips64b"),
)
"""(what the kernel says, name where numbers begin with their lowest byte, name elsewhere)."""
_HARD_FLOAT = "/lib/ld-linux-armhf.so.3"
"""The C library of programs that pass numbers in floating point registers."""


def architecture_of(machine: str, *, little: bool, hard_float: bool) -> str | None:
    """Return the name of an architecture by what ``uname -m`` calls it, or None for one that has none."""
    if machine in _SAME:
        return _SAME[machine]
    for pattern, on_little, on_big in _PATTERNS:
        if re.fullmatch(pattern, machine):
            name = on_little if little else on_big
            return "armv7lhf" if name == "armv7l" and hard_float else name or None
    return None


def host_architecture() -> str:
    """Return the name of this machine's architecture; raises :class:`HostError` where it has none."""
    machine = os.uname().machine
    name = architecture_of(machine, little=sys.byteorder == "little", hard_float=Path(_HARD_FLOAT).exists())
    if name is None:
        raise HostError(f"no system can be built on the architecture {machine}")
    return name
