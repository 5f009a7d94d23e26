"""The names of architectures that a system may have."""

from __future__ import annotations

ARCHITECTURES = (
    *("x86_64", "x86_32", "armv8l64", "armv8b64", "armv7lhf", "armv7l", "armv7b", "armv5l"),
    *("ppc64", "mips64l", "mips64b", "mips32l", "mips32b"),
    "testarch",
)
"""Morph's names. ``testarch`` is never a host's."""

_ALSO_BUILT = {
    "armv8l64": ("armv7l", "armv7lhf"),
    "armv8b64": ("armv7b",),
    "armv7l": ("armv5l",),
    "armv7lhf": ("armv5l",),
}
"""What a machine builds beside its own architecture, as with morph."""


def builds_for(host: str, arch: str) -> bool:
    """Return whether systems for ``arch`` are built on machines that are ``host``."""
    return arch == host or arch in _ALSO_BUILT.get(host, ())
