"""Boots an image by UEFI firmware without any part of lithify, and talks to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

FIRMWARE = Path("/usr/share/OVMF")
UP = "lithify: system "
"""What init prints when all is started."""
PATIENCE = 300.0
"""Seconds that an emulated machine may take on a busy host; a quiet one needs ten."""


class Machine(Struct, frozen=True, kw_only=True):
    """A machine that has come up."""

    line: str
    """The line that init printed on the serial console."""
    ssh_port: int
    http_port: int

    def ssh(self, command: str) -> str:
        """Run a command as root in the machine and return what it printed."""
        options = (
            "BatchMode=yes",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        )
        argv = ["ssh", "-F", "none", "-p", str(self.ssh_port)]
        argv += [part for option in options for part in ("-o", option)]
        argv += ["-o", "ConnectTimeout=20", "root@127.0.0.1", command]
        return until(
            lambda: subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
        )

    def http(self, path: str) -> str:
        """Return a page of the machine's web server."""

        def get() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=20) as answer:
                return str(answer.read().decode())

        return until(get)


@contextmanager
def booted(image: Path, scratch: Path) -> Iterator[Machine]:
    """Start an image by its own boot loader, as any PC would, and yield it when its init has spoken."""
    variables = scratch / "variables.fd"
    shutil.copyfile(FIRMWARE / "OVMF_VARS_4M.fd", variables)
    console = scratch / "console"
    ssh_port, http_port = free_port(), free_port()
    argv = ["qemu-system-x86_64", "-machine", "q35", "-m", "512", "-nodefaults", "-display", "none"]
    argv += ["-accel", "tcg", "-no-reboot", "-serial", f"file:{console}"]
    argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE / 'OVMF_CODE_4M.fd'}"]
    argv += ["-drive", f"if=pflash,format=raw,file={variables}"]
    argv += ["-drive", f"file={image},format=raw,if=none,id=disk,snapshot=on"]
    argv += ["-device", "nvme,drive=disk,serial=test", "-device", "virtio-net-pci,netdev=net,romfile="]
    forwards = f"hostfwd=tcp:127.0.0.1:{ssh_port}-:22,hostfwd=tcp:127.0.0.1:{http_port}-:80"
    argv += ["-netdev", f"user,id=net,{forwards}"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as machine:
        try:
            yield Machine(line=_line(machine, console), ssh_port=ssh_port, http_port=http_port)
        finally:
            machine.kill()


def _line(machine: subprocess.Popen[bytes], console: Path) -> str:
    end = time.monotonic() + PATIENCE
    while True:
        text = console.read_text(errors="replace") if console.exists() else ""
        lines = [line for line in text.split("\n")[:-1] if line.startswith(UP)]
        if lines:
            return lines[0].rstrip("\r")
        assert machine.poll() is None, f"QEMU ended with {machine.returncode}:\n{text[-2000:]}"
        assert time.monotonic() < end, f"the machine did not come up:\n{text[-2000:]}"
        time.sleep(0.1)


def until(attempt: object) -> str:
    """Return what ``attempt`` returns; while the machine's servers start, it may fail."""
    assert callable(attempt)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return str(attempt())
        except (OSError, subprocess.SubprocessError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
