"""The EFI system partition: FAT32 with systemd-boot, a kernel and one boot entry, the same bytes each time."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from lithify.deploy.order import fixed_environment, no_room
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.process import ProgramFailed, run

BOOT_LOADER = "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
"""Where a system holds systemd-boot (Debian's package systemd-boot-efi)."""
REMOVABLE_PATH = "EFI/BOOT/BOOTX64.EFI"
"""What firmware starts without having been told of it."""
ENTRY = "lithify.conf"
"""The boot entry's file: a fixed name, since a system's may hold what FAT cannot."""


def boot_files(title: str, kernel: str, arguments: str) -> dict[str, bytes]:
    """Return the boot loader's configuration by path (Boot Loader Specification, type 1)."""
    entry = f"title {title}\nlinux /{kernel}\noptions {arguments}\n"
    return {
        "loader/loader.conf": f"default {ENTRY}\ntimeout 0\n".encode(),
        f"loader/entries/{ENTRY}": entry.encode(),
    }


def write_esp(
    image: Path, sources: Mapping[str, Path | bytes], *, size: int, volume_id: str, scratch: Path
) -> None:
    """Make ``image`` a FAT32 file system of ``size`` bytes that holds ``sources`` (path → file or bytes)."""
    with image.open("wb") as file:
        file.truncate(size)
    environment = fixed_environment()
    try:
        run(
            ["mkfs.vfat", "--invariant", "-i", volume_id, "-F", "32", "-n", "ESP", str(image)],
            env=environment,
        )
        folders = sorted(
            {str(parent) for path in sources for parent in Path(path).parents if str(parent) != "."}
        )
        if folders:
            run(["mmd", "-i", str(image), *(f"::{folder}" for folder in folders)], env=environment)
        for number, (path, source) in enumerate(sorted(sources.items())):
            held = scratch / f"esp-{number}"
            if isinstance(source, bytes):
                held.write_bytes(source)
            else:
                shutil.copyfile(source, held)
            os.utime(held, (SOURCE_DATE_EPOCH, SOURCE_DATE_EPOCH))  # mcopy -m keeps it; FAT has no 1970
            run(["mcopy", "-m", "-i", str(image), str(held), f"::{path}"], env=environment)
            held.unlink()
    except ProgramFailed as error:
        raise no_room(scratch, error.completed.stderr) or error from error


def read_esp(disk: Path, offset: int, path: str) -> bytes:
    """Return a file of the ESP that begins at ``offset`` of a disk image; raises :class:`ProgramFailed` where it has none."""
    return run(["mtype", "-i", f"{disk}@@{offset}", f"::{path}"], env=fixed_environment()).stdout


def parse_entry(text: str) -> tuple[str, str]:
    """Return the kernel's path on the ESP and the command line that a boot entry names."""
    found = dict(re.findall(r"^(linux|options)[ \t]+(.*)$", text, re.MULTILINE))
    return str(found.get("linux", "")).lstrip("/"), str(found.get("options", ""))
