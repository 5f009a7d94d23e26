"""The environment that a chunk's commands see, complete but for what the build itself decides.

It is a pure function of the definitions, and part of the chunk's keys as it stands. The build adds ``DESTDIR`` (which
follows from the chunk's name) and ``MAKEFLAGS`` (how many jobs; of that only the declared ``max-jobs`` is in a key).
Nothing comes from the host's own environment.
"""

from __future__ import annotations

from collections.abc import Sequence

from lithify.graph.model import Chunk

SOURCE_DATE_EPOCH = 683074800
"""Seconds; the time that every source file and every build has. It is the one that morph gave its archives."""

BOOTSTRAP_ROOT = "/lithify"
"""Where a chunk that is built on the host (bootstrap and test mode) finds what it depends on, and its build folder."""

SYSTEM_PATH = "/sbin:/usr/sbin:/bin:/usr/bin"
"""The end of PATH in a staging area."""

HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The end of PATH for what is built on the host: fixed, so that it does not depend on who builds."""

CCACHE_PATH = "/usr/lib/ccache"
CCACHE_DIR = "/tmp/ccache"

INTEGRATION_ENVIRONMENT = {"PATH": "/bin:/usr/bin:/sbin:/usr/sbin"}
"""All that a system integration command sees."""

_CPUS = {
    "x86_32": "i686",
    "armv8l64": "aarch64",
    "armv8b64": "aarch64_be",
    "mips64b": "mips64",
    "mips64l": "mips64el",
    "mips32b": "mips",
    "mips32l": "mipsel",
}
"""Architectures whose name in a GNU triplet is another than in a definition."""


def target_triplet(arch: str, vendor: str = "baserock") -> str:
    """Return the GNU triplet for an architecture of the definitions, such as ``armv7lhf-baserock-linux-gnueabi``."""
    abi = "eabi" if arch.startswith(("armv5", "armv7")) else "abi64" if arch.startswith("mips64") else ""
    return f"{_CPUS.get(arch, arch)}-{vendor}-linux-gnu{abi}"


def with_ccache(path: str) -> str:
    """Return a PATH on which compilers are found by ccache, which itself looks for them on the rest.

    Its folder is first. In morph it came after the prefixes of what a chunk build-depends on; one of these is nearly always
    ``/usr``, so that the compilers in ``/usr/bin`` hid it.
    """
    return f"{CCACHE_PATH}:{path}"


def chunk_environment(chunk: Chunk, prefixes: Sequence[str]) -> dict[str, str]:
    """Return the variables for a chunk's commands, without ``DESTDIR`` and ``MAKEFLAGS``.

    ``prefixes`` are those of the chunks that it build-depends on, in layer order; each one's ``bin`` is on PATH.
    What the definition itself sets (``environment:``) replaces what is set here.
    """
    on_host = chunk.build_mode != "staging"
    root = BOOTSTRAP_ROOT if on_host else ""
    path = [f"{root}{prefix.rstrip('/')}/bin" for prefix in dict.fromkeys(prefixes)]
    variables = {
        "TERM": "dumb",
        "SHELL": "/bin/sh",
        "LC_ALL": "C",
        "HOME": "/tmp",
        "USER": "tomjon",
        "USERNAME": "tomjon",
        "LOGNAME": "tomjon",
        "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH),
        "MORPH_ARCH": chunk.arch,
        "TARGET": target_triplet(chunk.arch),
        "TARGET_STAGE1": target_triplet(chunk.arch, "bootstrap"),
        "PREFIX": chunk.prefix,
    }
    path.append(HOST_PATH if on_host else SYSTEM_PATH)
    variables["PATH"] = ":".join(path)
    if chunk.compiler_cache:
        variables["CCACHE_DIR"] = CCACHE_DIR
        variables["PATH"] = with_ccache(variables["PATH"])
    return {**variables, **dict(chunk.environment)}
