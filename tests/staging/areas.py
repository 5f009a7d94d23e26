"""Staging areas to test in; every function here runs inside, called by way of ``run_inside``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from lithify.cache import open_cache
from lithify.staging.area import staging_area
from lithify.staging.folders import plain_folder
from lithify.staging.logs import LogWriter
from lithify.staging.methods import choose
from lithify.staging.sandbox import Bind, Ended, Limits, Sandbox, run_command
from tests.staging.stacks import shell_layer

METHODS = ("overlay", "overlay-classic", "fuse-overlayfs", "copy")


def is_possible(method: str) -> bool:
    """Return whether the machine offers what a method needs: root can open FUSE to whoever runs the test."""
    return method != "fuse-overlayfs" or os.access("/dev/fuse", os.R_OK | os.W_OK)


def need_method(method: str) -> None:
    """Skip the test where the machine has no FUSE, or keeps it from us."""
    if not is_possible(method):
        pytest.skip("no /dev/fuse here that we may open (`modprobe fuse`)")


class Area(Struct, frozen=True, kw_only=True):
    """A staging area with a build folder and a DESTDIR, as a chunk's build has."""

    top: Path
    method: str
    sandbox: Sandbox
    log: LogWriter

    @property
    def destdir(self) -> Path:
        return self.top / "inst"

    def run(self, command: str, **changes: object) -> Ended:
        return run_command(replace(self.sandbox, **changes), command, log=self.log)  # type: ignore[arg-type]

    def said(self) -> str:
        return (self.top / "log").read_text(errors="replace")


@contextmanager
def area(
    folder: str,
    method: str = "auto",
    *,
    layers: Sequence[Path] = (),
    binds: Sequence[Bind] = (),
    writable: bool = False,
    bootstrap: bool = False,
    limits: Limits | None = None,
) -> Iterator[Area]:
    """Open a staging area over one static shell and ``layers``; with ``writable`` over an upper folder ``upper``."""
    top = Path(folder)
    cache = open_cache(top / "cache")
    for name in ("area", "build", "inst"):
        plain_folder(top / name)
    upper = plain_folder(top / "upper") if writable else None
    build = (
        Bind(source=top / "build", target="/x.build", writable=True),
        Bind(source=top / "inst", target="/x.inst", writable=True),
    )
    every = (*binds, *(() if writable else build))
    chosen = choose(cache, method)
    with (
        LogWriter(top / "log", limit=None if limits is None else limits.log_bytes) as log,
        staging_area(
            chosen,
            [*layers, shell_layer(top / "shell")],
            folder=top / "area",
            mount_points=[bind.target for bind in every],
            upper=upper,
        ) as root,
    ):
        sandbox = Sandbox(
            root=root,
            binds=every,
            root_writable=writable,
            bootstrap=bootstrap,
            cwd="/" if writable else "/x.build",
            environment={"PATH": "/bin"},
            limits=limits or Limits(),
        )
        yield Area(top=top, method=chosen.describe(), sandbox=sandbox, log=log)
    assert list((top / "area").iterdir()) == [], "a staging area leaves nothing behind"


def ends(area: Area, commands: Sequence[str]) -> list[str]:
    """Run commands and return how each ended."""
    return [area.run(command).reason for command in commands]


def tree_of(root: Path, *, skip: Sequence[str] = ()) -> dict[str, list[object]]:
    """Return everything below ``root`` by path: kind, mode, owners, content, xattrs, and which files are one."""
    found: dict[str, list[object]] = {}
    names: dict[int, str] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            relative = str(path.relative_to(root))
            if relative.split("/")[0] in skip:
                continue
            info = path.lstat()
            content = ""
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                with path.open("rb") as file:
                    content = file.read(100).decode(errors="replace")
                if info.st_nlink > 1:
                    content += f" (is {names.setdefault(info.st_ino, relative)})"
            xattrs = (
                {}
                if stat.S_ISLNK(info.st_mode)
                else {n: os.getxattr(path, n).hex() for n in os.listxattr(path)}
            )
            found[relative] = [oct(info.st_mode), info.st_uid, info.st_gid, content, xattrs]
    return found
