"""The scalar types of the language: what a text may be, and what it becomes.

Each takes what the file holds (text as written, or a guess of YAML's) and fails with a message in the user's words. Where
text is wanted, it is the text that the author wrote: ``010``, ``12:30:45`` and ``yes`` stay so.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sized
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from lithify.definitions.addresses import ref_fault, url_fault
from lithify.definitions.context import Reading
from lithify.definitions.flaws import Wrong
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.readers import TEXT_SCHEMA, Reader, Then, as_text
from lithify.definitions.text import Guess, describe, quoted

T = TypeVar("T")
S = TypeVar("S", bound=Sized)
V = TypeVar("V")


def _not_empty(items: S) -> S:
    if not items:
        raise Wrong("must not be empty")
    return items


List = tuple[T, ...]
"""A sequence, kept as a tuple."""
NonEmptyList = Annotated[tuple[T, ...], Then(_not_empty, schema={"minItems": 1})]
"""A sequence of one item or more, kept as a tuple."""
Map = Mapping[str, V]
"""A mapping with text keys, read-only and in the order of the text."""
EMPTY: Mapping[str, Any] = FrozenMap()
"""The default of an optional mapping."""


def _text(check: Callable[[str], str]) -> Reader:
    """Return what reads text that is checked, and counts failures, so that a file of nothing but faults ends soon."""

    def read(value: object, reading: Reading) -> str:
        written = value if type(value) is str else as_text(value)
        try:
            return check(written)
        except Wrong:
            reading.note_misfit()
            raise

    return Reader(read, TEXT_SCHEMA)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise Wrong("must not be blank")
    if "\0" in text:
        raise Wrong("must not hold a NUL character")
    return text


Text = Annotated[str, _text(_not_blank)]
"""Text that says something."""


def _name(text: str) -> str:
    if not text or text != text.strip():
        raise Wrong("must not be blank, nor begin or end with one")
    if text[0] in "-." or "/" in text or not text.isprintable():
        raise Wrong(
            f"{quoted(text)} is no name",
            "a name has no slash or control character, and does not begin with - or .",
        )
    if len(text) > 50 and len(text.encode()) > 200:
        raise Wrong("is longer than 200 bytes")
    return text


Name = Annotated[str, _text(_name)]
"""The name of a chunk, stratum, system, cluster or artifact: it becomes part of file names."""


def _artifact(text: str) -> str:
    if "/" in text or text in (".", "..") or not text.isprintable():
        raise Wrong(
            f"{quoted(text)} is no name of an artifact", "it must not hold a slash or a control character"
        )
    return text


ArtifactName = Annotated[str, _text(_artifact)]
"""The name of an artifact, or the suffix of one."""


def _one_line(text: str) -> str:
    _not_blank(text)
    if text != text.strip() or not text.isprintable():
        raise Wrong("must be one line of text without control characters")
    if text.startswith("-"):
        raise Wrong(f"{quoted(text)} would be taken for an option", "it must not begin with -")
    return text


def sound_ref(text: str) -> str:
    """Return a git ref, or a commit; raises :class:`Wrong` for what is none."""
    fault = ref_fault(_one_line(text))
    if fault:
        raise Wrong(f"{quoted(text)} {fault}")
    return text


Ref = Annotated[str, _text(sound_ref)]
"""A git ref, or a commit."""

RefPattern = Annotated[str, _text(_one_line)]
"""A git ref, or a pattern of some with ``*``, ``?`` and ``[…]``: compared with what a server lists, and given to nobody."""


def sound_url(text: str) -> str:
    """Return a URL, or ``alias:path``; raises :class:`Wrong` for what is none, or might run a program."""
    fault = url_fault(_one_line(text))
    if fault:
        raise Wrong(f"{quoted(text)} {fault}", "use https, ssh, git or file URLs")
    return text


Url = Annotated[str, _text(sound_url)]
"""A URL, or ``alias:path``."""


def _path(text: str) -> str:
    _not_blank(text)
    if not text.isprintable():
        raise Wrong("must be a path without control characters")
    if text.startswith("/"):
        raise Wrong(
            f"{quoted(text)} is an absolute path", "paths are relative to the root of the definitions"
        )
    if ".." in text.split("/"):
        raise Wrong(f"{quoted(text)} leads out of its folder", "a path must not hold ..")
    return text


Path = Annotated[str, _text(_path)]
"""A relative path that stays below where it starts."""


def _installed(text: str) -> str:
    _path(text.lstrip("/"))
    return text


InstalledPath = Annotated[str, _text(_installed)]
"""A path in a system; the leading slash may be left out."""

SubFolder = Annotated[str, _text(lambda text: text and _path(text))]
"""A relative path, or "" for the folder itself."""


@lru_cache(maxsize=4096)
def pattern_fault(text: str) -> str:
    """Return what is wrong with a regular expression; empty if nothing is."""
    with warnings.catch_warnings():
        # Python warns of patterns whose meaning may change one day; they mean today what they meant to morph.
        warnings.simplefilter("ignore")
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            return str(error)
    return ""


def _flag(value: object, reading: Reading) -> bool:
    if isinstance(value, Guess) and value.tag == "bool":
        return as_bool(value)
    raise Wrong(f"must be yes or no, not {describe(value)}")


Flag = Annotated[bool, Reader(_flag, {"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no", "on", "off"]}]})]
"""``yes`` or ``no``, as YAML 1.1 has them."""


def as_bool(word: str) -> bool:
    """Return what a word means that YAML 1.1 takes for a boolean."""
    return word.lower() in ("yes", "true", "on", "y")


def _number_or(pattern: str, **number: Any) -> Mapping[str, Any]:
    """Return the JSON Schema of a number, or of text that means one."""
    of_number = number or {"minimum": 0, "type": "integer"}
    return {"anyOf": [of_number, {"pattern": pattern, "type": "string"}]}


def _count(value: object, reading: Reading) -> int:
    if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,17}", value):
        return int(value)
    raise Wrong(f"must be a whole number, not {describe(value)}", "decimal, without leading zeros")


Count = Annotated[int, Reader(_count, _number_or("^(0|[1-9][0-9]*)$"))]
"""A whole number, 0 or more."""

_SIZE = r"([0-9]{1,12})\s*([KMGT]?)(iB|B)?"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _size(value: object, reading: Reading) -> int:
    if isinstance(value, str) and (match := re.fullmatch(_SIZE, value)):
        return int(match[1]) * _UNITS[match[2]]
    raise Wrong(f"must be a size such as 512M or 4G, not {describe(value)}")


Size = Annotated[int, Reader(_size, _number_or(f"^{_SIZE}$"))]
"""Bytes; written with K, M, G or T for powers of 1024."""

_DURATION = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([smh]?)"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def _duration(value: object, reading: Reading) -> float:
    if isinstance(value, str) and (match := re.fullmatch(_DURATION, value)):
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > 0:
            return seconds
    raise Wrong(f"must be a time such as 90s, 30m or 2h, not {describe(value)}")


Duration = Annotated[float, Reader(_duration, _number_or(f"^{_DURATION}$", type="number"))]
"""Seconds; written with s, m or h."""


def _mode(value: object, reading: Reading) -> int:
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{1,4}", value):
        return int(value, 8)
    raise Wrong(f"must be permissions in octal such as 0644, not {describe(value)}")


Mode = Annotated[int, Reader(_mode, _number_or("^0?[0-7]{1,4}$", type="integer"))]
"""Permissions of a file, written in octal."""


def _description(value: object, reading: Reading) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return as_text(value)


Description = Annotated[
    str, Reader(_description, {"anyOf": [TEXT_SCHEMA, {"items": TEXT_SCHEMA, "type": "array"}]})
]
"""Text for people; a list of texts is taken as one, since real definitions hold such."""
