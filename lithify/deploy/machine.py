"""A disk image is started in QEMU: emulated by default, since an accelerator that is there may still not work.

``/dev/kvm`` proves nothing: some hosts have one with which QEMU starts and then hangs. KVM is used when asked for, or after a
probe has seen a machine run with it.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from lithify.deploy.esp import ENTRY, parse_entry, read_esp
from lithify.deploy.layout import FIRST
from lithify.errors import DeployError, HostError
from lithify.process import ProgramFailed, find_program, start, tool_environment

QEMU = "qemu-system-x86_64"
FIRMWARE = (
    (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")),
    (Path("/usr/share/OVMF/OVMF_CODE.fd"), Path("/usr/share/OVMF/OVMF_VARS.fd")),
)
PROBE_SECONDS = 15.0
SSH_SECONDS = 2.0
"""How long a machine may take to say that an SSH server is there, before it is asked again."""
ALIVE = rb"BdsDxe: (loading|starting)|Linux version"
"""What firmware or a kernel says on the console of a machine that runs; QEMU's own complaints come to the same pipe."""


class MachinePlan(Struct, frozen=True, kw_only=True):
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


def answers_ssh(port: int, *, seconds: float = 300.0) -> bool:
    """Return whether an SSH server answers at a port of 127.0.0.1; waits for it that long. QEMU takes every connection."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=SSH_SECONDS) as connection,
        ):
            if connection.recv(4) == b"SSH-":
                return True
        time.sleep(SSH_SECONDS / 4)
    return False


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
    """A running machine whose console is a pipe; used as a context manager, which ends it.

    ``record`` is a file that gets all of the console as it comes. Raises :class:`HostError` without QEMU.
    """

    def __init__(self, plan: MachinePlan, *, record: IO[bytes] | None = None) -> None:
        need_qemu()
        self._child = start(
            command_line(plan), env=tool_environment(), stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        self._record = record
        self.console = bytearray()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def wait_for(self, pattern: bytes, seconds: float) -> re.Match[bytes]:
        """Read the console until a pattern is in it and return the match.

        Raises :class:`DeployError`, with the last lines, after ``seconds`` or when the machine ends before.
        """
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, bytes(self.console))
            if found is not None:
                return found
            if not self._read(end):
                late = time.monotonic() >= end
                how = f"within {seconds:g} s" if late else "before it ended"
                raise DeployError(f"the machine did not say {pattern!r} {how}", hints=self._last_lines())

    def wait(self, seconds: float) -> int:
        """Wait for the machine to switch itself off and return QEMU's status; raises :class:`DeployError` after ``seconds``."""
        end = time.monotonic() + seconds
        while self._read(end):
            pass  # a machine whose console nobody reads stands still
        try:
            return self._child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise DeployError(
                f"the machine did not switch itself off within {seconds:g} s", hints=self._last_lines()
            ) from error

    def _read(self, end: float) -> bool:
        """Read what the console says next; False at its end, or when ``end`` has come."""
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        data = os.read(descriptor, 1 << 16)
        self.console += data
        if self._record is not None:
            self._record.write(data)
        return bool(data)

    def _last_lines(self) -> list[str]:
        return self.console.decode(errors="replace").splitlines()[-15:]


def with_kvm(plan: MachinePlan) -> MachinePlan:
    """Return the same machine on the processor's own virtualisation."""
    return replace(plan, accelerator="kvm")


def kvm_works(plan: MachinePlan) -> bool:
    """Return whether a machine runs with KVM here: a copy of it is started, and must speak within seconds.

    The image is left as it is.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with tempfile.TemporaryDirectory(prefix="lithify-probe-") as scratch:
        trial = replace(with_kvm(plan), writable=False, ssh_port=None)
        if trial.firmware is not None:
            trial = replace(trial, firmware=firmware_in(Path(scratch)))
        try:
            with Machine(trial) as machine:
                machine.wait_for(ALIVE, PROBE_SECONDS)
        except DeployError:
            return False
    return True


def directly_booted(plan: MachinePlan, scratch: Path) -> MachinePlan:
    """Return the same machine with its kernel started by QEMU: without firmware and boot loader, three times as fast.

    Kernel and command line come from the image's own boot entry. Raises :class:`DeployError` for an image without one.
    """
    try:
        path, arguments = parse_entry(read_esp(plan.image, FIRST, f"loader/entries/{ENTRY}").decode())
        kernel = scratch / "kernel"
        kernel.write_bytes(read_esp(plan.image, FIRST, path))
    except ProgramFailed as error:
        raise DeployError(
            f"{plan.image} has no boot entry of lithify's", hints=[error.message, "boot it by firmware"]
        ) from error
    return replace(plan, firmware=None, kernel=kernel, arguments=arguments)


def run_on_terminal(argv: Sequence[str]) -> int:
    """Run a machine with its console on the caller's terminal and return QEMU's status."""
    with start(argv, env=tool_environment(), stdin=0, stdout=1, stderr=2) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # QEMU got it too, and ends by itself
