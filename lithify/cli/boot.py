"""``lithify boot``."""

from __future__ import annotations

import importlib
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from lithify.cli.invocation import Invocation
from lithify.deploy.machine import (
    MachinePlan,
    answers_ssh,
    command_line,
    firmware_in,
    free_port,
    is_gpt_image,
    kvm_works,
    need_qemu,
    run_on_terminal,
    with_kvm,
)
from lithify.errors import LithifyError, UsageError

LEAST_MEMORY = 32
"""MiB; the firmware does not start with less."""
_LOGIN = "ssh -p {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1"


def command(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="SYSTEM|IMAGE", help="a system that is built, or a disk image that `deploy` made"
        ),
    ],
    ssh: Annotated[
        bool, typer.Option("--ssh", help="lead a free port of this machine to the system's port 22")
    ] = False,
    kvm: Annotated[bool, typer.Option("--kvm", help="use the processor's virtualisation")] = False,
    probe: Annotated[bool, typer.Option("--probe", help="use it where a trial shows that it works")] = False,
    memory: Annotated[int, typer.Option("--memory", help="MiB of the machine")] = 512,
    keep: Annotated[bool, typer.Option("--keep", help="keep what the machine writes in the image")] = False,
) -> None:
    """Start a disk image in QEMU by its own boot loader; its serial console is this terminal.

    Of a system an image is made for the time of the machine, with the values that a deployment without any has. What the
    machine writes is thrown away when it ends, unless --keep is given. The exit status is QEMU's; 128 + N where signal N
    ended it.

    \b
    Examples:
      lithify boot demo.img
      lithify boot demo.img --ssh
      lithify boot systems/demo.morph
      lithify boot demo.img --kvm --memory 2048
    """
    if memory < LEAST_MEMORY:
        raise UsageError(f"--memory {memory}: a machine needs {LEAST_MEMORY} MiB or more")
    path = Path(ctx.obj.cwd / what)
    is_system = _means_a_system(path)
    if is_system and keep:
        raise UsageError("--keep is for an image", hints=["`lithify deploy CLUSTER` makes one"])
    need_qemu()
    if not is_system and not is_gpt_image(path):
        raise UsageError(f"{what} is no disk image with a partition table (GPT)")
    tempdir = ctx.obj.settings.tempdir
    if tempdir is not None:
        tempdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lithify-boot-", dir=tempdir) as scratch:
        image = _image_of(ctx.obj, what, Path(scratch)) if is_system else path
        port = free_port() if ssh else None
        plan = MachinePlan(
            image=image, memory=memory, ssh_port=port, firmware=firmware_in(Path(scratch)), writable=keep
        )
        if kvm or (probe and kvm_works(replace(plan, ssh_port=None))):
            plan = with_kvm(plan)
        status = _run(plan)
    raise typer.Exit(status)


def _means_a_system(path: Path) -> bool:
    """Return whether a name is no image's: there is no such file, or it is a definition."""
    return path.suffix == ".morph" or not path.is_file()


def _image_of(invocation: Invocation, what: str, folder: Path) -> Path:
    """Make a disk image of a system that is built; raises where there is none, or none can be made."""
    making: Any = importlib.import_module(
        "lithify.cli.image_of_system"
    )  # the store, which an image does without
    made: Path = making.image_of_system(invocation, what, folder)
    return made


def _run(plan: MachinePlan) -> int:
    """Run the machine and return the status to end with; how to log in is said at the start, and again once it can be done."""
    if plan.ssh_port is not None:
        login = f"to log in: {_LOGIN.format(plan.ssh_port)}"
        sys.stderr.write(f"{login}\n")
        sys.stderr.flush()
        threading.Thread(target=_say_when_it_answers, args=(plan.ssh_port, login), daemon=True).start()
    status = run_on_terminal(command_line(plan))
    if status < 0 and plan.accelerator == "kvm":
        raise LithifyError(
            f"QEMU was ended by signal {-status}",
            hints=[
                "without --kvm it emulates the processor; --probe uses KVM where a trial shows that it works"
            ],
        )
    return status if status >= 0 else 128 - status


def _say_when_it_answers(port: int, login: str) -> None:
    """Repeat how to log in below what firmware and kernel have said meanwhile; QEMU has the terminal in raw mode."""
    if answers_ssh(port):
        sys.stderr.write(f"\r\n{login}\r\n")
        sys.stderr.flush()
