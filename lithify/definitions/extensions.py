"""The extensions of a definitions tree: programs named ``NAME.KIND``, which deployments run."""

from __future__ import annotations

import os
from pathlib import Path

KINDS = ("check", "configure", "write")


def kind_of(name: str) -> str:
    """Return the kind of ``NAME.KIND``; empty where it is no extension's name."""
    stem, _, kind = name.rpartition(".")
    return kind if kind in KINDS and stem and not stem.endswith("/") else ""


def own_extensions(root: Path) -> list[str]:
    """Return the paths of all extensions below ``root``, from there, sorted.

    Hidden folders are left out, and those that hold a ``VERSION`` of their own: that is another tree.
    """
    found = []
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        if below != "." and "VERSION" in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.normpath(os.path.join(below, name)) for name in files if kind_of(name)]
    return sorted(found)


def own_extension(name: str, root: Path) -> Path | None:
    """Return the file of the extension ``NAME.KIND`` in the tree at ``root``; None where there is none."""
    parts = Path(name).parts
    if not kind_of(name) or Path(name).is_absolute() or ".." in parts:
        return None
    path = root / name
    return path if path.is_file() else None
