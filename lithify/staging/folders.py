"""Folders that begin the same everywhere: whatever umask, setgid bit or default ACL stands around them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_ACLS = ("system.posix_acl_default", "system.posix_acl_access")


def plain_folder(path: Path) -> Path:
    """Make the folder ``path`` as root's, 0755, without an ACL or setgid bit that its parent passes on, and return it."""
    path.mkdir()
    for name in _ACLS:
        try:
            os.removexattr(path, name)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
    os.chown(path, 0, 0)
    os.chmod(path, 0o755)
    return path
