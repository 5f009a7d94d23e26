"""Settings stand anywhere on the command line: they are split off before a command sees its own arguments. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lithify.config import SETTING_NAMES, is_flag
from lithify.errors import UsageError

_SHORT = {"-j": "jobs", "-v": "verbose", "-q": "quiet", "-d": "debug"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A command line, divided."""

    rest: tuple[str, ...]
    """The command and its own arguments."""
    settings: dict[str, list[str]]
    config_files: tuple[str, ...] = ()
    no_default_configs: bool = False
    directory: str = ""
    version: bool = False


def split_arguments(arguments: Sequence[str]) -> Split:
    """Return the settings of a command line and what is left; what follows ``--`` is left alone.

    Raises :class:`UsageError` where an option lacks its value.
    """
    rest: list[str] = []
    settings: dict[str, list[str]] = {}
    configs: list[str] = []
    no_defaults, version, directory = False, False, ""
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            rest += [argument, *waiting]
            break
        name, equals, value = argument.partition("=")
        key = _SHORT.get(name) or (name[2:] if name.startswith("--") else "")
        if name.startswith("-j") and name[2:].isdigit():
            settings.setdefault("jobs", []).append(name[2:])
        elif argument == "--version" and not rest:
            version = True
        elif argument == "--no-default-configs":
            no_defaults = True
        elif name in ("-C", "--config"):
            value = value if equals else _value(argument, waiting)
            if name == "-C":
                directory = value
            else:
                configs.append(value)
        elif key in SETTING_NAMES and not (rest and key == "partial"):
            if is_flag(key):
                settings.setdefault(key, []).append(value if equals else "yes")
            else:
                settings.setdefault(key, []).append(value if equals else _value(argument, waiting))
        elif key.startswith("no-") and key[3:] in SETTING_NAMES and is_flag(key[3:]):
            settings.setdefault(key[3:], []).append("no")
        else:
            rest.append(argument)
    return Split(
        rest=tuple(rest),
        settings=settings,
        config_files=tuple(configs),
        no_default_configs=no_defaults,
        directory=directory,
        version=version,
    )


def _value(option: str, waiting: list[str]) -> str:
    if not waiting:
        raise UsageError(f"{option} needs a value")
    return waiting.pop(0)
