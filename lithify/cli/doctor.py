"""``lithify doctor``."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from lithify.cache import open_cache
from lithify.cli.invocation import Invocation
from lithify.config import Settings
from lithify.deploy.machine import FIRMWARE, QEMU
from lithify.errors import LithifyError
from lithify.process import find_program
from lithify.staging.methods import choose
from lithify.staging.namespace import Requirement, enter, requirements

MIB = 1 << 20
NEEDED = (
    ("bwrap", "bubblewrap", "the sandbox", True),
    ("git", "git", "git sources", True),
    ("tar", "tar", "sources", True),
    ("patch", "patch", "patches", True),
    ("apt-get", "apt", "Debian sources and the lock", False),
    ("mkfs.ext4", "e2fsprogs", "images", False),
    ("mkfs.vfat", "dosfstools", "images", False),
    ("mcopy", "mtools", "images", False),
    ("sfdisk", "fdisk", "images", False),
    (QEMU, "qemu-system-x86", "booting images", False),
)
"""(program, Debian package, what for, whether builds cannot do without)."""


def command(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Say what this machine can do, and for what is missing the command that mends it. 0 if builds can run.

    \b
    Examples:
      lithify doctor
      lithify doctor --json
    """
    vital, useful = examine(ctx.obj)
    if as_json:
        rows = [{**asdict(item), "vital": True} for item in vital] + [
            {**asdict(item), "vital": False} for item in useful
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        sys.stdout.write("".join(_lines(item) for item in (*vital, *useful)))
        ready = all(item.met for item in vital)
        sys.stdout.write("\nbuilds can run here\n" if ready else "\nbuilds cannot run here yet\n")
    raise typer.Exit(0 if all(item.met for item in vital) else 1)


def examine(invocation: Invocation) -> tuple[list[Requirement], list[Requirement]]:
    """Return what builds need and what is useful beside, each as found on this machine; enters the namespace."""
    vital = list(requirements())
    useful: list[Requirement] = []
    for program, package, purpose, needed in NEEDED:
        found = find_program(program)
        item = Requirement(
            name=program,
            met=found is not None,
            detail=f"{found or 'not installed'} (for {purpose})",
            mend=f"sudo apt-get install -y {package}",
        )
        (vital if needed else useful).append(item)
    firmware = any(code.exists() and variables.exists() for code, variables in FIRMWARE)
    useful.append(
        Requirement(
            name="UEFI firmware",
            met=firmware,
            detail="OVMF is installed" if firmware else "not installed (for booting images)",
            mend="sudo apt-get install -y ovmf",
        )
    )
    kvm = os.access("/dev/kvm", os.R_OK | os.W_OK)
    useful.append(
        Requirement(
            name="KVM",
            met=kvm,
            detail="/dev/kvm may be used; `lithify boot --probe` tries it"
            if kvm
            else "no access: QEMU emulates",
            mend="sudo usermod -aG kvm $USER",
        )
    )
    vital.append(_space(invocation.settings))
    if all(item.met for item in vital):
        vital.append(_staging(invocation.settings))
    return vital, useful


def _space(settings: Settings) -> Requirement:
    folder = settings.cachedir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Requirement(
        name="free space",
        met=free >= settings.cachedir_min_space,
        detail=f"{free // MIB} MiB for the cache {settings.cachedir}",
        mend="lithify gc, or --cachedir on another file system",
    )


def _staging(settings: Settings) -> Requirement:
    """Try it all: the cache, the namespace, and a whole mount."""
    try:
        cache = open_cache(settings.cachedir)
        enter()
        method = choose(cache, settings.staging_method)
    except LithifyError as error:
        return Requirement(name="staging", met=False, detail=error.message, mend="; ".join(error.hints))
    return Requirement(name="staging", met=True, detail=method.describe())


def _lines(item: Requirement) -> str:
    mark = "ok     " if item.met else "MISSING"
    text = f"{mark}  {item.name}: {item.detail}\n"
    return text if item.met or not item.mend else f"{text}         mend: {item.mend}\n"
