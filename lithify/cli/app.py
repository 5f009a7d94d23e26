"""From arguments to an exit status: settings are split off, the command's module is imported, its function is called.

Statuses: 0 done, 1 failed, 2 wrong use, 130 interrupted. Never a traceback for anything that a user can cause. Nothing slow is
imported before it is needed: help and version import no command at all.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lithify import __version__
from lithify.cli.absent import ABSENT
from lithify.cli.helping import help_text, known_help, overview
from lithify.cli.invocation import Invocation
from lithify.cli.messages import Messages, wants_color
from lithify.cli.options import Split, split_arguments
from lithify.cli.registry import ASK, COMMANDS, CommandEntry, find_entry
from lithify.cli.render import error_text
from lithify.config import (
    LITHIFY_FILES,
    MORPH_FILES,
    SETTING_NAMES,
    Layer,
    Settings,
    default_settings,
    read_environment,
    read_file,
    settings_of,
)
from lithify.definitions.nearest import nearest
from lithify.errors import LithifyError, UsageError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command line and return its exit status; the only place that catches everything."""
    messages = Messages(sys.stderr, color=wants_color(sys.stderr, environment))
    try:
        status = _dispatch(arguments, environment, messages)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read us has gone; nothing is left to say
        return FAILED
    except KeyboardInterrupt:
        return _ended(messages, "ERROR: interrupted", INTERRUPTED)
    except LithifyError as error:
        return _ended(messages, error_text(error), error.exit_status)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _ended(messages, f"ERROR: {where}{error.strerror or error}", FAILED)
    except Exception as error:  # noqa: BLE001 a fault of lithify itself is still told in one line
        # seldom needed, and 2 ms of each start
        traceback = importlib.import_module("traceback")
        messages.note(traceback.format_exc())
        if "--debug" in arguments or "-d" in arguments:
            traceback.print_exc()
        text = f"ERROR: a fault in lithify: {type(error).__name__}: {error}\nhint: --debug shows where; please report it"
        return _ended(messages, text, FAILED)


def _ended(messages: Messages, text: str, status: int) -> int:
    """Say how it ended, after what the command itself has printed."""
    try:
        sys.stdout.flush()
    except OSError:
        # nobody reads it, or there is no room for it: what is left of it goes nowhere, at the exit too
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    messages.error(text)
    return status


def _dispatch(arguments: Sequence[str], environment: Mapping[str, str], messages: Messages) -> int:
    if arguments[:1] == [ASK]:
        sys.stdout.write(importlib.import_module("lithify.cli.shells").answer(arguments[1:], Path.cwd()))
        return DONE
    split = split_arguments(arguments)
    if split.version:
        sys.stdout.write(f"lithify {__version__}\n")
        return DONE
    if not split.rest:
        sys.stdout.write(overview())
        return DONE if split.help else WRONG_USE
    name, *rest = split.rest
    if name == "help-extensions":  # morph's spelling
        name, rest = "help", ["--extensions", *rest]
    entry = find_command(name)
    shown = help_text(entry) if split.help else known_help(rest) if name == "help" else None
    if shown is not None:
        sys.stdout.write(shown)
        return DONE
    cwd = Path(os.path.normpath(Path.cwd() / (split.directory or ".")))
    if not cwd.is_dir():
        raise UsageError(f"-C {split.directory}: no such folder")
    settings, warnings = _settings(split, environment, messages)
    _configure(messages, settings, cwd)
    for warning in warnings:
        say = messages.note if entry.prints_a_value else messages.warn
        say(f"warning: {warning}")
    invocation = Invocation(cwd=cwd, environment=environment, settings=settings, messages=messages)
    if entry.may_stand:
        standing = importlib.import_module("lithify.cli.standing").answer(rest, invocation)
        if standing.text is not None:
            sys.stdout.write(standing.text)
            return DONE
        if standing.mounted:
            with importlib.import_module("lithify.cli.looking").looking(
                invocation, standing.mounted
            ) as looked:
                return _call(entry, rest, looked)
    return _call(entry, rest, invocation)


def _call(entry: CommandEntry, arguments: Sequence[str], invocation: Invocation) -> int:
    parsing = importlib.import_module("lithify.cli.parsing")  # Typer, which help and version do without
    try:
        return int(parsing.call(entry, arguments, invocation))
    except OSError as error:
        cache = importlib.import_module("lithify.cache")
        known: LithifyError | None = cache.failure_within(error, invocation.settings.cachedir.absolute())
        if known is None:
            raise
        raise known from error


def find_command(name: str) -> CommandEntry:
    """Return a command by its name or morph's spelling of it; raises :class:`UsageError` with the nearest names."""
    entry = find_entry(name)
    if entry is not None:
        return entry
    if name.startswith("-"):
        close = nearest(name.lstrip("-").partition("=")[0], SETTING_NAMES)
        hint = (
            f"did you mean --{' or --'.join(close)}?" if close else "`lithify show-config` lists all settings"
        )
        raise UsageError(f"unknown option {name}", hints=[hint])
    if name in ABSENT:
        raise UsageError(f"there is no command {name}", hints=[ABSENT[name]])
    close = nearest(name, [other for entry in COMMANDS for other in (entry.name, *entry.aliases)])
    hint = f"did you mean {' or '.join(close)}?" if close else "`lithify help` lists all commands"
    raise UsageError(f"unknown command {name}", hints=[hint])


def _configure(messages: Messages, settings: Settings, cwd: Path) -> None:
    try:
        log = (
            open(cwd / settings.log, "a", encoding="utf-8", errors="backslashreplace")
            if settings.log
            else None
        )
    except OSError as error:
        raise UsageError(f"--log {settings.log}: {error.strerror}") from error
    messages.configure(quiet=settings.quiet, log=log)


def _settings(
    split: Split, environment: Mapping[str, str], messages: Messages
) -> tuple[Settings, tuple[str, ...]]:
    layers: list[Layer] = []
    patterns = () if split.no_default_configs else (*MORPH_FILES, *LITHIFY_FILES)
    found = [path for pattern in patterns for path in _files(pattern, environment)]
    named = [Path(name) for name in split.config_files]
    for path in (*found, *named):
        try:
            layers.append(read_file(path.read_text(encoding="utf-8-sig", errors="replace"), str(path)))
        except (FileNotFoundError, NotADirectoryError):
            if path in named:
                messages.note(f"--config {path}: there is no such file")
    layers += [read_environment(environment), Layer(origin="option", values=split.settings)]
    processors = len(os.sched_getaffinity(0))
    defaults = default_settings(environment, root=os.geteuid() == 0, processors=processors)
    return settings_of(layers, defaults=defaults, home=environment.get("HOME", ""))


def _files(pattern: str, environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("HOME")
    if pattern.startswith("~"):
        if not home:
            return []
        pattern = home + pattern[1:]
    path = Path(pattern)
    return sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
