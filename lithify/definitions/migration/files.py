"""A definitions tree on disk, read as texts and written back, each file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from lithify.definitions.folder import Folder
from lithify.definitions.migration.texts import Texts
from lithify.definitions.root import VERSION
from lithify.definitions.tree import DEFAULTS
from lithify.errors import LithifyError


def read_texts(root: Path) -> Texts:
    """Return the definitions of a tree; a file that is no UTF-8 text counts among the others."""
    folder = Folder(root)
    files: dict[str, str] = {}
    for name in (VERSION, DEFAULTS, *folder.names()):
        try:
            files[name] = folder.read(name).decode()
        except (FileNotFoundError, UnicodeDecodeError):
            continue
        except OSError as error:
            raise LithifyError(f"{name} cannot be read: {error.strerror or error}") from error
    return Texts(files=files, others=frozenset(_names(root) - files.keys()))


def _names(root: Path) -> set[str]:
    names: set[str] = set()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names.update(os.path.relpath(os.path.join(folder, name), root) for name in files)
    return names


def write_texts(root: Path, before: Texts, after: Texts) -> None:
    """Write the files that differ, ``VERSION`` last: a run that was cut off is done again from the format before."""
    for name in changed_files(before, after):
        # A symbolic link stays one; the reader has seen that it leads nowhere out of the tree.
        path = Path(os.path.realpath(root / name))
        try:
            _write(path, after.files[name].encode())
        except OSError as error:
            raise LithifyError(
                f"{name} cannot be written: {error.strerror}",
                hints=["the tree is in its old format still; migrate again when the file can be written"],
            ) from error


def changed_files(before: Texts, after: Texts) -> list[str]:
    """Return the names of files that differ, sorted, ``VERSION`` last."""
    names = [name for name, text in after.files.items() if before.files.get(name) != text]
    return sorted(names, key=lambda name: (name == VERSION, name))


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.partial")
    try:
        with open(aside, "wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
