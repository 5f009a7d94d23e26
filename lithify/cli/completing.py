"""What may stand where the cursor is: commands, options, and names of the definitions around.

A shell asks with every press of a key: nothing slow is imported, no server is asked, no lock is taken, nothing is written. The
definitions are skimmed for names, line by line, and not read as YAML: a file that is being edited completes too.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from lithify.cli.helping import TEXTS
from lithify.cli.options import split_arguments
from lithify.cli.registry import COMMANDS, CommandEntry, find_entry
from lithify.config import MORPH_FLAGS, SETTING_NAMES, is_flag
from lithify.definitions.root import find_root
from lithify.errors import LithifyError
from lithify.sources.open_workspaces import open_workspaces

_MOST_BYTES = 4 << 20
"""A definition is smaller; what is larger is not looked at."""
_BLOCK = 32 << 10
"""Read at first, which is all of nearly every file."""
_KIND = re.compile(rb"^kind:[ \t]*[\"']?(\w+)", re.MULTILINE)
_NAME = re.compile(r"^(?:-[ \t]+|[ \t]+(?:-[ \t]+)?)name:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)
_OPTION = re.compile(r"^  (?:(-\w), )?(--[\w-]+)(?: (?P<value>[\w.\[\]-]+))?(?:\s{2,}(?P<help>\S.*))?$")
_WORKSPACE_ACTIONS = {
    "open": "make a folder to work in",
    "list": "what is open, and what is unsaved",
    "reset": "begin the next build from nothing",
    "close": "end the work, and remove the folder",
}
_HINTED = ("system", "stratum", "cluster")


class Candidate(Struct, frozen=True):
    """A word that may stand here."""

    word: str
    help: str = ""
    """In a few words; "" where the word says it all."""


class _Option(Struct, frozen=True, kw_only=True):
    word: str
    help: str
    takes_a_value: bool


def candidates(words: Sequence[str], cwd: Path) -> list[Candidate]:
    """Return what the last of ``words`` may become, sorted; empty where files are as good a guess as any.

    ``words`` stand behind the program's name, the last is the one at the cursor, "" where none was begun.
    """
    *before, current = words or ("",)
    try:
        split = split_arguments(before)
    except LithifyError:  # the option before wants a value
        return []
    if "--" in before:
        return []
    entry = find_entry(split.rest[0]) if split.rest else None
    operands, waits = _operands(split.rest[1:], {} if entry is None else _options(entry))
    if waits:
        found: Iterator[Candidate] = iter(())
    elif current.startswith("-"):
        found = _option_candidates(entry)
    elif not split.rest:
        found = _commands()
    elif entry is None or not entry.operands:
        found = iter(())
    else:
        kinds = entry.operands[min(len(operands), len(entry.operands) - 1)]
        found = _named(kinds.split(), Path(os.path.normpath(cwd / (split.directory or "."))), operands)
    return sorted((one for one in found if one.word.startswith(current)), key=lambda one: one.word)


def _operands(words: Sequence[str], options: Mapping[str, _Option]) -> tuple[list[str], bool]:
    """Return the arguments of a command that are no options, and whether the last option still wants its value."""
    operands: list[str] = []
    waits = False
    for word in words:
        if waits:
            waits = False
        elif word.startswith("-"):
            waits = "=" not in word and word in options and options[word].takes_a_value
        else:
            operands.append(word)
    return operands, waits


def _commands() -> Iterator[Candidate]:
    for entry in COMMANDS:
        yield Candidate(entry.name, entry.summary)


def _option_candidates(entry: CommandEntry | None) -> Iterator[Candidate]:
    if entry is not None:
        options = {option.word: option for option in _options(entry).values()}
        yield from (Candidate(option.word, option.help) for option in options.values())
    else:
        yield Candidate("--version", "which lithify this is")
    yield Candidate("--help", "examples, arguments and options")
    yield Candidate("--config", "read this file of settings too")
    yield Candidate("--no-default-configs", "read no file of settings that is not named")
    for name in SETTING_NAMES:
        yield Candidate(f"--{name}", "setting")
        if is_flag(name) and name not in MORPH_FLAGS and not name.startswith("no-"):
            yield Candidate(f"--no-{name}", "setting")


def _options(entry: CommandEntry) -> dict[str, _Option]:
    """Return the options of a command by their spellings, as its kept help lists them."""
    try:
        text = (TEXTS / f"{entry.name}.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    found: dict[str, _Option] = {}
    for line in text.partition("\nOptions:\n")[2].splitlines():
        match = _OPTION.match(line)
        if match is None:
            continue
        value = match["value"] or ""
        option = _Option(
            word=match[2],
            help=match["help"] or "",
            takes_a_value=bool(value) and not value.startswith("["),
        )
        found.update({spelling: option for spelling in (match[1], match[2]) if spelling})
    return found


def _named(kinds: Sequence[str], cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
    if "command" in kinds:
        yield from _commands()
    if "shell" in kinds:
        yield from (Candidate(name) for name in ("bash", "fish", "zsh"))
    if "workspace-action" in kinds:
        yield from (Candidate(name, told) for name, told in _WORKSPACE_ACTIONS.items())
    if "architecture" in kinds:
        architectures = importlib.import_module("lithify.definitions.architectures")
        yield from (Candidate(name) for name in architectures.ARCHITECTURES)
    if "extension" in kinds:
        registry = importlib.import_module("lithify.deploy.registry")
        yield from (Candidate(f"{name}.write", "built in") for name in registry.TYPES)
    try:
        root = find_root(cwd)
    except LithifyError:
        return
    tree = _Tree(root)
    for kind in kinds:
        skim = _SKIMMED.get(kind)
        if skim is not None:
            yield from skim(tree, cwd, operands)


class _Skimmed(Struct, frozen=True):
    file: str
    """From the root."""
    kind: str
    text: str


class _Tree:
    """The definitions around; each file is read once, whatever is looked for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def skimmed(self) -> tuple[_Skimmed, ...]:
        """The files whose kind is needed here; chunks' own files say nothing that strata do not."""
        return tuple(_skim(str(self.root)))


def _skim(root: str) -> Iterator[_Skimmed]:
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        if below and any(entry.name == "VERSION" for entry in entries):
            continue  # another tree
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    waiting.append(f"{below}{entry.name}/")
            elif entry.name.endswith(".morph"):
                yield from _skimmed(entry.path, f"{below}{entry.name}")


def _skimmed(path: str, name: str) -> Iterator[_Skimmed]:
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read(_BLOCK)
            if len(content) == _BLOCK:
                content += file.read(_MOST_BYTES)
    except OSError:
        return
    kind = _KIND.search(content)
    if kind is not None and kind[1].decode() in _HINTED:
        yield _Skimmed(name, kind[1].decode(), content.decode(errors="replace"))


def _files(kind: str) -> Callable[[_Tree, Path, Sequence[str]], Iterator[Candidate]]:
    def found(tree: _Tree, cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
        del cwd, operands  # a name from the root is right wherever the command is started
        return (Candidate(one.file, kind) for one in tree.skimmed if one.kind == kind)

    return found


def _chunks(tree: _Tree, cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
    del cwd, operands
    found: dict[str, str] = {}
    for one in tree.skimmed:
        if one.kind == "stratum":
            for name in _NAME.findall(one.text):
                found.setdefault(name, one.file)
    return (Candidate(name, f"chunk of {file}") for name, file in found.items())


def _strata(tree: _Tree, cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
    del cwd, operands
    name = re.compile(r"^name:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)
    found = ((one.file, name.search(one.text)) for one in tree.skimmed if one.kind == "stratum")
    return (Candidate(match[1], file) for file, match in found if match)


def _deployments(tree: _Tree, cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
    """Yield the deployments of the cluster that was named; those of nested systems come with their parents."""
    named = operands[0] if operands else ""
    wanted = {named, f"{named}.morph", os.path.relpath(cwd / named, tree.root)}
    for one in tree.skimmed:
        if one.kind == "cluster" and one.file in wanted:
            yield from (Candidate(name, "deployment") for name in _deployed(one.text))


def _deployed(text: str) -> Iterator[str]:
    """Yield the keys that stand just below each ``deploy:`` of the cluster's own systems: those that stand furthest out."""
    lines = [(line, line.lstrip(" -")) for line in text.splitlines()]
    depths = [
        (len(line) - len(bare), bare) for line, bare in lines if bare.strip() and not bare.startswith("#")
    ]
    outer = min((depth for depth, bare in depths if bare.split()[0] == "deploy:"), default=0)
    below: int | None = None
    inside = False
    for depth, bare in depths:
        if depth <= outer:
            inside, below = depth == outer and bare.split()[0] == "deploy:", None
        elif inside:
            below = depth if below is None else below
            name, colon, _ = bare.partition(":")
            if depth == below and colon:
                yield name.strip("\"'")


def _extensions(tree: _Tree, cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
    del cwd, operands
    extensions = importlib.import_module("lithify.definitions.extensions")
    return (Candidate(name, "extension") for name in extensions.own_extensions(tree.root))


def _workspace_chunks(tree: _Tree, cwd: Path, operands: Sequence[str]) -> Iterator[Candidate]:
    """Yield what may be opened, or what is open, as the action before asks."""
    if operands[:1] == ["open"]:
        yield from _chunks(tree, cwd, operands)
    elif operands[:1] != ["list"]:
        try:
            known = open_workspaces(tree.root)
        except LithifyError:
            return
        yield from (Candidate(name, one.path) for name, one in known.items())


_SKIMMED: dict[str, Callable[[_Tree, Path, Sequence[str]], Iterator[Candidate]]] = {
    "system": _files("system"),
    "cluster": _files("cluster"),
    "chunk": _chunks,
    "stratum": _strata,
    "deployment": _deployments,
    "extension": _extensions,
    "workspace-chunk": _workspace_chunks,
}
