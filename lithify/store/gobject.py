"""The one place that loads libostree, and turns its errors into ours.

It is loaded at its first use, or by :func:`load`: that takes as long as everything else of a start, and what looks up what is
built needs none of it. Loading starts no thread (checked by a test), so that a namespace may still be entered afterwards.
"""

from __future__ import annotations

import errno
import importlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lithify.cache import no_space
from lithify.errors import HostError, StoreError, UnsafeContent

__all__ = [
    "BINDINGS",
    "GLib",
    "Gio",
    "OSTree",
    "create_repository",
    "load",
    "open_repository",
    "ostree_errors",
]

BINDINGS = "sudo apt-get install -y python3-gi gir1.2-ostree-1.0"
"""The command that installs what is loaded here."""
_USED = {
    "GLib": ("Error", "Variant"),
    "Gio": ("File", "IOErrorEnum", "io_error_quark"),
    "OSTree": ("Repo", "RepoMode", "RepoPruneFlags"),
}
"""What is used of each module.

PyGObject makes a class when it is first asked for, and two threads that ask at once get two classes, of which calls then refuse
one ("Expected GLib.VariantType, but got gi.repository.GLib.VariantType"). So all are asked for at once, in one thread.
"""
_loading = threading.Lock()
_loaded: dict[str, SimpleNamespace] = {}


def load() -> None:
    """Load libostree; raises :class:`HostError` with the command that installs its bindings."""
    with _loading:
        if _loaded:
            return
        try:
            with warnings.catch_warnings():
                # Debian 12's PyGObject imports its modules in a way that Python warns of
                warnings.simplefilter("ignore", ImportWarning)
                importlib.import_module("gi").require_version("OSTree", "1.0")
                modules = {name: importlib.import_module(f"gi.repository.{name}") for name in _USED}
        except (ImportError, ValueError) as error:
            raise HostError("the Python bindings of libostree are not installed", hints=[BINDINGS]) from error
        _loaded.update(
            {
                name: SimpleNamespace(**{used: getattr(module, used) for used in _USED[name]})
                for name, module in modules.items()
            }
        )


class _Module:
    """A module that is loaded when something of it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if not _loaded:
            load()
        return getattr(_loaded[self._name], name)


GLib: Any = _Module("GLib")
Gio: Any = _Module("Gio")
OSTree: Any = _Module("OSTree")

_DENIED = ("PERMISSION_DENIED", "READ_ONLY")
_QUOTA_TEXT = "Disk quota exceeded"
_FULL_TEXTS = ("min-free-space", _QUOTA_TEXT, "No space left on device")
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
        quota = OSError(errno.EDQUOT, error.message) if _QUOTA_TEXT in error.message else None
        return no_space(place, quota)
    if any(error.matches(Gio.io_error_quark(), getattr(Gio.IOErrorEnum, code)) for code in _DENIED):
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
