"""Layers to test with: one static shell, and little else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BUSYBOX = Path("/bin/busybox")


def need_static_shell() -> None:
    """Skip the test where the machine has no static busybox (package busybox-static)."""
    if (
        not BUSYBOX.exists()
        or b"statically" not in subprocess.run(["file", "-L", BUSYBOX], capture_output=True).stdout
    ):
        pytest.skip("no static busybox here (package busybox-static)")


def shell_layer(path: Path) -> Path:
    """Make a layer that holds nothing but one static ``/bin/sh``; its programs are built in."""
    (path / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, path / "bin" / "sh")
    (path / "bin" / "sh").chmod(0o755)
    return path
