"""The text of one file becomes a model, and everything that is wrong with it becomes faults.

What pydantic finds is put into our words, with the place of the value that is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lithify.definitions.base import Definition
from lithify.definitions.context import MAX_FAULTS, Reading, TooManyFaults
from lithify.definitions.formats import Format
from lithify.definitions.model import ChunkFile, ClusterFile, DefaultsFile, StratumFile, SystemFile
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.reading import Contents, Duplicate, read
from lithify.definitions.remains import Remains, remains_of
from lithify.definitions.scalars import describe
from lithify.definitions.source import SOURCE_KINDS
from lithify.definitions.text import Fields, Items, place_in, quoted
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
    file, broken = _validated(model, contents.root, form, faults)
    remains = remains_of(model, contents.root, broken, form) if broken else None
    return Loaded(name, file, tuple(faults), remains)


def load_defaults(name: str, content: bytes, form: Format) -> tuple[DefaultsFile | None, tuple[Fault, ...]]:
    """Return what a ``DEFAULTS`` file says, and its faults."""
    contents = read(name, content)
    faults = _reading_faults(contents, form)
    if contents.root is None:
        return None, tuple(faults)
    return _validated(DefaultsFile, contents.root, form, faults)[0], tuple(faults)


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


def _validated(
    model: type[T], root: Fields, form: Format, faults: list[Fault]
) -> tuple[T | None, list[tuple[str | int, ...]]]:
    """Return the file, or the paths to all that is wrong with it where that can be told; add to ``faults``."""
    reading = Reading(form)
    try:
        return model.model_validate(root, context=reading), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults.extend(_explained(root, one) for one in found[:MAX_FAULTS])
        if len(found) > MAX_FAULTS:
            faults.append(_more(root))
            return None, []
        return None, [_path(root, one["loc"]) for one in found]
    except TooManyFaults:
        failed = ((data, one) for data, error in reading.failed for one in error.errors(include_url=False))
        told = (_explained(data, one) for data, one in islice(failed, MAX_FAULTS))
        faults.extend(dict.fromkeys(told))
        faults.append(_more(root))
        return None, []
    finally:
        faults.extend(reading.faults)


def _more(root: Fields) -> Fault:
    return Fault(place=place_in(root, ()), message="the file holds too many faults to tell all of them")


def _explained(root: Fields, found: ErrorDetails) -> Fault:
    """Return one of pydantic's findings in our words."""
    path = _path(root, found["loc"])
    kind = found["type"]
    if kind == "missing":
        return _missing(root, path, str(found["loc"][-1]))
    if kind == "union_tag_not_found":
        return _missing(root, path, "kind")
    message, hint = _words(kind, found)
    if kind == "union_tag_invalid":
        return Fault(place=place_in(root, (*path, "kind")), message=message, hint=hint)
    joint = " " if message.split(" ", 1)[0] in ("must", "is", "has") else ": "
    return Fault(place=place_in(root, path), message=f"{_subject(path)}{joint}{message}", hint=hint)


def _path(root: Fields, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return where in the text ``loc`` leads: pydantic adds the kinds of sources and other marks to it."""
    at: Any = root
    path: list[str | int] = []
    for step in loc:
        if isinstance(at, Fields) and isinstance(step, str):
            tag = step in SOURCE_KINDS and at.get("kind") == step and step not in at
            if not tag and step in at:
                path.append(step)
                at = at[step]
        elif isinstance(at, Items) and isinstance(step, int) and step < len(at):
            path.append(step)
            at = at[step]
    return tuple(path)


def _missing(root: Fields, path: tuple[str | int, ...], field: str) -> Fault:
    if path and path[-1] == field:  # It is there, and null.
        return Fault(place=place_in(root, path, key=True), message=f'field "{field}" has no value')
    return Fault(place=place_in(root, path), message=f'missing field "{field}"')


def _subject(path: tuple[str | int, ...]) -> str:
    """Return what a message is about: ``"ref"``, or ``item 3 of "build-depends"``."""
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, str):
        return quoted(last)
    names = [step for step in path if isinstance(step, str)]
    return f"item {last + 1} of {quoted(names[-1])}" if names else f"item {last + 1}"


def _words(kind: str, found: ErrorDetails) -> tuple[str, str]:
    """Return the message, after its subject, and a hint."""
    given = found["input"]
    context = found.get("ctx", {})
    if kind == "lithify":
        return str(context["message"]), str(context["hint"])
    if kind == "string_type":
        return f"must be text, not {describe(given)}", ""
    if kind in ("tuple_type", "list_type"):
        return f"must be a list, not {describe(given)}", "a list has a - before each item"
    if kind in ("dict_type", "mapping_type", "model_type", "model_attributes_type"):
        return f"must be a mapping, not {describe(given)}", ""
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", '"')
        known = [word for word in expected.split('"') if word.strip() not in ("", ",", "or")]
        return f"must be {expected}, not {describe(given)}", did_you_mean(str(given), known)
    if kind == "union_tag_invalid":
        tag = str(context["tag"])
        return f"unknown kind of source {quoted(tag)}", did_you_mean(
            tag, SOURCE_KINDS
        ) or "one of " + ", ".join(SOURCE_KINDS)
    if kind == "too_short":
        return "must not be empty", ""
    if kind == "string_pattern_mismatch":
        return f"is no such name: {describe(given)}", "lower-case letters, digits and + - . only"
    return found["msg"][:1].lower() + found["msg"][1:], ""
