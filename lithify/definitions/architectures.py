"""The names of architectures that a system may have."""

from __future__ import annotations

ARCHITECTURES = (
    *("x86_64", "x86_32", "armv8l64", "armv8b64", "armv7lhf", "armv7l", "armv7b", "armv5l"),
    *("ppc64", "mips64l", "mips64b", "mips32l", "mips32b"),
    "testarch",
)
"""Morph's names. ``testarch`` is never a host's."""
