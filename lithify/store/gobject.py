"""The one place that loads libostree, and turns its errors into ours.

Loading it starts no thread (checked by a test), so that a namespace may still be entered afterwards.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gi

from lithify.cache import no_space
from lithify.errors import HostError, StoreError, UnsafeContent

with warnings.catch_warnings():
    # Debian 12's PyGObject imports its modules in a way that Python warns of
    warnings.simplefilter("ignore", ImportWarning)
    gi.require_version("OSTree", "1.0")
    from gi.repository import Gio, GLib, OSTree

# PyGObject makes a class when it is first asked for, and two threads that ask at once get two classes, of which
# calls then refuse one ("Expected GLib.VariantType, but got gi.repository.GLib.VariantType").
_LOADED = (
    *(GLib.Bytes, GLib.Error, GLib.Variant, GLib.VariantType, Gio.File, Gio.IOErrorEnum),
    *(OSTree.MutableTree, OSTree.ObjectType, OSTree.Repo, OSTree.RepoCommitModifier),
    *(OSTree.RepoCommitModifierFlags, OSTree.RepoLockType, OSTree.RepoMode, OSTree.RepoPruneFlags),
)

__all__ = ["GLib", "Gio", "OSTree", "create_repository", "open_repository", "ostree_errors"]

_DENIED = (Gio.IOErrorEnum.PERMISSION_DENIED, Gio.IOErrorEnum.READ_ONLY)
_FULL_TEXTS = ("min-free-space", "Disk quota exceeded", "No space left on device")
"""libostree reports its own reserve with a code that says nothing, so the text is asked as well."""


@contextmanager
def ostree_errors(place: Path, what: str) -> Iterator[None]:
    """Turn errors of libostree into ours; ``what`` begins the message (``committing zlib``), ``place`` is the repository."""
    try:
        yield
    except GLib.Error as error:
        raise _ours(error, place, what) from error
    except RuntimeError as error:
        if "GError" not in str(error):
            raise
        # PyGObject cannot convert a message that is not UTF-8, and only a file's name brings such bytes in
        raise UnsafeContent(f"{what}: a file's name is not UTF-8") from error


def _ours(error: Any, place: Path, what: str) -> StoreError | HostError:
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NO_SPACE) or any(
        text in error.message for text in _FULL_TEXTS
    ):
        return no_space(place)
    if any(error.matches(Gio.io_error_quark(), code) for code in _DENIED):
        return HostError(
            f"{what}: {error.message}",
            hints=["choose a folder that is yours with --cachedir, or LITHIFY_CACHEDIR"],
        )
    return StoreError(f"{what}: {error.message}")


def create_repository(path: Path) -> None:
    """Make a bare repository at ``path``."""
    with ostree_errors(path, "making the store"):
        OSTree.Repo.new(Gio.File.new_for_path(str(path))).create(OSTree.RepoMode.BARE, None)


def open_repository(path: Path) -> Any:
    """Return the repository at ``path`` opened; one object serves one thread and one transaction at a time."""
    with ostree_errors(path, "opening the store"):
        repository = OSTree.Repo.new(Gio.File.new_for_path(str(path)))
        repository.open(None)
    return repository
