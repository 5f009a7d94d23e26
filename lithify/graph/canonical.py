"""Canonical bytes of plain data, and their digest: what every key is made with.

Two values have equal bytes exactly when they are equal and of the same type: ``1``, ``"1"``, ``True`` and ``b"1"`` are four
values. The form is JSON in ASCII with sorted keys and no blanks, so that it can be read and kept as it is.
Manual: ``docs/internals/keys.md``.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import Any

Value = str | bytes | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]
"""What has a canonical form. Lists and tuples are one thing; floats have no place in a key."""

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_TEXT = frozenset({str})
_BYTES = "b64"
_LOOKS_LIKE_BYTES = re.compile(r"b64=*\Z")


def canonical(value: Value) -> bytes:
    """Return the one byte string that stands for ``value`` and for nothing else.

    Bytes become ``{"b64": "…"}``; a mapping's own key ``b64`` gets a ``=`` added, so that the two cannot be confused.
    Raises :class:`TypeError` for a float, a set, a key that is no text, and whatever else has no canonical form.
    """
    return _encode(value if _is_plain(value) else plain(value)).encode("ascii")


def digest(value: Value) -> str:
    """Return the SHA-256 of the canonical bytes, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _is_plain(value: Any) -> bool:
    """Whether JSON says the same of ``value`` as of ``plain(value)``: mostly so, and faster to see than to copy."""
    kind = type(value)
    items: Collection[object]
    if kind is tuple or kind is list:
        items = value
    elif kind is dict:
        if not _TEXT.issuperset(map(type, value)) or _BYTES in " ".join(value):
            return False
        items = value.values()
    else:
        return kind in _AS_THEY_ARE
    if _AS_THEY_ARE.issuperset(map(type, items)):
        return True
    for item in items:  # noqa: SIM110 a loop: `all` of a generator takes twice as long, and this is asked of every key
        if type(item) not in _AS_THEY_ARE and not _is_plain(item):
            return False
    return True


def plain(value: Value) -> object:
    """Return ``value`` as ``json`` may write it: text, whole numbers, booleans, null, lists and dicts alone."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if isinstance(value, list | tuple):
        return [item if type(item) in _AS_THEY_ARE else plain(item) for item in value]
    if isinstance(value, Mapping):
        return {
            _key(name): item if type(item) in _AS_THEY_ARE else plain(item) for name, item in value.items()
        }
    if isinstance(value, bytes):
        return {_BYTES: b64encode(value).decode("ascii")}
    if isinstance(value, str):  # a NewType is a str already; an enum or another subclass is its text
        return str.__str__(value)
    raise TypeError(f"{kind.__name__} has no canonical form: {value!r:.100}")


def _key(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a key must be text: {name!r:.100}")
    if name.startswith(_BYTES) and _LOOKS_LIKE_BYTES.match(name):
        return f"{name}="
    return name
