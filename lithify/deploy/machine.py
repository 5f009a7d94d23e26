"""A disk image is started in QEMU: emulated by default, since an accelerator that is there may still not work.

``/dev/kvm`` proves nothing: some hosts have one with which QEMU starts and then hangs. KVM is used when asked for, or after a
probe has seen a machine run with it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lithify.errors import DeployError, HostError
from lithify.process import find_program, start, tool_environment

QEMU = "qemu-system-x86_64"
FIRMWARE = (
    (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")),
    (Path("/usr/share/OVMF/OVMF_CODE.fd"), Path("/usr/share/OVMF/OVMF_VARS.fd")),
)
PROBE_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlan:
    """How a machine is started."""

    image: Path
    memory: int = 512
    """MiB."""
    processors: int = 1
    accelerator: str = "tcg"
    ssh_port: int | None = None
    """Port of this host that leads to the machine's port 22."""
    firmware: tuple[Path, Path] | None = None
    """Code, and a writable copy of the variables."""
    kernel: Path | None = None
    """Started directly, with ``arguments``, instead of by firmware: three times as fast."""
    arguments: str = ""
    writable: bool = False
    """Keep what the machine writes; without it the image stays as it is."""


def command_line(plan: MachinePlan) -> list[str]:
    """Return QEMU's command line. Pure."""
    argv = [QEMU, "-machine", "q35", "-m", str(plan.memory), "-smp", str(plan.processors), "-nodefaults"]
    argv += ["-display", "none", "-serial", "stdio", "-no-reboot", "-accel", plan.accelerator]
    if plan.accelerator == "kvm":
        argv += ["-cpu", "host"]
    if plan.kernel is not None:
        argv += ["-kernel", str(plan.kernel), "-append", plan.arguments]
    elif plan.firmware is not None:
        code, variables = plan.firmware
        argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={_escaped(code)}"]
        argv += ["-drive", f"if=pflash,format=raw,file={_escaped(variables)}"]
    snapshot = "" if plan.writable else ",snapshot=on"
    argv += ["-drive", f"file={_escaped(plan.image)},format=raw,if=none,id=disk{snapshot}"]
    argv += ["-device", "nvme,drive=disk,serial=lithify"]
    forward = f",hostfwd=tcp:127.0.0.1:{plan.ssh_port}-:22" if plan.ssh_port else ""
    return [*argv, "-netdev", f"user,id=net{forward}", "-device", "virtio-net-pci,netdev=net,romfile="]


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def need_qemu() -> None:
    """Raise :class:`HostError` where QEMU is not installed."""
    if find_program(QEMU) is None:
        raise HostError(
            f"QEMU ({QEMU}) is not installed", hints=["sudo apt-get install -y qemu-system-x86 ovmf"]
        )


def firmware_in(scratch: Path) -> tuple[Path, Path]:
    """Return UEFI firmware with a writable copy of its variables in ``scratch``; raises :class:`HostError` without OVMF."""
    for code, variables in FIRMWARE:
        if code.exists() and variables.exists():
            own = scratch / "variables.fd"
            shutil.copyfile(variables, own)
            return code, own
    raise HostError("the UEFI firmware OVMF is not installed", hints=["sudo apt-get install -y ovmf"])


def is_gpt_image(image: Path) -> bool:
    """Return whether a file begins as a disk with a GPT does."""
    with image.open("rb") as file:
        return file.read(520)[512:520] == b"EFI PART"


class Machine:
    """A running machine whose console is a pipe; used as a context manager, which ends it."""

    def __init__(self, plan: MachinePlan) -> None:
        need_qemu()
        self._child = start(
            command_line(plan), env=tool_environment(), stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        self.console = b""

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def wait_for(self, pattern: bytes, seconds: float) -> re.Match[bytes]:
        """Read the console until a pattern is in it and return the match; raises :class:`DeployError` after ``seconds``."""
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        os.set_blocking(descriptor, False)
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.console)
            if found is not None:
                return found
            if time.monotonic() > end:
                raise DeployError(
                    f"the machine did not say {pattern!r} within {seconds:g} s", hints=self._last_lines()
                )
            try:
                data = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            if not data:
                raise DeployError("the machine ended by itself", hints=self._last_lines())
            self.console += data

    def wait(self, seconds: float) -> int:
        """Wait for the machine to switch itself off and return QEMU's status."""
        return self._child.wait(seconds)

    def _last_lines(self) -> list[str]:
        return self.console.decode(errors="replace").splitlines()[-15:]


def kvm_works(plan: MachinePlan) -> bool:
    """Return whether a machine runs with KVM here: it is started, and must print something within seconds."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    try:
        with Machine(plan) as machine:
            machine.wait_for(rb"[^\x00]", PROBE_SECONDS)
    except (DeployError, HostError):
        return False
    return True


def run_on_terminal(argv: Sequence[str]) -> int:
    """Run a machine with its console on the caller's terminal and return QEMU's status."""
    with start(argv, env=tool_environment(), stdin=0, stdout=1, stderr=2) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # QEMU got it too, and ends by itself
