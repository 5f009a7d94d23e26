"""Settings stand anywhere on the command line: they are split off before a command sees its own arguments. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from lithify.cli.registry import find_entry
from lithify.config import MORPH_FLAGS, MORPH_ONLY, SETTING_NAMES, is_flag, setting_name
from lithify.errors import UsageError

_SHORT = {"-j": "jobs", "-v": "verbose", "-q": "quiet", "-d": "debug"}
_COMMANDS_OWN = frozenset({"output", "upgrade", "check-license", "repo", "ref", "help", "help-all"})
"""Keys of morph's files that are options of single commands here."""


_WORDS = frozenset({"yes", "no", "true", "false", "on", "off"})
"""What may follow the option of a boolean; 0 and 1 are arguments of commands too, and need ``--KEY=1``."""


class Split(Struct, kw_only=True):
    """A command line, divided."""

    rest: list[str] = field(default_factory=list)
    """The command and its own arguments."""
    settings: dict[str, list[str]] = field(default_factory=dict)
    config_files: list[str] = field(default_factory=list)
    no_default_configs: bool = False
    directory: str = ""
    help: bool = False
    version: bool = False

    def set(self, name: str, value: str) -> None:
        """Note a setting; a list is given again for each item."""
        self.settings.setdefault(name, []).append(value)


def split_arguments(arguments: Sequence[str]) -> Split:
    """Return the settings of a command line and what is left.

    What follows ``--`` is left alone, and what follows the first own word of a command that hands its words on. Raises
    :class:`UsageError` where an option lacks its value.
    """
    split = Split()
    waiting = list(arguments)
    handed_on = False
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            split.rest += waiting if handed_on else [argument, *waiting]
            break
        if _taken(split, argument, waiting):
            continue
        split.rest.append(argument)
        if handed_on:
            split.rest += waiting
            break
        handed_on = len(split.rest) == 1 and (entry := find_entry(argument)) is not None and entry.hands_on
    return split


def _taken(split: Split, argument: str, waiting: list[str]) -> bool:
    """Note an argument that is not the command's, with its value; return whether it was one."""
    name, equals, value = argument.partition("=")
    key = setting_name(_SHORT.get(name) or (name[2:] if name.startswith("--") else ""))
    given = value if equals else None
    if argument == "--version" and not split.rest:
        split.version = True
    elif argument in ("--help", "-h"):
        split.help = True
    elif argument == "--no-default-configs":
        split.no_default_configs = True
    elif name in ("-C", "--config"):
        text = _value(name, given, waiting)
        if name == "-C":
            split.directory = (
                f"{split.directory}/{text}" if split.directory and not text.startswith("/") else text
            )
        else:
            split.config_files.append(text)
    elif name.startswith("-j") and name[2:].isdigit():
        split.set("jobs", name[2:])
    elif key in SETTING_NAMES:
        split.set(key, _flag(name, given, waiting) if is_flag(key) else _value(name, given, waiting))
    elif key.startswith("no-") and is_flag(key[3:]):
        split.set(key[3:], "no")
    elif key in MORPH_FLAGS or (key.startswith("no-") and key[3:] in MORPH_FLAGS):
        pass
    elif key in MORPH_ONLY and key not in _COMMANDS_OWN:
        _value(name, given, waiting)
    else:
        return False
    return True


def _flag(option: str, given: str | None, waiting: list[str]) -> str:
    """Return what a boolean is set to: ``yes``, unless a word for it follows a long option."""
    if given is None and option.startswith("--") and waiting and waiting[0].lower() in _WORDS:
        return waiting.pop(0)
    return given or "yes"


def _value(option: str, given: str | None, waiting: list[str]) -> str:
    if given is not None:
        return given
    if not waiting:
        raise UsageError(f"{option} needs a value")
    return waiting.pop(0)
