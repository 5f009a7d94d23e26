"""``lithify boot``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from lithify.deploy.machine import (
    MachinePlan,
    command_line,
    firmware_in,
    free_port,
    is_gpt_image,
    kvm_works,
    need_qemu,
    run_on_terminal,
)
from lithify.errors import LithifyError, UsageError


def command(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(help="a disk image that `deploy` made")],
    ssh: Annotated[
        bool, typer.Option("--ssh", help="lead a free port of this machine to the system's port 22")
    ] = False,
    kvm: Annotated[bool, typer.Option("--kvm", help="use the processor's virtualisation")] = False,
    probe: Annotated[bool, typer.Option("--probe", help="use it where a trial shows that it works")] = False,
    memory: Annotated[int, typer.Option("--memory", help="MiB of the machine")] = 512,
    keep: Annotated[bool, typer.Option("--keep", help="keep what the machine writes in the image")] = False,
) -> None:
    """Start a disk image in QEMU by its own boot loader; its serial console is this terminal.

    What the machine writes is thrown away when it ends, unless --keep is given. The exit status is QEMU's.

    \b
    Examples:
      lithify boot demo.img
      lithify boot demo.img --ssh
      lithify boot demo.img --kvm --memory 2048
    """
    path = ctx.obj.cwd / image
    if not path.is_file():
        raise LithifyError(f"there is no image {image}", hints=["`lithify deploy CLUSTER` makes it"])
    need_qemu()
    if not is_gpt_image(path):
        raise UsageError(f"{image} is no disk image with a partition table (GPT)")
    with tempfile.TemporaryDirectory(prefix="lithify-boot-") as scratch:
        port = free_port() if ssh else None
        plan = MachinePlan(
            image=path, memory=memory, ssh_port=port, firmware=firmware_in(Path(scratch)), writable=keep
        )
        if kvm or (probe and kvm_works(_with_kvm(plan, None))):
            plan = _with_kvm(plan, port)
        if port is not None:
            sys.stderr.write(
                f"to log in: ssh -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1\n"
            )
            sys.stderr.flush()
        status = run_on_terminal(command_line(plan))
    raise typer.Exit(status)


def _with_kvm(plan: MachinePlan, port: int | None) -> MachinePlan:
    return MachinePlan(
        image=plan.image,
        memory=plan.memory,
        ssh_port=port,
        firmware=plan.firmware,
        writable=plan.writable,
        accelerator="kvm",
    )
