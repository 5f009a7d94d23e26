"""Free values, such as deployment variables: what a text means where no schema says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from lithify.definitions.flaws import Wrong
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.readers import Reader
from lithify.definitions.scalars import as_bool
from lithify.definitions.text import Fields, Guess, Items, describe

Value = bool | int | float | str | bytes | tuple[Any, ...] | Mapping[str, Any] | None
"""A free value, such as a deployment variable: nested ones are tuples and read-only mappings."""
FreeValue = Annotated[Value, Reader(lambda value, reading: value, {})]
"""A field that takes any value, made by :func:`free_value`."""

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}([eE][-+]?[0-9]{1,2})?")


def free_value(value: object, yaml_numbers: str) -> Value:
    """Return what a free value means, read-only.

    ``yaml_numbers`` is :attr:`lithify.definitions.formats.Format.yaml_numbers`. Timestamps are text in every format:
    morph turned every value into text, and a date gives the text that was written.
    """
    if isinstance(value, Fields):
        return FrozenMap({key: free_value(item, yaml_numbers) for key, item in value.items()})
    if isinstance(value, Items):
        return tuple(free_value(item, yaml_numbers) for item in value)
    if isinstance(value, Guess):
        return _scalar(value, yaml_numbers)
    if value is None or isinstance(value, (str, bytes, bool, int, float, tuple, Mapping)):
        return value
    raise Wrong(f"cannot be {describe(value)}")


def _scalar(guess: Guess, yaml_numbers: str) -> bool | int | float | str:
    text = str(guess)
    if guess.tag == "bool":
        return as_bool(text)
    if guess.tag == "timestamp" or len(text) > 40:
        return text
    if yaml_numbers == "decimal":
        if _DECIMAL.fullmatch(text):
            return int(text)
        return float(text) if _FRACTION.fullmatch(text) else text
    try:
        return _yaml_int(text) if guess.tag == "int" else _yaml_float(text)
    except (ValueError, OverflowError):
        return text


def _yaml_int(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0b"):
        return sign * int(digits[2:], 2)
    if digits.startswith("0x"):
        return sign * int(digits[2:], 16)
    if ":" in digits:
        total = 0
        for part in digits.split(":"):
            total = total * 60 + int(part)
        return sign * total
    return sign * int(digits, 8 if len(digits) > 1 and digits.startswith("0") else 10)


def _yaml_float(text: str) -> float:
    digits = text.replace("_", "").lower()
    sign = -1.0 if digits.startswith("-") else 1.0
    digits = digits.lstrip("+-")
    if digits in (".inf", ".nan"):
        return sign * float(digits[1:])
    if ":" in digits:
        total = 0.0
        for part in digits.split(":"):
            total = total * 60 + float(part)
        return sign * total
    return sign * float(digits)
