"""Runs the whole program in a process of its own, as a user types it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests import stuck

PROJECT = Path(__file__).resolve().parent.parent


class Said(Struct, frozen=True):
    """What a command said, and how it ended."""

    status: int
    stdout: str
    stderr: str


class Program(Struct, frozen=True, kw_only=True):
    """The program on one definitions tree and one cache, for one user."""

    folder: Path
    """Holds ``cache`` and ``tmp``; written by ``user``."""
    definitions: Path
    user: str | None = None
    umask: int = 0o022
    settings: tuple[str, ...] = ()
    module: str = "lithify"
    """What Python runs; another one than lithify runs it in the end."""

    @property
    def cache(self) -> Path:
        """The cache folder."""
        return self.folder / "cache"

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Start a command and return it running."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        who: dict[str, Any] = {}
        home = str(self.folder)
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder / "tmp", entry.pw_uid, entry.pw_gid)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            [sys.executable, "-m", *self.module.split(), "--no-default-configs", *self.settings, *arguments],
            cwd=self.definitions,
            env=self.environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=self.umask,
            **who,
            **more,
        )

    def environment(self, home: str) -> Mapping[str, str]:
        """Return the environment that a command sees."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": home,
            "PYTHONPATH": str(PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
            "LITHIFY_CACHEDIR": str(self.cache),
            "LITHIFY_TEMPDIR": str(self.folder / "tmp"),
            "NO_COLOR": "1",
            **stuck.STACKS,
        }

    def run(self, *arguments: str) -> Said:
        """Run a command to its end."""
        child = self.start(*arguments)
        stdout, stderr = stuck.communicate(child)
        return Said(child.returncode, stdout, stderr)

    def done(self, *arguments: str) -> Said:
        """Run a command that must succeed."""
        said = self.run(*arguments)
        assert said.status == 0, (
            f"lithify {' '.join(arguments)} ended with {said.status}:\n{said.stdout}\n{said.stderr}"
        )
        return said


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """Write texts below ``root``, by path; every folder is made."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
