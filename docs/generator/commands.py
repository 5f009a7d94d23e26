"""The reference of commands, made of their own help."""

from __future__ import annotations

from lithify.cli.help_texts import made_help
from lithify.cli.helping import overview
from lithify.cli.registry import COMMANDS, PANELS

_HEAD = """\
# Commands

<!-- Made by script/docs from the commands' own help. -->

What every command keeps to: its result is on stdout and nothing else is; what else it has to say is on stderr, or in the file
of `--log`. The exit status is 0 when it is done, 1 when a build, deployment, check or look-up failed, 2 for wrong use and 130
after Ctrl-C. Commands work in any folder below the root of the definitions. A name may be a path from the current folder or
from the root, or a bare name; where a key is meant, its first 8 digits or more do.

`--repo REPO --ref REF`, where a command takes them, read the definitions of a commit in place of those on disk: REPO is a
URL, an `alias:path` or a path. [Settings](settings.md) are options of every command.

`--json` prints one value, for programs. Names in it have dashes (`made-at`), in `graph --format json` and in the events of
`build --events` underscores (`in_system`, `to_build`). Sizes are in bytes, times in seconds, moments in seconds since 1970.
Names are only ever added.
"""


def commands_page() -> str:
    """Return the page: the overview, then each command in the order of the overview."""
    parts = [_HEAD, _block(overview())]
    for panel in PANELS:
        entries = [entry for entry in COMMANDS if entry.panel == panel]
        if entries:
            parts.append(f"## {panel}\n")
        parts += [f"### {entry.name}\n\n{_block(_without_foot(made_help(entry)))}" for entry in entries]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def _without_foot(text: str) -> str:
    """Return a help without its last line, which is the same for all."""
    return text.rstrip().rpartition("\n")[0]
