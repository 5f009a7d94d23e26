"""Where each field of a YAML text begins and ends, so that one can be changed and every other byte stays."""

from __future__ import annotations

from collections.abc import Mapping

import yaml
from msgspec import Struct, field
from yaml import CSafeLoader
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from lithify.definitions.text import Mark


class FieldSpan(Struct):
    """A key with its value; offsets are characters of the text."""

    key: Mark
    start: int
    key_end: int
    value: Mark = (0, 0)
    end: int = 0
    """Behind the last character that is part of the value; blank lines and comments behind it are not."""


class MappingSpan(Struct):
    """A mapping as it stands in the text; what ``<<`` brings in is not among its fields."""

    is_flow: bool
    fields: list[FieldSpan] = field(default_factory=list)


class Spans(Struct, frozen=True):
    """What :func:`spans` finds, by the mark where each begins."""

    mappings: Mapping[Mark, MappingSpan]
    scalars: Mapping[Mark, tuple[int, int]]


class _Open(Struct):
    """A collection whose end is not reached."""

    start: NodeEvent
    mapping: MappingSpan | None
    end: int
    awaits_key: bool = True


def spans(text: str) -> Spans:
    """Return the spans of a text that :func:`lithify.definitions.reading.read` could read."""
    mappings: dict[Mark, MappingSpan] = {}
    scalars: dict[Mark, tuple[int, int]] = {}
    stack: list[_Open] = []
    for event in yaml.parse(text, Loader=CSafeLoader):
        if isinstance(event, ScalarEvent):
            end = _end_of_scalar(event, text)
            scalars[_mark(event)] = (_start(event), end)
            _add(stack, event, end)
        elif isinstance(event, AliasEvent):
            _add(stack, event, _end(event))
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            mapping = None
            if isinstance(event, MappingStartEvent):
                mapping = mappings[_mark(event)] = MappingSpan(bool(event.flow_style))
            stack.append(_Open(event, mapping, _end(event)))
        elif isinstance(event, CollectionEndEvent):
            done = stack.pop()
            is_flow = getattr(done.start, "flow_style", False)
            _add(stack, done.start, _end(event) if is_flow else done.end)
    return Spans(mappings, scalars)


def _add(stack: list[_Open], node: NodeEvent, end: int) -> None:
    """Note a key or value in the collection that it stands in."""
    if not stack:
        return
    top = stack[-1]
    top.end = max(end, top.end)
    if top.mapping is None:
        return
    fields = top.mapping.fields
    if top.awaits_key:
        fields.append(FieldSpan(_mark(node), _start(node), end))
    else:
        fields[-1].value = _mark(node)
    fields[-1].end = max(end, fields[-1].end)
    top.awaits_key = not top.awaits_key


def _mark(event: Event) -> Mark:
    at = event.start_mark
    assert at is not None, "the parser gives each event its marks"
    return at.line, at.column


def _start(event: Event) -> int:
    assert event.start_mark is not None, "the parser gives each event its marks"
    return int(event.start_mark.index)


def _end(event: Event) -> int:
    assert event.end_mark is not None, "the parser gives each event its marks"
    return int(event.end_mark.index)


def _end_of_scalar(event: ScalarEvent, text: str) -> int:
    start, end = _start(event), _end(event)
    if event.style not in ("|", ">"):
        return end
    header = text[start:end].partition("\n")[0].partition("#")[0]
    # Blank lines behind a block are part of it where its header says so.
    return end if "+" in header else start + len(text[start:end].rstrip())
