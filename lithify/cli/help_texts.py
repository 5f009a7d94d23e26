"""The help of each command, made of its function: examples first, then what it does, then every option.

``python -m lithify.cli.help_texts`` writes all of them into ``texts/``; a test fails where one is stale.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from lithify.cli.helping import TEXTS
from lithify.cli.parsing import parser_of
from lithify.cli.registry import COMMANDS, CommandEntry

WIDTH = 80
_FOOT = "Every setting is an option too: `lithify show-config` lists them."


def made_help(entry: CommandEntry) -> str:
    """Return the help of one command, made of its function."""
    module = importlib.import_module(f"lithify.cli.{entry.module}")
    parameters = parser_of(entry).params
    examples, description = _parts(inspect.getdoc(module.command) or "")
    arguments = [(_metavar(one), _help(one)) for one in parameters if one.param_type_name == "argument"]
    options = [
        (_spelling(one), _help(one))
        for one in parameters
        if one.param_type_name == "option" and one.name != "help" and not one.hidden
    ]
    usage = " ".join(
        ["Usage: lithify", entry.name, *(name for name, _ in arguments), *(["[OPTIONS]"] if options else [])]
    )
    lines = [*(["Examples:", *examples, ""] if examples else []), usage, ""]
    for paragraph in description:
        lines += [*textwrap.wrap(paragraph, WIDTH), ""]
    if entry.aliases:
        lines += [f"Also: {', '.join(entry.aliases)}", ""]
    lines += _table("Arguments:", arguments)
    lines += _table("Options:", options)
    return "\n".join([*lines, _FOOT, ""])


def _parts(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of the examples, and the paragraphs of the description, of a command's docstring."""
    before, _, after = text.replace("\b", "").partition("Examples:\n")
    examples = [f"  {line.strip()}" for line in after.splitlines() if line.strip()]
    return examples, [" ".join(paragraph.split()) for paragraph in before.split("\n\n") if paragraph.strip()]


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    name = str(parameter.name).upper().replace("_", "-")
    if parameter.nargs == -1:
        name = f"{name.removesuffix('S')}..."
    return name if parameter.required else f"[{name}]"


def _spelling(parameter: Any) -> str:
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.is_flag:
        return f"{names} {parameter.metavar or ''}".rstrip()
    return f"{names} {parameter.metavar or str(parameter.opts[-1]).lstrip('-').upper()}"


def _help(parameter: Any) -> str:
    return " ".join((parameter.help or "").split())


def _table(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield title
    width = min(max(len(name) for name, _ in rows), 30) + 2
    for name, text in rows:
        indent = " " * (width + 2)
        lines = textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent) or [""]
        if len(name) + 2 > width:
            yield f"  {name}"
        else:
            lines[0] = f"  {name:<{width}}{lines[0].lstrip()}"
        yield from lines
    yield ""


def stale_texts() -> list[str]:
    """Return the names of commands whose kept help is not what it would be now, and of texts without a command."""
    made = {entry.name: made_help(entry) for entry in COMMANDS}
    kept = {path.stem: path.read_text(encoding="utf-8") for path in TEXTS.glob("*.txt")}
    return sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))


def write_texts() -> None:
    """Write the help of every command down."""
    TEXTS.mkdir(exist_ok=True)
    made = {entry.name: made_help(entry) for entry in COMMANDS}
    for old in TEXTS.glob("*.txt"):
        if old.stem not in made:
            old.unlink()
    for name, text in made.items():
        (TEXTS / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        stale = stale_texts()
        sys.exit(f"stale: {', '.join(stale)}; run python -m lithify.cli.help_texts" if stale else 0)
    write_texts()
