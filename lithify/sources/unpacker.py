"""Unpacks archives: a program of its own, which lithify runs in its sandbox under the host's own Python.

Job: JSON on standard input (:func:`main`); result: JSON on standard output. It is started for each source, so it and what it
imports are light (30 ms), and of lithify it uses :mod:`~lithify.sources.archive_members` and
:mod:`~lithify.sources.archive_tree` alone.

Neither ``tar`` nor ``tarfile.extractall`` would do: a member below a symlink must land where the link leads *in the tree* (as
Debian's merged ``/usr`` needs), never where it leads on the host; both do at best refuse it. Here the tree is known in memory,
every path is resolved in it, and what is written is a path without any link. The sandbox stands behind that.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from lithify.sources.archive_members import DAMAGED, Refused, open_archive, tar_members, zip_members
from lithify.sources.archive_tree import Tree

MEMORY = 4 << 30
"""Bytes of address space: a header may claim any length."""
MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders of Debian's root that are links to those in ``/usr``."""


def unpack(job: dict[str, Any]) -> dict[str, Any]:
    """Unpack the archives of a job, in order, and return what came of it."""
    tree = Tree(job["into"], owners=job["owners"], members=job["members"], size=job["bytes"])
    if job["merged_usr"]:
        for name in MERGED:
            tree.folder(f"usr/{name}")
            tree.symlink(name, f"usr/{name}")
    name = ""
    try:
        with closing(_Opened(job["archives"])) as opened:
            for archive, form, file in opened:
                name = archive["name"]
                for member in zip_members(file) if form == "zip" else tar_members(file):
                    tree.add(member, name, archive["strip"])
        tree.finish()
    except Refused as error:
        return {"error": error.kind, "archive": name, "text": str(error)}
    except MemoryError:
        return {"error": "limit", "archive": name, "text": f"more than {MEMORY >> 30} GiB of memory"}
    except OSError as error:
        kind = "os" if error.errno else "damaged"  # gzip and bz2 raise it for damaged data
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        text = str(error)
        return {"error": "full" if full else kind, "archive": name, "text": text, "errno": error.errno}
    except (ValueError, LookupError, OverflowError, RecursionError):
        return {
            "error": "damaged",
            "archive": name,
            "text": "a damaged archive",
        }  # what they say is Python's own
    except DAMAGED as error:
        return {"error": "damaged", "archive": name, "text": str(error) or type(error).__name__}
    return {"members": tree.count, "bytes": tree.bytes, "kept": tree.kept, "overlaps": tree.overlaps}


class _Opened:
    """The archives of a job, each opened while the one before it is still read."""

    def __init__(self, archives: list[dict[str, Any]]) -> None:
        self._waiting = list(archives)[::-1]
        self._open: list[tuple[dict[str, Any], str, Any]] = []

    def __iter__(self) -> Iterator[tuple[dict[str, Any], str, Any]]:
        while self._waiting or self._open:
            while self._waiting and len(self._open) < 2:
                archive = self._waiting.pop()
                self._open.append((archive, *open_archive(archive["path"], archive["kind"])))
            yield self._open[0]
            self._open.pop(0)[2].close()

    def close(self) -> None:
        """Close what is still open."""
        for _, _, file in self._open:
            file.close()


def main() -> None:
    """Do the job on standard input: ``into``, ``archives`` (``path``, ``name``, ``kind``, ``strip``), and the limits."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.umask(0o022)
    json.dump(unpack(json.load(sys.stdin)), sys.stdout)
