"""Bytes of a YAML file become values with marks; whatever the bytes are, the outcome is values or a fault with its place.

PyYAML's C parser gives events, and the values are made of them here in one pass: that is faster than composing PyYAML's
nodes, and every limit holds before anything is built (200,000 nested brackets crash a composer that recurses, and 400
bytes of aliases can mean 9**9 values).
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import Any

import yaml
from msgspec import Struct
from yaml import CSafeLoader
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import Reader
from yaml.resolver import Resolver

from lithify.definitions.limits import MAX_BYTES, MAX_DEPTH, MAX_FAULTS, MAX_VALUES
from lithify.definitions.text import LINE_END, Fields, Guess, Items, Mark, TextFile, quoted
from lithify.errors import Fault, Place

_BYTE_ORDER_MARK = "\ufeff"
"""Printable by YAML 1.1, and seen by nobody."""
_PREFIX = "tag:yaml.org,2002:"
_GUESSES = Resolver.yaml_implicit_resolvers


class Duplicate(Struct, frozen=True):
    """A key that stands twice in a mapping."""

    key: str
    dropped: Place
    counts: Place
    """The last one."""


class Contents(Struct, frozen=True):
    """What a file says."""

    root: Fields | None
    """None where a fault says why."""
    faults: tuple[Fault, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()


class _Stop(Exception):
    """Nothing more can be made of the file."""

    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message
        self.hint = hint


def read(name: str, content: bytes) -> Contents:
    """Return what the file ``name`` says; never raises for what it holds."""
    if len(content) > MAX_BYTES:
        fault = Fault(place=Place(name), message=f"the file is larger than {MAX_BYTES >> 20} MB")
        return Contents(None, (fault,))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Contents(None, (_bad_bytes(name, content, error),))
    file = TextFile(name, text)
    composer = _Composer(file)
    try:
        root = composer.compose()
    except _Stop as stop:
        fault = Fault(place=file.place(stop.mark), message=stop.message, hint=stop.hint)
        return Contents(None, (*composer.faults, fault))
    return Contents(root, tuple(composer.faults), tuple(composer.duplicates))


def _bad_bytes(name: str, content: bytes, error: UnicodeDecodeError) -> Fault:
    """Return the fault of a file that is not UTF-8, at its first bad byte."""
    before = content[: error.start].decode("utf-8-sig", "replace")
    lines = LINE_END.split(before)
    rest = LINE_END.split(content[error.start : error.start + 200].decode("utf-8", "replace"))[0]
    place = Place(name, len(lines), len(lines[-1]) + 1, lines[-1] + rest)
    message = f"the file is not UTF-8 text (byte 0x{content[error.start]:02x})"
    return Fault(
        place=place, message=message, hint="save it as UTF-8; a command of other bytes is written as !!binary"
    )


@lru_cache(maxsize=16384)
def _guess(text: str) -> str:
    """Return what YAML 1.1 takes a plain scalar for: ``bool``, ``int``, …, ``str``."""
    if len(text) > 100:
        return "str"  # No guess is that long, and the patterns need not be tried on megabytes.
    for tag, pattern in _GUESSES.get(text[0] if text else "", ()):
        if pattern.match(text):
            return str(tag).removeprefix(_PREFIX)
    return "str"


class _Open:
    """A collection that is being filled."""

    __slots__ = ("anchor", "before", "container", "height", "is_merge", "key", "key_mark", "merged")

    def __init__(self, container: Fields | Items, anchor: str | None, before: int) -> None:
        self.container = container
        self.anchor = anchor
        self.before = before
        """Values of the file before it."""
        self.height = 1
        self.key: str | None = None
        self.key_mark: Mark = (0, 0)
        self.is_merge = False
        """The key is ``<<``."""
        self.merged: list[Fields] = []
        """What ``<<`` brings in."""


class _Anchored(Struct, frozen=True):
    value: Any
    is_key: bool
    """It is a scalar, whose text may be a key."""
    text: str
    size: int
    height: int


_MERGE = "<<"


class _Composer:
    """Makes the values of one file."""

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.duplicates: list[Duplicate] = []
        self.count = 0
        self.anchors: dict[str, _Anchored | None] = {}
        """None: the anchored collection is not complete yet."""
        self.stack: list[_Open] = []
        self.root: Any = None
        self.has_root = False

    def compose(self) -> Fields | None:
        """Return the root mapping, or None where a fault is noted."""
        self._refuse_unprintable()
        try:
            self._run(CSafeLoader(self.file.text))
        except yaml.MarkedYAMLError as error:
            raise _syntax(error, self.file) from error
        except yaml.YAMLError as error:
            raise _Stop((0, 0), f"is no YAML: {error}") from error
        if isinstance(self.root, Fields):
            return self.root
        if self.has_root and self.root is not None:
            raise _Stop((0, 0), "the file must hold a mapping", "such as name: …, one field a line")
        raise _Stop((0, 0), "the file is empty")

    def _refuse_unprintable(self) -> None:
        text = self.file.text
        found = Reader.NON_PRINTABLE.search(text)  # PyYAML's own: it takes 4 ms to compile
        places = {text.find(_BYTE_ORDER_MARK), -1 if found is None else found.start()} - {-1}
        if places:
            first = min(places)
            lines = LINE_END.split(text[:first])
            code = f"U+{ord(text[first]):04X}"
            raise _Stop((len(lines) - 1, len(lines[-1])), f"the file holds a control character ({code})")

    def _run(self, parser: CSafeLoader) -> None:
        next_event, scalar = parser.get_event, self._scalar
        documents = 0
        while True:
            event: Any = next_event()
            kind = type(event)
            if kind is ScalarEvent:  # three of four events are scalars
                scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._open(event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._close()
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise _Stop(
                        _mark(event), "the file holds a second document", "one definition is one file"
                    )
            elif event is None or kind is StreamEndEvent:
                return

    def _counted(self, mark: Mark, number: int) -> None:
        self.count += number
        if self.count > MAX_VALUES:
            raise _Stop(mark, f"the file holds more than {MAX_VALUES:,} values", "each alias counts in full")

    def _scalar(self, event: ScalarEvent) -> None:
        start = event.start_mark
        mark = (start.line, start.column) if start else (0, 0)
        text = event.value
        self.count += 1
        if self.count > MAX_VALUES:
            self._counted(mark, 0)
        if "\0" in text:
            raise _Stop(mark, "text must not hold a NUL character")
        stack = self.stack
        if stack:
            top = stack[-1]
            if top.key is None and type(top.container) is Fields:
                if event.anchor is not None:
                    self.anchors[event.anchor] = _Anchored(text, True, text, 1, 0)
                top.is_merge = text == _MERGE and event.implicit[0]
                top.key = text
                top.key_mark = mark
                return
        value = self._value(event, text, mark)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, True, text, 1, 0)
        self._add(value, mark)

    def _value(self, event: ScalarEvent, text: str, mark: Mark) -> Any:
        if event.tag is None:
            guess = _guess(text) if event.implicit[0] else "str"
        elif event.tag == "!":
            guess = "str"
        else:
            guess = event.tag.removeprefix(_PREFIX)
        if guess == "str" or guess in ("value", "merge"):
            return text
        if guess == "null":
            return None
        if guess in ("bool", "int", "float", "timestamp"):
            guessed = Guess(text)
            guessed.tag = guess
            return guessed
        if guess == "binary":
            return self._binary(text, mark)
        self._fault(
            mark, f"unknown tag {quoted(str(event.tag))}", "definitions use !!binary, and no other tag"
        )
        return text

    def _binary(self, text: str, mark: Mark) -> bytes:
        try:
            return base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            self._fault(mark, f"!!binary holds no base64: {error}")
            return b""

    def _fault(self, mark: Mark, message: str, hint: str = "") -> None:
        if len(self.faults) >= MAX_FAULTS:
            raise _Stop(mark, "too many faults; the rest of the file is not read")
        self.faults.append(Fault(place=self.file.place(mark), message=message, hint=hint))

    def _open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        mark = _mark(event)
        self._counted(mark, 1)
        if len(self.stack) >= MAX_DEPTH:
            raise _Stop(mark, f"values are nested deeper than {MAX_DEPTH} levels")
        if self.stack and self.stack[-1].key is None and type(self.stack[-1].container) is Fields:
            raise _Stop(mark, "a field's name must be text, not a list or a mapping", "quote it")
        if event.tag not in (None, "!", f"{_PREFIX}map", f"{_PREFIX}seq"):
            self._fault(
                mark, f"unknown tag {quoted(event.tag)}", "definitions use !!binary, and no other tag"
            )
        is_mapping = isinstance(event, MappingStartEvent)
        container = Fields(self.file, mark) if is_mapping else Items(self.file, mark)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(container, event.anchor, self.count - 1))

    def _close(self) -> None:
        done = self.stack.pop()
        container = done.container
        if done.merged and isinstance(container, Fields):
            _merge(container, done.merged)
        if done.anchor is not None:
            size = self.count - done.before
            self.anchors[done.anchor] = _Anchored(container, False, "", size, done.height)
        if self.stack and self.stack[-1].height <= done.height:
            self.stack[-1].height = done.height + 1
        self._add(container, container.mark)

    def _alias(self, event: AliasEvent) -> None:
        mark = _mark(event)
        name = event.anchor
        if name not in self.anchors:
            raise _Stop(mark, f"unknown alias {quoted(str(name))}", "an anchor &name must stand before it")
        anchored = self.anchors[name]
        if anchored is None:
            raise _Stop(mark, f"alias {quoted(name)} stands inside of what it names")
        self._counted(mark, anchored.size)
        if len(self.stack) + anchored.height > MAX_DEPTH:
            raise _Stop(mark, f"values are nested deeper than {MAX_DEPTH} levels, this alias followed")
        top = self.stack[-1]
        if top.key is None and type(top.container) is Fields:
            if not anchored.is_key:
                raise _Stop(mark, "a field's name must be text, not a list or a mapping")
            top.key, top.key_mark = anchored.text, mark
            return
        top.height = max(top.height, anchored.height + 1)
        self._add(anchored.value, mark)

    def _add(self, value: Any, mark: Mark) -> None:
        """Put a finished value where it belongs."""
        if not self.stack:
            self.root, self.has_root = value, True
            return
        top = self.stack[-1]
        container = top.container
        if isinstance(container, Items):
            container.append(value)
            container.marks.append(mark)
            return
        key = top.key
        assert key is not None
        top.key = None
        if top.is_merge:
            top.is_merge = False
            self._note_merge(top.merged, value, mark)
            return
        if key in container.marks:
            if len(self.duplicates) >= MAX_FAULTS:
                raise _Stop(
                    top.key_mark, "too many fields that stand twice; the rest of the file is not read"
                )
            dropped = self.file.place(container.marks[key][0])
            self.duplicates.append(Duplicate(key, dropped, self.file.place(top.key_mark)))
            del container[key]  # The last one counts, and stands at its own place.
        container[key] = value
        container.marks[key] = (top.key_mark, mark)

    def _note_merge(self, merged: list[Fields], value: Any, mark: Mark) -> None:
        brought = value if isinstance(value, Items) else [value]
        for one in brought:
            if isinstance(one, Fields):
                merged.append(one)
            else:
                self._fault(mark, "<< brings in mappings, and nothing else")


def _merge(container: Fields, merged: list[Fields]) -> None:
    """Add the fields that ``<<`` brings in; own ones count, then those of the first mapping."""
    for brought in merged:
        for key, value in brought.items():
            if key not in container:
                container[key] = value
                container.marks[key] = brought.marks[key]


def _mark(event: Event) -> Mark:
    start = event.start_mark
    return (start.line, start.column) if start else (0, 0)


def _syntax(error: yaml.MarkedYAMLError, file: TextFile) -> _Stop:
    """Return the parser's complaint in our words."""
    at = error.problem_mark or error.context_mark
    mark = (at.line, at.column) if at else (0, 0)
    problem = str(error.problem or error.context or "is no YAML")
    if "maximum nesting depth" in problem:
        # Newer versions of libyaml look ahead over brackets, and have a limit of their own.
        return _Stop(mark, f"values are nested deeper than {MAX_DEPTH} levels")
    message = f"{problem} {error.context}" if error.problem and error.context else problem
    hint = ""
    if file.place(mark).source_line[mark[1] : mark[1] + 1] == "\t":
        hint = "YAML does not take tabs for indentation"
    elif "mapping values are not allowed" in problem:
        hint = "text that holds a colon and a blank must be quoted"
    elif "cannot start any token" in problem:
        hint = "text that begins with this character must be quoted"
    return _Stop(mark, message, hint)
