"""``lithify doctor``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from msgspec.structs import asdict

from lithify.cache import open_cache
from lithify.cli.space import rooms
from lithify.config import Settings
from lithify.deploy.machine import FIRMWARE, QEMU
from lithify.errors import HostError, LithifyError
from lithify.process import find_program
from lithify.staging.confined import confined
from lithify.staging.limits import describe_limits
from lithify.staging.methods import choose
from lithify.staging.namespace import Requirement, enter, requirements
from lithify.staging.weaknesses import weaknesses
from lithify.store.gobject import BINDINGS, load

VITAL = (
    ("bwrap", "bubblewrap", "the sandbox"),
    ("git", "git", "git sources"),
    ("tar", "tar", "archives"),
    ("patch", "patch", "patches"),
)
"""(program, Debian package, what for) of what builds cannot do without."""
USEFUL = (
    ("apt-get", "apt", "pinning Debian packages"),
    ("dpkg-deb", "dpkg", "Debian packages"),
    ("fuse-overlayfs", "fuse-overlayfs", "staging where the kernel's overlayfs is refused"),
    ("mkfs.ext4", "e2fsprogs", "disk images"),
    ("debugfs", "e2fsprogs", "disk images"),
    ("mkfs.vfat", "dosfstools", "disk images"),
    ("mcopy", "mtools", "disk images"),
    ("sfdisk", "fdisk", "disk images"),
    (QEMU, "qemu-system-x86", "booting images"),
    ("ssh", "openssh-client", "logging in to what was booted"),
    ("dot", "graphviz", "`graph --format svg`"),
    ("ostree", "ostree", "`lithify ostree`"),
    ("gpg", "gnupg", "signing builds with GPG keys"),
    ("openssl", "openssl", "signing builds with ed25519 keys"),
    ("diffoscope", "diffoscope-minimal", "`build --check`: what differs in a file"),
)


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
    vital, useful = examine(ctx.obj.settings)
    ready = all(item.met for item in vital)
    if as_json:
        rows = [{**asdict(item), "vital": item in vital} for item in (*vital, *useful)]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        sys.stdout.write(as_text(vital, useful))
    raise typer.Exit(0 if ready else 1)


def as_text(vital: Sequence[Requirement], useful: Sequence[Requirement]) -> str:
    """Return what was found, a line each, and what it comes to."""
    lines = [*_lines(vital, "MISSING"), *_lines(useful, "without"), ""]
    missing = [item.name for item in vital if not item.met]
    return "\n".join(
        [*lines, f"builds cannot run here: {', '.join(missing)}" if missing else "builds can run here", ""]
    )


def examine(settings: Settings) -> tuple[list[Requirement], list[Requirement]]:
    """Return what builds need and what is useful beside, each as found on this machine; enters the namespace."""
    vital = [*requirements(), *(_program(*row) for row in VITAL), _bindings()]
    vital += [
        Requirement(name=f"space ({room.name})", met=room.is_enough, detail=room.detail, mend=room.mend)
        for room in rooms(settings)
    ]
    if all(item.met for item in vital):
        vital += _trials(settings)
    return vital, [*(_program(*row) for row in USEFUL), _firmware(), _kvm()]


def _program(program: str, package: str, purpose: str) -> Requirement:
    found = find_program(program)
    return Requirement(
        name=program,
        met=found is not None,
        detail=found or f"not installed, for {purpose}",
        mend="" if found else f"sudo apt-get install -y {package}",
    )


def _bindings() -> Requirement:
    try:
        load()
    except HostError as error:
        detail = str(error.__cause__)
        return Requirement(name="libostree for Python", met=False, detail=detail, mend=BINDINGS)
    return Requirement(name="libostree for Python", met=True, detail="installed")


def _trials(settings: Settings) -> list[Requirement]:
    """Try it all: the cache folder, the namespace, a whole mount, the sandbox."""
    try:
        cache = open_cache(settings.cachedir)
    except LithifyError as error:
        return [Requirement(name="cachedir", met=False, detail=error.message, mend="; ".join(error.hints))]
    try:
        enter()
        method = choose(cache, settings.staging_method)
        staging = Requirement(name="staging", met=True, detail=method.describe())
    except LithifyError as error:
        return [Requirement(name="staging", met=False, detail=error.message, mend="; ".join(error.hints))]
    try:
        confined(["true"])
    except LithifyError as error:
        return [
            staging,
            Requirement(name="sandbox", met=False, detail=error.message, mend="; ".join(error.hints)),
        ]
    strength = "; ".join(
        [describe_limits(), *(f"weaker: {text}" for text in weaknesses(memory_limit=settings.memory_limit))]
    )
    return [staging, Requirement(name="sandbox", met=True, detail=f"a command ran in it; {strength}")]


def _firmware() -> Requirement:
    found = any(code.exists() and variables.exists() for code, variables in FIRMWARE)
    return Requirement(
        name="UEFI firmware",
        met=found,
        detail="OVMF is installed" if found else "not installed, for booting images",
        mend="" if found else "sudo apt-get install -y ovmf",
    )


def _kvm() -> Requirement:
    name = "KVM"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Requirement(
            name=name, met=True, detail="/dev/kvm may be used; `lithify boot --probe` tries it"
        )
    if not os.path.exists("/dev/kvm"):
        return Requirement(
            name=name, met=False, detail="this machine has none: QEMU emulates, which is slower"
        )
    return Requirement(
        name=name,
        met=False,
        detail="/dev/kvm may not be used: QEMU emulates",
        mend='sudo usermod -aG kvm "$USER"',
    )


def _lines(items: Sequence[Requirement], missing: str) -> list[str]:
    lines = []
    for item in items:
        lines.append(f"{'ok' if item.met else missing:<9}{item.name}: {item.detail}")
        if not item.met and item.mend:
            lines.append(f"{'':<9}  mend: {item.mend}")
    return lines
