"""The scalar types of the language: what a text may be, and what it becomes.

Each takes what the reader gives (text as written, or a guess of YAML's) and fails with a message in the user's words;
``hint`` in an error's context says what to do. Where text is wanted, it is the text that the author wrote: ``010``,
``12:30:45`` and ``yes`` stay so.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from lithify.definitions.addresses import ref_fault, url_fault
from lithify.definitions.context import Reading
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.text import Guess, quoted

TEXT_SCHEMA = {"type": ["string", "number", "boolean"]}
"""JSON Schema of text: a YAML parser without a schema gives ``0.22`` as a number."""

T = TypeVar("T")

List = Annotated[tuple[T, ...], Field(strict=False)]
"""A sequence, kept as a tuple."""
NonEmptyList = Annotated[tuple[T, ...], Field(strict=False, min_length=1)]
"""A sequence of one item or more, kept as a tuple."""


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Return an error for a validator to raise; ``message`` follows the name of the field."""
    return PydanticCustomError("lithify", "{message}", {"message": message, "hint": hint})


def describe(value: object) -> str:
    """Return what a value is, in words: ``a list``, ``nothing``, ``text``."""
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return "!!binary data"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return quoted(str(value)) if len(str(value)) <= 40 else "text"


class _FrozenMap:
    """Makes ``Mapping[K, V]`` a read-only mapping, in the order of the text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        key, value = get_args(source)
        checked = core_schema.dict_schema(handler.generate_schema(key), handler.generate_schema(value))
        return core_schema.no_info_after_validator_function(FrozenMap, checked)


V = TypeVar("V")
Map = Annotated[Mapping[str, V], _FrozenMap()]
"""A mapping with text keys, read-only and in the order of the text."""
EMPTY: Mapping[str, Any] = FrozenMap()
"""The default of an optional mapping."""


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """Return a validator that also counts how often it fails, so that a file of nothing but faults ends soon."""

    def validate(text: str, info: ValidationInfo) -> str:
        try:
            return check(text)
        except PydanticCustomError:
            if isinstance(info.context, Reading):
                info.context.note_misfit()
            raise

    return AfterValidator(validate)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise wrong("must not be blank")
    if "\0" in text:
        raise wrong("must not hold a NUL character")
    return text


Text = Annotated[str, _checked(_not_blank)]
"""Text that says something."""


def _name(text: str) -> str:
    if not text or text != text.strip():
        raise wrong("must not be blank, nor begin or end with one")
    if text[0] in "-." or "/" in text or not text.isprintable():
        raise wrong(
            f"{quoted(text)} is no name",
            "a name has no slash or control character, and does not begin with - or .",
        )
    if len(text) > 50 and len(text.encode()) > 200:
        raise wrong("is longer than 200 bytes")
    return text


Name = Annotated[str, _checked(_name)]
"""The name of a chunk, stratum, system, cluster or artifact: it becomes part of file names."""


def _artifact(text: str) -> str:
    if "/" in text or text in (".", "..") or not text.isprintable():
        raise wrong(
            f"{quoted(text)} is no name of an artifact", "it must not hold a slash or a control character"
        )
    return text


ArtifactName = Annotated[str, _checked(_artifact)]
"""The name of an artifact, or the suffix of one."""


def _one_line(text: str) -> str:
    _not_blank(text)
    if text != text.strip() or not text.isprintable():
        raise wrong("must be one line of text without control characters")
    if text.startswith("-"):
        raise wrong(f"{quoted(text)} would be taken for an option", "it must not begin with -")
    return text


def _ref(text: str) -> str:
    fault = ref_fault(_one_line(text))
    if fault:
        raise wrong(f"{quoted(text)} {fault}")
    return text


Ref = Annotated[str, _checked(_ref)]
"""A git ref, or a commit."""

RefPattern = Annotated[str, _checked(_one_line)]
"""A git ref, or a pattern of some with ``*``, ``?`` and ``[…]``: compared with what a server lists, and given to nobody."""


def _url(text: str) -> str:
    fault = url_fault(_one_line(text))
    if fault:
        raise wrong(f"{quoted(text)} {fault}", "use https, ssh, git or file URLs")
    return text


Url = Annotated[str, _checked(_url)]
"""A URL, or ``alias:path``."""


def _path(text: str) -> str:
    _not_blank(text)
    if not text.isprintable():
        raise wrong("must be a path without control characters")
    if text.startswith("/"):
        raise wrong(
            f"{quoted(text)} is an absolute path", "paths are relative to the root of the definitions"
        )
    if ".." in text.split("/"):
        raise wrong(f"{quoted(text)} leads out of its folder", "a path must not hold ..")
    return text


Path = Annotated[str, _checked(_path)]
"""A relative path that stays below where it starts."""


def _installed(text: str) -> str:
    _path(text.lstrip("/"))
    return text


InstalledPath = Annotated[str, _checked(_installed)]
"""A path in a system; the leading slash may be left out."""

SubFolder = Annotated[str, _checked(lambda text: text and _path(text))]
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


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, Guess) and value.tag == "bool":
        return as_bool(value)
    raise wrong(f"must be yes or no, not {describe(value)}")


Flag = Annotated[bool, BeforeValidator(_flag)]
"""``yes`` or ``no``, as YAML 1.1 has them."""


def as_bool(word: str) -> bool:
    """Return what a word means that YAML 1.1 takes for a boolean."""
    return word.lower() in ("yes", "true", "on", "y")


def _count(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,17}", value):
        return int(value)
    raise wrong(f"must be a whole number, not {describe(value)}", "decimal, without leading zeros")


Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}]}
    ),
]
"""A whole number, 0 or more."""

_SIZE = r"([0-9]{1,12})\s*([KMGT]?)(iB|B)?"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (match := re.fullmatch(_SIZE, value)):
        return int(match[1]) * _UNITS[match[2]]
    raise wrong(f"must be a size such as 512M or 4G, not {describe(value)}")


Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE}$"}]}
    ),
]
"""Bytes; written with K, M, G or T for powers of 1024."""

_DURATION = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([smh]?)"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def _duration(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    if isinstance(value, str) and (match := re.fullmatch(_DURATION, value)):
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > 0:
            return seconds
    raise wrong(f"must be a time such as 90s, 30m or 2h, not {describe(value)}")


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{_DURATION}$"}]}),
]
"""Seconds; written with s, m or h."""


def _mode(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{1,4}", value):
        return int(value, 8)
    raise wrong(f"must be permissions in octal such as 0644, not {describe(value)}")


Mode = Annotated[
    int,
    BeforeValidator(_mode),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^0?[0-7]{1,4}$"}]}),
]
"""Permissions of a file, written in octal."""


def _description(value: object) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return "\n".join(str(item) for item in value)
    if isinstance(value, str):
        return str(value)
    raise wrong(f"must be text, not {describe(value)}")


Description = Annotated[
    str,
    PlainValidator(_description),
    WithJsonSchema({"anyOf": [TEXT_SCHEMA, {"type": "array", "items": TEXT_SCHEMA}]}),
]
"""Text for people; a list of texts is taken as one, since real definitions hold such."""
