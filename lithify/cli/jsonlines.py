"""Events as JSON lines, for programs: what ``build --events`` writes.

Each line is ``{"event": …, "time": …, …}``: the event's name (``component-started``), the time in seconds since 1970, and its
fields. Where it is about a chunk or a system, ``chunk`` or ``system`` has the name, and ``key`` the definition key where
that is known. Fields are only ever added. Schema: ``docs/reference/events.schema.json``.
"""

from __future__ import annotations

import json
import re
import threading
import time
import types
from collections.abc import Callable
from typing import Any, Literal, TextIO, Union, get_args, get_origin, get_type_hints

from msgspec.structs import asdict

from lithify import events

_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


class JsonLinesReader:
    """Writes each event as one line of JSON; may be called from any thread."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._now = now
        self._known: dict[str, tuple[str, str]] = {}
        """Name of what runs → its kind and key, which steps do not repeat."""
        self._lock = threading.Lock()

    def __call__(self, event: events.Event) -> None:
        """Write the event."""
        with self._lock:
            record = self._record(event)
            self._stream.write(json.dumps(record) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Close what is written to."""
        self._stream.close()

    def print_above(self, text: str) -> None:
        """Nothing: messages are no events."""

    def _record(self, event: events.Event) -> dict[str, Any]:
        values = asdict(event)
        if isinstance(event, events.ComponentStarted):
            self._known[event.name] = (event.kind, event.key)
        if isinstance(event, events.StepStarted):
            kind, key = self._known.get(event.name, ("chunk", ""))
            values = {"kind": kind, **values, **({"key": key} if key else {})}
        if "kind" in values:
            values = {values.pop("kind"): values.pop("name"), **values}
        return {"event": name_of(type(event)), "time": round(self._now(), 3), **values}


def name_of(kind: type[events.Event]) -> str:
    """Return an event's name as it stands in a record: ``component-started``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def event_kinds() -> list[type[events.Event]]:
    """Return every kind of event, sorted by name."""
    found = [
        kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)
    ]
    return sorted((kind for kind in found if kind is not events.Event), key=name_of)


def events_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line, made from the events themselves."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of `lithify build --events`",
        "oneOf": [_schema_of(kind) for kind in event_kinds()],
    }


def _schema_of(kind: type[events.Event]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    properties = {name: _type_of(hints[name]) for name in kind.__struct_fields__}
    required = list(properties)
    about: dict[str, Any] = {}
    if "kind" in properties or kind is events.StepStarted:
        properties = {name: value for name, value in properties.items() if name not in ("kind", "name")}
        if kind is events.StepStarted:
            properties["key"] = {"type": "string"}
        required = [name for name in required if name not in ("kind", "name")]
        about = {"oneOf": [{"required": ["chunk"]}, {"required": ["system"]}]}
        properties |= {"chunk": {"type": "string"}, "system": {"type": "string"}}
    return {
        "description": (kind.__doc__ or "").strip().partition("\n")[0],
        "type": "object",
        "properties": {"event": {"const": name_of(kind)}, "time": {"type": "number"}, **properties},
        "required": ["event", "time", *required],
        **about,
    }


def _type_of(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_type_of(one) for one in get_args(hint)]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _type_of(get_args(hint)[0])}
    return {"type": _TYPES[hint]}


if __name__ == "__main__":
    print(json.dumps(events_schema(), indent=2))
