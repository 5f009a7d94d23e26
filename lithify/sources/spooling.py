"""A folder of the definitions whose files go into the store as they are: copied once, into a flat folder, and read meanwhile.

Where a chunk is a `local` folder and nothing else, there need be no tree of it on the disk: its files are wanted as objects.
Of many files a process of its own makes them, since threads would wait for each other at each of the short system calls.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from lithify.definitions.model import LocalSource, Source
from lithify.errors import LithifyError
from lithify.graph.pins import Pin
from lithify.process import run, tool_environment
from lithify.sources import plain_tree
from lithify.sources.context import SourceContext
from lithify.sources.folder_digests import FACT
from lithify.sources.local import below_definitions
from lithify.sources.plain_tree import Spooled, Unusual, spool
from lithify.sources.tree import is_git, look_at, walk

WORTH_A_PROCESS = 100
"""Files; to copy so many takes as long as a process takes to start."""


class Spool(Struct, frozen=True, kw_only=True):
    """A tree whose files lie in a flat folder, numbered in the order of the rows that are files or links."""

    folder: Path
    rows: Sequence[Spooled]
    """Each folder comes before what is in it."""
    size: int
    """Bytes of all files."""
    digest: str
    """Of the tree, as :func:`~lithify.sources.compose.compose` gives it."""


def spool_source(
    sources: Sequence[Source],
    pins: Mapping[Source, Pin],
    into: Path,
    context: SourceContext,
    *,
    plain: bytes,
    program: bytes,
) -> Spool | None:
    """Copy the files of a chunk's sources into the empty folder ``into``, if that is all that there is to be done.

    That is so where they are one `local` folder with nothing unusual in it, which still looks as it did when it was pinned.
    Else None is returned, whatever is wrong: the ordinary way says so. What was copied by then stays.

    ``plain`` and ``program``: what comes before a file's content in its checksum, see :func:`plain_tree.spool`.
    """
    if len(sources) != 1 or not isinstance(source := sources[0], LocalSource) or source.into:
        return None
    try:
        found = below_definitions(source.path, context.definitions_root)
        if not found.is_dir():
            return None
        rows, size = _spooled(found, into, plain, program)
        # What still looks as it did when it was read is what was read, and what was copied in between.
        digest = context.facts.get(FACT, look_at(found).digest)
    except (OSError, LithifyError, Unusual):
        return None
    if digest is None or digest != pins[source].digest_data["tree"]:
        return None
    return Spool(folder=into, rows=rows, size=size, digest=digest)


def _spooled(found: Path, into: Path, plain: bytes, program: bytes) -> tuple[Sequence[Spooled], int]:
    first = islice(walk(os.fsencode(found), is_git), WORTH_A_PROCESS)
    if len(list(first)) < WORTH_A_PROCESS:
        return spool(os.fsencode(found), os.fsencode(into), plain, program)
    argv = [
        sys.executable,
        "-I",
        "-S",
        plain_tree.__file__,
        str(found),
        str(into),
        plain.hex(),
        program.hex(),
    ]
    done = run([*argv, str(os.getpid())], env=tool_environment(), expected=None)
    *fields, size = done.stdout.decode().split("\0")
    if not size:
        raise Unusual(found)
    return list(zip(fields[::3], fields[1::3], fields[2::3], strict=True)), int(size)
