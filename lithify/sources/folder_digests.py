"""What folders of the definitions hold: read once, and again only where one looks otherwise; many at once in several processes.

To read a folder is tens of thousands of short system calls, for which threads would wait for each other.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lithify.errors import UnsafeContent
from lithify.process import start_script
from lithify.sources import plain_tree
from lithify.sources.context import SourceContext
from lithify.sources.tree import SETTLED_NS, Look, look_at, plain_digest

FACT = "local-tree"
"""How a folder looks → the digest of what it holds."""
WORTH = 64 << 20
"""Bytes, files counted by what they cost, that are worth a process: a fifth of a second of reading."""
_BYTES_A_FILE = 20 << 10
"""To open and close a file takes as long as to read so many bytes."""


def folder_digests(folders: Sequence[Path], context: SourceContext) -> dict[Path, str]:
    """Return the digest that each folder without ``.git`` has as a plain source tree; what cannot be read is left out."""
    before = time.time_ns()
    looks: dict[Path, Look] = {}
    for folder in folders:
        with suppress(OSError):
            looks[folder] = look_at(folder)
    known = context.facts.get_several(FACT, [look.digest for look in looks.values()])
    found = {folder: known[look.digest] for folder, look in looks.items() if look.digest in known}
    weights = {
        folder: look.size + _BYTES_A_FILE * look.count
        for folder, look in looks.items()
        if folder not in found
    }
    for folder, digest in _read(weights).items():
        found[folder] = digest
        if looks[folder].newest < before - SETTLED_NS:
            context.facts.put(FACT, looks[folder].digest, digest)
    return found


def _read(weights: Mapping[Path, int]) -> dict[Path, str]:
    processes = min(len(os.sched_getaffinity(0)), len(weights), 1 + sum(weights.values()) // WORTH)
    ours, *theirs = shares(weights, max(1, processes))
    children = [(part, _started(part)) for part in theirs]
    found: dict[Path, str] = {}
    try:
        for folder in ours:
            with suppress(OSError, UnsafeContent):
                found[folder] = plain_digest(folder)
        for part, child in children:
            answers = child.communicate()[0].decode("ascii").split("\n")[:-1]
            found |= {
                folder: answer
                for folder, answer in zip(part, answers, strict=False)
                if answer != plain_tree.UNKNOWN
            }
    finally:
        for _, child in children:
            with suppress(ProcessLookupError):
                child.kill()
            child.wait()
    return found


def shares(weights: Mapping[Path, int], count: int) -> list[list[Path]]:
    """Return folders dealt into ``count`` parts of about the same weight, the heaviest first."""
    parts: list[list[Path]] = [[] for _ in range(count)]
    totals = [0] * count
    for folder in sorted(weights, key=lambda folder: (-weights[folder], folder)):
        least = totals.index(min(totals))
        parts[least].append(folder)
        totals[least] += weights[folder]
    return parts


def _started(folders: Sequence[Path]) -> subprocess.Popen[bytes]:
    child = start_script(plain_tree.__file__)
    assert child.stdin
    with suppress(BrokenPipeError), child.stdin:
        child.stdin.write(b"".join(os.fsencode(folder) + b"\0" for folder in folders))
    child.stdin = None
    return child
