"""``lithify.lock``: what each declared source is pinned to.

Text that merges well: blocks sorted by what they pin, a blank line between them, one line a package. A block begins with the
source's identity (:func:`lithify.graph.pins.source_identity`); the lines under it, indented, are its kind's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from lithify.crash import crash_point
from lithify.definitions.model import Source
from lithify.errors import DefinitionErrors, Fault, Place, SourceError
from lithify.graph.pins import Pin, source_identity
from lithify.sources.kinds import KINDS
from lithify.sources.lock_words import split_words

LOCK_NAME = "lithify.lock"
_HEADER = "# Written by `lithify lock`; what every source is pinned to. Lock format 1."
_LARGEST = 64 << 20
_CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")


class Lock(Struct, frozen=True, kw_only=True):
    """The pins of a definitions tree."""

    pins: Mapping[str, Pin] = field(default_factory=dict)
    """Identity of a declared source → its pin."""

    def get(self, source: Source) -> Pin | None:
        """Return the pin of a declared source, or None."""
        return self.pins.get(source_identity(source))


def read_lock(path: Path) -> Lock:
    """Return the lock in a file; one that does not exist pins nothing.

    Raises :class:`DefinitionErrors` with the place of everything that cannot be understood.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return parse_lock(content, path.name)


def parse_lock(content: bytes, name: str) -> Lock:
    """Return the lock that a text stands for; ``name`` is the file's in messages."""
    if len(content) > _LARGEST:
        raise DefinitionErrors([Fault(place=Place(name), message=f"larger than {_LARGEST >> 20} MiB")])
    reader = _Reader(name)
    for number, raw in enumerate(content.split(b"\n"), 1):
        reader.take(number, raw)
        if len(reader.faults) >= _MOST_FAULTS:
            break
    reader.end_block()
    if reader.faults:
        raise DefinitionErrors(reader.faults)
    return Lock(pins=reader.pins)


_MOST_FAULTS = 100
"""Then it is no lock file, and the rest would say the same."""
_LONGEST_TOLD = 500
"""Characters of a line that are shown."""


class _Reader:
    """Collects blocks, and the faults of all of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.pins: dict[str, Pin] = {}
        self.faults: list[Fault] = []
        self._identity = ""
        self._line = 0
        self._lines: list[list[str]] = []
        self._is_whole = True

    def take(self, number: int, raw: bytes) -> None:
        """Read one line."""
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self._fault(number, "not UTF-8 text", "")
            return
        if text.startswith(_CONFLICT):
            self._fault(number, "a merge conflict", text, "take either side, then run `lithify lock`")
        elif not text.strip() or text.startswith("#"):
            return
        elif not text[0].isspace():
            self.end_block()
            self._identity, self._line = text.rstrip(), number
        elif not self._identity:
            self._fault(number, "a line that belongs to no source", text)
        else:
            try:
                self._lines.append(split_words(text))
            except ValueError as error:
                self._fault(number, str(error), text)

    def end_block(self) -> None:
        """Make a pin of the lines under the last identity."""
        identity, lines, line, is_whole = self._identity, self._lines, self._line, self._is_whole
        self._identity, self._lines, self._is_whole = "", [], True
        if not identity or not is_whole:
            return
        kind = KINDS.get(identity.partition(" ")[0])
        if kind is None:
            self._fault(line, f"unknown kind of source {identity.partition(' ')[0][:80]}", identity)
        elif identity in self.pins:
            self._fault(line, "a source that is pinned already", identity, _RENEW)
        else:
            try:
                self.pins[identity] = kind.read_pin(lines)
            except (ValueError, IndexError) as error:
                self._fault(line, str(error), identity, _RENEW)
        self._is_whole = True

    def _fault(self, line: int, message: str, text: str, hint: str = "") -> None:
        self._is_whole = False
        place = Place(self._name, line, 1, text[:_LONGEST_TOLD])
        self.faults.append(Fault(place=place, message=message, hint=hint))


_RENEW = "remove the block, then run `lithify lock`"


def format_lock(lock: Lock) -> str:
    """Return the text that stands for a lock."""
    blocks = [_HEADER]
    for identity in sorted(lock.pins):
        pin = lock.pins[identity]
        blocks.append("\n".join([identity, *(f"  {line}" for line in KINDS[pin.kind].write_pin(pin))]))
    return "\n\n".join(blocks) + "\n"


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock, whole or not at all; a file that says the same already is left alone."""
    content = format_lock(lock).encode()
    aside = path.with_name(f".{path.name}.partial")
    try:
        if path.exists() and path.read_bytes() == content:
            return
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        crash_point("lock.replace")
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise SourceError(f"{path} cannot be written: {error.strerror}") from error


def differences(before: Pin | None, after: Pin | None) -> Sequence[tuple[str, str, str]]:
    """Return (name, old version, new version) of what moved between two pins, sorted; "" where there was or is none."""
    old = KINDS[before.kind].parts(before) if before else {}
    new = KINDS[after.kind].parts(after) if after else {}
    names = sorted({*old, *new})
    return [(name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name)]
