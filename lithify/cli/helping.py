"""Help, without importing any command: over all of them from the registry, of one from its file in ``texts/``."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from lithify.cli.registry import COMMANDS, PANELS, CommandEntry, find_entry

TEXTS = Path(__file__).with_name("texts")


def overview() -> str:
    """Return the help over all commands; made of the registry, so that no command's module is imported."""
    lines = [
        "Examples:",
        "  lithify build systems/demo.morph      build a system and everything below it",
        "  lithify deploy clusters/demo.morph    make its images",
        "  lithify boot demo.img                 start one in QEMU",
        "  lithify why zlib                      why is it built again?",
        "",
        "Usage: lithify [SETTINGS] COMMAND [ARGUMENTS]",
        "",
        "lithify turns declarative definitions into whole, bootable Linux systems.",
    ]
    width = max(len(entry.name) for entry in COMMANDS) + 2
    for panel in PANELS:
        rows = [f"  {entry.name:<{width}}{entry.summary}" for entry in COMMANDS if entry.panel == panel]
        lines += ["", f"{panel}:", *rows] if rows else []
    lines += [
        "",
        "`lithify COMMAND --help` shows one command, `lithify show-config` all settings;",
        "each setting is an option too. -C FOLDER starts there, --version says which",
        "lithify this is.",
        "",
    ]
    return "\n".join(lines)


def help_text(entry: CommandEntry) -> str:
    """Return the help of one command: as it was written down, or made now where it was not."""
    try:
        return (TEXTS / f"{entry.name}.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return str(importlib.import_module("lithify.cli.help_texts").made_help(entry))


def known_help(topics: Sequence[str]) -> str | None:
    """Return what ``lithify help TOPIC`` prints where that needs no definitions and no extension: of all, or of one command."""
    if not topics:
        return overview()
    entry = find_entry(topics[0]) if len(topics) == 1 else None
    return help_text(entry) if entry else None
