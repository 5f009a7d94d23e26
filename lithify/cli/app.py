"""From arguments to an exit status: settings are split off, the command's module is imported, its function is called.

Statuses: 0 done, 1 failed, 2 wrong use, 130 interrupted. Never a traceback for anything that a user can cause.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lithify import __version__
from lithify.cli.options import Split, split_arguments
from lithify.cli.registry import COMMANDS, PANELS, CommandEntry
from lithify.cli.render import error_text
from lithify.config import (
    LITHIFY_FILES,
    MORPH_FILES,
    Layer,
    Settings,
    default_settings,
    read_environment,
    read_file,
    settings_of,
)
from lithify.errors import LithifyError, UsageError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What every command gets: where it was started, and the settings in force."""

    cwd: Path
    environment: Mapping[str, str]
    settings: Settings


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command line and return its exit status; the only place that catches everything."""
    try:
        return _dispatch(arguments, environment)
    except LithifyError as error:
        _say(error_text(error))
        return error.exit_status
    except KeyboardInterrupt:
        _say("ERROR: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read us has gone; nothing is left to say
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"ERROR: {where}{error.strerror or error}")
        return FAILED


def _dispatch(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    split = split_arguments(arguments)
    if split.version:
        sys.stdout.write(f"lithify {__version__}\n")
        return DONE
    if not split.rest or split.rest[0] in ("--help", "-h"):
        sys.stdout.write(overview())
        return DONE if arguments else WRONG_USE
    name, *rest = split.rest
    entry = find_command(name)
    cwd = Path(split.directory or ".").absolute()
    if not cwd.is_dir():
        raise UsageError(f"-C {split.directory}: no such folder")
    settings, warnings = _settings(split, environment)
    for warning in warnings:
        _say(f"warning: {warning}")
    return _call(entry, rest, Invocation(cwd=cwd, environment=environment, settings=settings))


def find_command(name: str) -> CommandEntry:
    """Return a command by its name or morph's spelling of it; raises :class:`UsageError` with the nearest names."""
    for entry in COMMANDS:
        if name == entry.name or name in entry.aliases:
            return entry
    close = difflib.get_close_matches(name, [entry.name for entry in COMMANDS], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`lithify help` lists all commands"
    raise UsageError(f"unknown command {name}", hints=[hint])


def _call(entry: CommandEntry, arguments: Sequence[str], invocation: Invocation) -> int:
    """Import the command's module and call its function with what Typer makes of the arguments."""
    import typer
    from typer.main import get_command

    module = importlib.import_module(f"lithify.cli.{entry.module}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(entry.name)(module.command)
    program = get_command(app)
    try:
        status = program.main(
            args=list(arguments), prog_name=f"lithify {entry.name}", obj=invocation, standalone_mode=False
        )
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:  # Typer's own errors have no public base class in all its versions
        if not hasattr(error, "format_message"):
            raise
        _say(f"ERROR: {error.format_message()}\nhint: `lithify {entry.name} --help` shows how it is used")
        return WRONG_USE
    return int(status or DONE)


def _settings(split: Split, environment: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    layers: list[Layer] = []
    patterns = () if split.no_default_configs else (*MORPH_FILES, *LITHIFY_FILES)
    found = [path for pattern in patterns for path in _files(pattern, environment)]
    for path in (*found, *map(Path, split.config_files)):
        try:
            layers.append(read_file(path.read_text(encoding="utf-8", errors="replace"), str(path)))
        except (FileNotFoundError, NotADirectoryError):
            continue
    layers += [read_environment(environment), Layer(origin="option", values=split.settings)]
    processors = len(os.sched_getaffinity(0))
    return settings_of(
        layers, defaults=default_settings(environment, root=os.geteuid() == 0, processors=processors)
    )


def _files(pattern: str, environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("HOME")
    if pattern.startswith("~"):
        if not home:
            return []
        pattern = home + pattern[1:]
    path = Path(pattern)
    return sorted(path.parent.glob(path.name)) if "*" in path.name else [path]


def overview() -> str:
    """Return the help over all commands; made of the registry, so that no command's module is imported."""
    lines = [
        "lithify turns declarative definitions into whole, bootable Linux systems.",
        "",
        "Examples:",
        "  lithify build systems/demo.morph        build a system and everything below it",
        "  lithify deploy clusters/demo.morph      make its images",
        "  lithify why zlib                        why is it rebuilt?",
        "",
        "Usage: lithify [SETTINGS] COMMAND [ARGUMENTS]",
    ]
    width = max(len(entry.name) for entry in COMMANDS) + 2
    for panel in PANELS:
        lines += ["", f"{panel}:"]
        lines += [f"  {e.name:<{width}}{e.summary}" for e in COMMANDS if e.panel == panel]
    lines += [
        "",
        "`lithify COMMAND --help` shows one command. Every setting is an option too (`lithify show-config`).",
        "-C FOLDER starts there, --version says which lithify this is.",
        "",
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text.rstrip("\n") + "\n")
