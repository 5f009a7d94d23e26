"""A command's arguments, taken apart by Typer; its own errors become ours."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

import typer
from msgspec.structs import replace
from typer.main import get_command

from lithify.cli.invocation import Invocation
from lithify.cli.registry import CommandEntry
from lithify.cli.timing import spelled_out
from lithify.config import SETTING_NAMES
from lithify.definitions.nearest import nearest
from lithify.errors import UsageError


def parser_of(entry: CommandEntry) -> Any:
    """Return the command that parses arguments as the function in the command's module takes them."""
    module = importlib.import_module(f"lithify.cli.{entry.module}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(entry.name)(module.command)
    return get_command(app)


def call(entry: CommandEntry, arguments: Sequence[str], invocation: Invocation) -> int:
    """Call a command's function with its arguments and return the exit status.

    Raises :class:`UsageError` for wrong arguments, ``KeyboardInterrupt`` where the user stopped it.
    """
    program = parser_of(entry)
    own = ["--", *arguments] if entry.hands_on else spelled_out(arguments)
    if entry.takes_a_command and "--" in own:
        behind = own.index("--")
        own, invocation = own[:behind], replace(invocation, inner_command=tuple(own[behind + 1 :]))
    try:
        # not its `main`, in which Ctrl-C becomes an exit status like any other, and a broken pipe the end of all
        with program.make_context(f"lithify {entry.name}", own, obj=invocation) as context:
            status = program.invoke(context)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.Abort as stop:
        raise KeyboardInterrupt from stop
    except Exception as error:
        if not hasattr(error, "format_message"):  # Typer's own have no public base class in all its versions
            raise
        raise _wrong_use(entry, program, str(error.format_message())) from error
    return int(status or 0)


def _wrong_use(entry: CommandEntry, program: Any, said: str) -> UsageError:
    """Return our error for Typer's; an option that nobody knows comes with the nearest of the command's and of the settings."""
    hint = f"`lithify {entry.name} --help` shows how it is used"
    unknown = re.match(r"No such option: (--?)([^\s:]+)", said)
    if unknown is None:
        return UsageError(_our_words(said), hints=[hint])
    own = [option.lstrip("-") for parameter in program.params for option in parameter.opts]
    close = nearest(unknown[2], [*own, *SETTING_NAMES]) if unknown[1] == "--" else []
    hints = [f"did you mean --{' or --'.join(close)}?"] if close else []
    return UsageError(f"unknown option {unknown[1]}{unknown[2]}", hints=[*hints, hint])


_OUR_WORDS = (
    (re.compile(r"missing argument '(.*)'"), lambda found: f"missing argument {found[1].upper()}"),
    (
        re.compile(r"got unexpected extra arguments?(?:\(s\))? \((.*)\)"),
        lambda found: f"too many arguments: {found[1]}",
    ),
    (
        re.compile(r"invalid value for '(.*?)': .* is not a valid int.*"),
        lambda found: f"{found[1]} needs a number",
    ),
    (re.compile(r"option '(.*)' requires an argument"), lambda found: f"{found[1]} needs a value"),
)


def _our_words(text: str) -> str:
    """Return Typer's message as ours begin and end."""
    said = f"{text[:1].lower()}{text[1:]}".rstrip(".")
    for pattern, replaced in _OUR_WORDS:
        said = pattern.sub(replaced, said)
    return said
