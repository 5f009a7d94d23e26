"""What the language has built in, for its reference: build systems, split rules, variables; and the formats, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from docs.generator.model_text import field_texts
from lithify.definitions.builtin import IMPORT, MANUAL, MODERN, SIGNS, STRIP
from lithify.definitions.formats import CHANGES, FORMATS, OBSOLETE, Format
from lithify.definitions.model import Product
from lithify.errors import Place
from lithify.graph.environment import SOURCE_DATE_EPOCH, SYSTEM_PATH, chunk_environment
from lithify.graph.model import Chunk

_BUILT_IN = f"""\
## What is built in

### Build systems

What a chunk with `build-system: NAME` runs where it gives no commands of its own for a step, as `DEFAULTS` would say it.
`{MANUAL}` has no commands, and `{IMPORT}` takes the sources as they are. A `DEFAULTS` file adds build systems, or replaces
these by name.

"""

_STRIP = """\
All of these end with the step `strip`, which needs `find`, `dd`, `objcopy` and `strip`, and puts debug information where
debuggers look for it; `strip-commands: []` leaves it out:

"""

_RULES = """\
### Rules for artifacts

Which files of a chunk go to which of its artifacts, and which of these to which artifact of its stratum. The first rule that
matches counts; `products` of the chunk or stratum stand before these.

"""

VARIABLES = {
    "DESTDIR": ("a folder", "Where to install to; what is in it at the end is the result."),
    "PREFIX": ("`/usr`, or the entry's `prefix`", "Where the program will be."),
    "MAKEFLAGS": ("`-jN`", "How many jobs a build may use; `-j1` in the steps that do not build."),
    "PATH": (
        f"`{SYSTEM_PATH}`",
        "Before it, `bin` in the prefix of each chunk that the entry build-depends on.",
    ),
    "MORPH_ARCH": ("`x86_64`", "The system's `arch`."),
    "TARGET": ("`x86_64-baserock-linux-gnu`", "The machine to build for, as compilers name it."),
    "TARGET_STAGE1": ("`x86_64-bootstrap-linux-gnu`", "The same, for a first stage of a bootstrap."),
    "SOURCE_DATE_EPOCH": (f"`{SOURCE_DATE_EPOCH}`", "The time that everything has, in seconds."),
    "HOME": ("`/tmp`", ""),
    "LC_ALL": ("`C`", ""),
    "SHELL": ("`/bin/sh`", ""),
    "TERM": ("`dumb`", ""),
    "USER": ("`tomjon`", "Whoever builds; `LOGNAME` and `USERNAME` too."),
}
"""Variable → its value on x86_64, what it is for."""


def built_in_section() -> str:
    """Return the section about all that a tree need not say."""
    return "\n".join(
        [
            _BUILT_IN + _yaml(_build_systems()),
            _STRIP + _shell(STRIP),
            _RULES + _yaml(_rules()),
            _variables(),
        ]
    )


def formats_section() -> str:
    """Return what each format changed, and what is otherwise in earlier ones, from the tables that read them."""
    changes = "\n".join(f"| {change.format} | {change.summary} |" for change in CHANGES)
    texts = field_texts(Format)
    rows = [
        f"| {_cell(texts[name])} | {_by_format(name)} |"
        for name in Format.__struct_fields__
        if name != "number"
    ]
    signs = "\n".join(
        f"| `{system}` | {', '.join(f'`{name}`' for name in names)} |" for system, names in SIGNS
    )
    old = ", ".join(f"`{field}` of a {kind}" for kind, names in OBSOLETE.items() for field in names)
    return f"""\
## Formats

A definition means the same on every machine and in every later version of lithify: a change of meaning is a new format, and
the old ones stay. Format 0 is that of a tree without `VERSION`. [`lithify migrate`](../tasks/migrating.md) lifts a tree.

| format | what it changed |
|---|---|
{changes}

What that comes to:

| what | formats |
|---|---|
{chr(10).join(rows)}

Where a build system is detected, these names in the top folder of the source tell of it, in this order:

| build system | names |
|---|---|
{signs}

Obsolete fields are {old}.
"""


def _by_format(name: str) -> str:
    """Return which formats have which value: ``0 to 6: classic``."""
    parts = []
    for value, group in groupby(FORMATS, key=lambda form: _value(getattr(form, name))):
        numbers = [form.number for form in group]
        span = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
        parts.append(f"{span}: {value}")
    return "; ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"`{old}` for `{new}`" for old, new in value.items()) or "none"
    return str(value)


def _build_systems() -> dict[str, dict[str, list[str]]]:
    return {
        name: {
            f"{step}-commands": [str(command) for command in given]
            for step, given in commands.items()
            if given and step != "strip"
        }
        for name, commands in MODERN.build_systems.items()
        if any(commands.values())
    }


def _rules() -> dict[str, list[dict[str, Any]]]:
    def plain(rules: Sequence[Product]) -> list[dict[str, Any]]:
        return [{"artifact": rule.artifact, "include": list(rule.include)} for rule in rules]

    return {"chunk": plain(MODERN.chunk_rules), "stratum": plain(MODERN.stratum_rules)}


def _variables() -> str:
    sample = Chunk(name="x", stratum="x", file="x", place=Place("x"), arch="x86_64")
    known = chunk_environment(sample, ()).keys() - {"LOGNAME", "USERNAME"}
    assert known == VARIABLES.keys() - {"DESTDIR", "MAKEFLAGS"}, known ^ VARIABLES.keys()
    rows = "\n".join(f"| `{name}` | {value} | {_cell(text)} |" for name, (value, text) in VARIABLES.items())
    return f"""\
### Variables

What a chunk's commands see, and nothing else of anybody's environment. `environment` adds to these or replaces them.

| variable | value | meaning |
|---|---|---|
{rows}
"""


def _yaml(data: Mapping[str, Any]) -> str:
    lines = []
    for name, value in data.items():
        lines.append(f"{name}:")
        for item in value if isinstance(value, list) else [value]:
            lines += _item(item, "- " if isinstance(value, list) else "  ")
    return "```yaml\n" + "\n".join(lines) + "\n```\n"


def _item(item: Mapping[str, Any], start: str) -> list[str]:
    lines = []
    for field, value in item.items():
        lines.append(f"{start}{field}:" if isinstance(value, list) else f"{start}{field}: {value}")
        start = "  "
        if isinstance(value, list):
            lines += [f"  - {_scalar(text)}" for text in value]
    return lines


def _scalar(text: str) -> str:
    return f"'{text}'" if ": " in text or text[0] in "'\"[{*&!%@`" else text


def _shell(text: str) -> str:
    return f"```sh\n{text}\n```\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("``", "`").split())
