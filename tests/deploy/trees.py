"""Trees for deployments: entries as the store yields them, with the contents of their files in a folder."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lithify.build.metadata import Content
from lithify.deploy.esp import BOOT_LOADER
from lithify.deploy.ext4 import write_ext4
from lithify.deploy.layout import MIB, Layout, lay_out
from lithify.deploy.order import Order
from lithify.process import TOOL_PATH
from lithify.store.entries import Entry
from lithify.store.manifest import Device

DIGEST = "5d" * 32
ESP = 40 * MIB


class Objects:
    """File objects in a folder, by checksum."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def file_path(self, checksum: str) -> Path:
        return self.folder / checksum

    def file(self, path: str, content: bytes = b"content\n", **more: Any) -> Entry:
        checksum = hashlib.sha256(content).hexdigest()
        if not self.file_path(checksum).exists():
            self.file_path(checksum).write_bytes(content)
        return entry(path, "file", **{"mode": 0o644, "size": len(content), "checksum": checksum, **more})


def entry(path: str, kind: Any, **more: Any) -> Entry:
    return Entry(path=path, kind=kind, **{"mode": 0o755, "uid": 0, "gid": 0, **more})


def folder(path: str, **more: Any) -> Entry:
    return entry(path, "dir", **more)


def symlink(path: str, target: str, **more: Any) -> Entry:
    return entry(path, "symlink", **{"mode": 0o777, "target": target, "size": len(target.encode()), **more})


def device(path: str, type: Any, mode: int = 0o600, major: int = 0, minor: int = 0, **more: Any) -> Entry:
    node = Device(path=path, type=type, mode=mode, major=major, minor=minor, **more)
    return entry(path, "device", mode=mode, device=node, **more)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries with the root first and each folder's names sorted, as the store yields them."""
    return [folder(""), *sorted(entries, key=lambda entry: entry.path.split("/"))]


def make_root(place: Path, entries: list[Entry], objects: Objects, layout: Layout | None = None) -> Path:
    """Make a root file system in a new folder ``place`` and return its image."""
    place.mkdir()
    layout = layout or lay_out(entries, DIGEST, esp_size=ESP)
    image = place / "root.img"
    write_ext4(image, entries, objects.file_path, layout, place)
    return image


def tool(*argv: str | Path, status: int | None = 0) -> str:
    """Run a host tool and return what it printed; its status must be ``status``, if one is given."""
    done = subprocess.run(
        [str(word) for word in argv],
        capture_output=True,
        env={"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        check=False,
    )
    said = done.stdout.decode(errors="surrogateescape")
    assert status is None or done.returncode == status, (
        f"{argv}: {said}{done.stderr.decode(errors='replace')}"
    )
    return said


def debugfs(image: Path, request: str) -> str:
    return tool("debugfs", "-R", request, image)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


BOOTABLE = (BOOT_LOADER, "boot/vmlinuz-6.9", "boot/vmlinuz-6.10")
"""Paths that a system needs to be put into an image with a boot loader; the later kernel is the newer."""


def order_for(content: Content, location: Path, type: str = "image", **more: Any) -> Order:
    """Return an order; values by keyword, with ``_`` for ``-``."""
    system = more.pop("system", "small")
    name = more.pop("name", "it")
    values = {key.replace("_", "-"): value for key, value in more.items()}
    return Order(
        name=name,
        type=type,
        location=location,
        values=values,
        system=system,
        content=content,
        commit="c0" * 32,
        definition_key="de" * 32,
    )
