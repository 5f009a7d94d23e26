"""What of the host a bootstrap-mode chunk sees: a fingerprint, which is part of its build key."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lithify.process import find_program, run

_ASKED = ("cc", "gcc", "g++", "ld", "as", "ldd", "make", "sh")


def fingerprint() -> str:
    """Return a digest over the host's ``os-release`` and the versions of its compiler, binutils and C library."""
    parts = []
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        path = Path(name)
        if path.exists():
            parts.append(path.read_bytes())
            break
    for program in _ASKED:
        if find_program(program) is not None:
            asked = run([program, "--version"], expected=None)
            parts.append(program.encode() + b"\0" + asked.stdout.split(b"\n", 1)[0])
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
