"""The lock of an OSTree repository that libostree itself takes: ``.lock``, an open file description lock on all of it.

Format: ``ostree_repo_lock_push`` in ``src/libostree/ostree-repo.c``, shared by who writes, exclusive by who prunes.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lithify.cache import host_errors

_FLOCK = "hhqqi4x"
"""``struct flock`` where ``off_t`` has 64 bits: type, whence, start, length (0: to the end), process (0 for this kind)."""


@contextmanager
def shared_with_ostree(repository: Path) -> Iterator[None]:
    """Keep ``ostree prune`` out during the block; waits while it is at work."""
    with host_errors(repository):
        descriptor = os.open(repository / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        with host_errors(repository):
            fcntl.fcntl(
                descriptor, fcntl.F_OFD_SETLKW, struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
            )
        yield
    finally:
        os.close(descriptor)
