"""A folder of the definitions whose files go into the store as they are: copied once, into a flat folder, and read meanwhile.

Where a chunk is a `local` folder and nothing else, there need be no tree of it on the disk: its files are wanted as objects.
Of many files a process of its own makes them, since threads would wait for each other at each of the short system calls.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from lithify.definitions.model import LocalSource, Source
from lithify.errors import LithifyError
from lithify.graph.pins import Pin
from lithify.sources.compose import keep_tree_digest
from lithify.sources.context import SourceContext
from lithify.sources.folder_digests import FACT
from lithify.sources.local import below_definitions
from lithify.sources.plain_tree import Spooled, Unusual, spool
from lithify.sources.spoolers import Spoolers
from lithify.sources.tree import is_git, walk

WORTH_A_PROCESS = 50
"""Files; a process copies them while other threads go on here, but must be started once."""


class Spool(Struct, frozen=True, kw_only=True):
    """A tree whose files lie in a flat folder, numbered in the order of the rows that are files or links, each content once."""

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
    headers: tuple[bytes, bytes],
) -> Spool | None:
    """Copy the files of a chunk's sources into the empty folder ``into``, if that is all that there is to be done.

    That is so where they are one `local` folder with nothing unusual in it, which still looks as it did when it was pinned.
    The tree's digest is kept then, as :func:`~lithify.sources.compose.compose` keeps it. Else None is returned, whatever is
    wrong: the ordinary way says so. What was copied by then stays.

    ``headers``: what comes before a file's content in its checksum, of a plain one and of a program.
    """
    if len(sources) != 1 or not isinstance(source := sources[0], LocalSource) or source.into:
        return None
    try:
        found = below_definitions(source.path, context.definitions_root)
        if not found.is_dir():
            return None
        rows, size, look = _spooled(found, into, context.spoolers, headers)
    except (OSError, LithifyError, Unusual):
        return None
    # What looked, as it was copied, as it did when it was read for its pin is what was read.
    digest = context.facts.get(FACT, look)
    if digest is None or digest != pins[source].digest_data["tree"]:
        return None
    keep_tree_digest(sources, pins, context, digest)
    return Spool(folder=into, rows=rows, size=size, digest=digest)


def _spooled(
    found: Path, into: Path, spoolers: Spoolers, headers: tuple[bytes, bytes]
) -> tuple[Sequence[Spooled], int, str]:
    """Return what :func:`plain_tree.spool` does, of a large folder from another process."""
    top, target = os.fsencode(found), os.fsencode(into)
    if len(list(islice(walk(top, is_git), WORTH_A_PROCESS))) < WORTH_A_PROCESS:
        return spool(top, target, *headers)
    look, *told = spoolers.ask([top, target, *(header.hex().encode() for header in headers)]) or [b""]
    if not look:
        raise Unusual(found)
    size, *fields = (field.decode() for field in told)
    return list(zip(fields[::3], fields[1::3], fields[2::3], strict=True)), int(size), look.decode()
