"""The text of one file becomes a model, and everything that is wrong with it becomes faults, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from lithify.definitions.base import Definition
from lithify.definitions.context import MAX_FAULTS, Reading, TooManyFaults
from lithify.definitions.fields import read_definition
from lithify.definitions.flaws import Flaw, Wrong
from lithify.definitions.formats import Format
from lithify.definitions.model import ChunkFile, ClusterFile, DefaultsFile, StratumFile, SystemFile
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.reading import Contents, Duplicate, read
from lithify.definitions.remains import Remains, remains_of
from lithify.definitions.text import Fields, describe, place_in, quoted
from lithify.errors import Fault

T = TypeVar("T", bound=Definition)
File = ChunkFile | StratumFile | SystemFile | ClusterFile

KINDS: Mapping[str, type[File]] = {
    "chunk": ChunkFile,
    "stratum": StratumFile,
    "system": SystemFile,
    "cluster": ClusterFile,
}
"""``kind:`` → what such a file holds."""


class Loaded(Struct, frozen=True):
    """A file, as far as it could be read."""

    name: str
    """Path below the root of the definitions."""
    file: File | None
    """None where a fault says why."""
    faults: tuple[Fault, ...]
    remains: Remains[File] | None = None
    """Of a file that is None: what can still be looked at."""

    @property
    def legible(self) -> File | None:
        """What further faults can be looked for in: the file, or what is left of it."""
        return self.remains.file if self.file is None and self.remains is not None else self.file

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that make the file useless."""
        return tuple(fault for fault in self.faults if fault.severity == "error")


def load_file(name: str, content: bytes, form: Format) -> Loaded:
    """Return what the definition ``name`` says in the given format."""
    contents = read(name, content)
    faults = _reading_faults(contents, form)
    if contents.root is None:
        return Loaded(name, None, tuple(faults))
    model = _model_of(contents.root, faults)
    if model is None:
        return Loaded(name, None, tuple(faults))
    file, broken = _read(model, contents.root, form, faults)
    remains = remains_of(model, contents.root, broken, form) if broken else None
    return Loaded(name, file, tuple(faults), remains)


def load_defaults(name: str, content: bytes, form: Format) -> tuple[DefaultsFile | None, tuple[Fault, ...]]:
    """Return what a ``DEFAULTS`` file says, and its faults."""
    contents = read(name, content)
    faults = _reading_faults(contents, form)
    if contents.root is None:
        return None, tuple(faults)
    return _read(DefaultsFile, contents.root, form, faults)[0], tuple(faults)


def _reading_faults(contents: Contents, form: Format) -> list[Fault]:
    return [*contents.faults, *(_duplicate(found, form) for found in contents.duplicates)]


def _duplicate(found: Duplicate, form: Format) -> Fault:
    return Fault(
        place=found.counts,
        message=f"field {quoted(found.key)} stands twice in one mapping; the last one counts",
        hint="leave one of them out",
        severity=form.duplicate_key,
        related=((found.dropped, "the first one"),),
    )


def _model_of(root: Fields, faults: list[Fault]) -> type[File] | None:
    """Return the model that ``kind:`` names."""
    kind = root.get("kind")
    known = " or ".join(KINDS)
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    if isinstance(kind, str):
        hint = did_you_mean(kind, KINDS) or f"a definition is a {known}"
        place, message = place_in(root, ("kind",)), f"unknown kind {quoted(kind)}"
    elif "kind" in root:
        hint, place = f"a definition is a {known}", place_in(root, ("kind",))
        message = f'"kind" must be text, not {describe(kind)}'
    else:
        hint, place, message = f"kind: {known}", place_in(root, ()), 'missing field "kind"'
    faults.append(Fault(place=place, message=message, hint=hint))
    return None


def _read(
    model: type[T], root: Fields, form: Format, faults: list[Fault]
) -> tuple[T | None, list[tuple[str | int, ...]]]:
    """Return the file, or the paths to all that is wrong with it where that can be told; add to ``faults``."""
    reading = Reading(form)
    try:
        return read_definition(model, root, reading), []
    except Wrong as wrong:
        faults.extend(_explained(root, flaw) for flaw in wrong.flaws[:MAX_FAULTS])
        if len(wrong.flaws) > MAX_FAULTS:
            faults.append(_more(root))
            return None, []
        return None, [flaw.path for flaw in wrong.flaws]
    except TooManyFaults:
        failed = ((data, flaw) for data, flaws in reading.failed for flaw in flaws)
        told = (_explained(data, flaw) for data, flaw in islice(failed, MAX_FAULTS))
        faults.extend(dict.fromkeys(told))
        faults.append(_more(root))
        return None, []
    finally:
        faults.extend(reading.faults)


def _more(root: Fields) -> Fault:
    return Fault(place=place_in(root, ()), message="the file holds too many faults to tell all of them")


def _explained(root: Fields, flaw: Flaw) -> Fault:
    """Return a flaw of what ``root`` says as a fault, with its place."""
    place = place_in(root, flaw.path, key=flaw.at_key)
    if flaw.is_whole:
        return Fault(place=place, message=flaw.message, hint=flaw.hint)
    joint = " " if flaw.message.split(" ", 1)[0] in ("must", "is", "has") else ": "
    return Fault(place=place, message=f"{_subject(flaw.path)}{joint}{flaw.message}", hint=flaw.hint)


def _subject(path: tuple[str | int, ...]) -> str:
    """Return what a message is about: ``"ref"``, or ``item 3 of "build-depends"``."""
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, str):
        return quoted(last)
    names = [step for step in path if isinstance(step, str)]
    return f"item {last + 1} of {quoted(names[-1])}" if names else f"item {last + 1}"
