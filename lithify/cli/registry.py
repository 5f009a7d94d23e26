"""Every command, by name: where it lives and what it is for, in one line. Modules are imported when they are used."""

from __future__ import annotations

from dataclasses import dataclass

PANELS = ("Build and deploy", "Look", "Definitions and sources", "Machine")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """One command of the program."""

    name: str
    module: str
    """Below ``lithify.cli``; holds a function ``command``."""
    summary: str
    panel: str
    aliases: tuple[str, ...] = ()
    """morph's spellings."""


COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        name="build",
        module="build",
        panel=PANELS[0],
        summary="build a system, or some of its chunks and strata",
    ),
    CommandEntry(
        name="deploy",
        module="deploy",
        panel=PANELS[0],
        summary="make the images, tar files and folders of a cluster",
    ),
    CommandEntry(name="boot", module="boot", panel=PANELS[0], summary="start a disk image in QEMU"),
    CommandEntry(
        name="lock",
        module="lock",
        panel=PANELS[2],
        summary="pin what is not pinned yet, or move pins to the newest",
    ),
)
