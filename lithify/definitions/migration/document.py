"""A YAML text that fields are taken from and given to; all that no edit names stays byte for byte.

A round trip through a YAML library keeps comments, but not all layout: of 1,868 real definitions it changes 297 in lines
that nobody asked for. So edits are made in the text itself, at the spots that the parser tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from lithify.definitions.migration.edits import Edit, Moves, applied, without_nested
from lithify.definitions.migration.spans import FieldSpan, MappingSpan, Spans, spans
from lithify.definitions.reading import Contents, read
from lithify.definitions.text import Fields, Guess, Items, Mark

Value = str | Sequence[str]
"""The YAML text of a scalar, or a list of such."""
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_+./-]*")
_DASHES = re.compile(r" *(- +)+")


class CannotEdit(Exception):
    """The text is laid out in a way that an edit cannot be made in; the message says where."""


def scalar(text: str) -> str:
    """Return how a text of one line is written in YAML."""
    if _PLAIN.fullmatch(text):
        said = read("", f"x: {text}\n".encode()).root
        if said is not None and isinstance(said["x"], str) and not isinstance(said["x"], Guess):
            return text
    return "'" + text.replace("'", "''") + "'"


class Document:
    """A file's text, what it says, and the edits that wait for :meth:`finish`."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.before = text
        self._removed: dict[Mark, dict[Mark, bool]] = {}
        """Mapping → fields to take out, by the mark of the key, and whether they stay as comments."""
        self._added: dict[Mark, dict[str, Value]] = {}
        self._replaced: dict[Mark, str] = {}
        self._inserted: list[Edit] = []

    @cached_property
    def contents(self) -> Contents:
        """What the text says, before any edit."""
        return read(self.name, self.before.encode())

    @cached_property
    def _spans(self) -> Spans:
        return spans(self.before)

    @cached_property
    def _owners(self) -> dict[Mark, Mark]:
        """Mark of a key → mark of the mapping that it stands in."""
        return {field.key: mark for mark, mapping in self._spans.mappings.items() for field in mapping.fields}

    @cached_property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.before else "\n"

    def field_at(self, key: Mark) -> tuple[str, bool]:
        """Return the name of the field whose key stands at ``key``, and whether its value is a scalar."""
        fields = self._spans.mappings[self._owners[key]].fields
        field = next(one for one in fields if one.key == key)
        return self.before[field.start : field.key_end].strip("\"'"), field.value in self._spans.scalars

    def remove(self, key: Mark, *, comment: bool) -> None:
        """Take out the field whose key stands at ``key``, or make a comment of it."""
        self._removed.setdefault(self._owners[key], {})[key] = comment

    def add(self, mapping: Fields, name: str, value: Value) -> None:
        """Give a mapping a field behind its last one; in place of its own one of that name, where it has one."""
        if not self._spans.mappings[mapping.mark].fields:
            raise CannotEdit("the mapping is empty")
        if self._added.get(mapping.mark, {}).get(name, value) != value:
            raise CannotEdit(f'"{name}" would have to differ where an alias brings the same mapping')
        if name in mapping.marks and mapping.marks[name][0] in self._owners:
            self.remove(mapping.marks[name][0], comment=False)
        self._added.setdefault(mapping.mark, {})[name] = value

    def append(self, items: Items, text: str) -> None:
        """Give a list of mappings more items, written as lines without indentation."""
        last = self._spans.mappings.get(items.marks[-1])
        if last is None or last.is_flow or not last.fields:
            raise CannotEdit("the list is not laid out with a dash before each item")
        dashes = self.before[self._line_start(last.fields[0].start) : last.fields[0].start]
        if not _DASHES.fullmatch(dashes):
            raise CannotEdit("the list is not laid out with a dash before each item")
        indent = " " * dashes.rindex("-")
        lines = "".join(f"{indent}{line}{self._newline}" for line in text.splitlines())
        self._inserted.append(self._behind(last.fields[-1].end, lines))

    def append_text(self, text: str) -> None:
        """Give the root mapping more fields, as they stand in ``text``."""
        self._inserted.append(self._behind(len(self.before), self._newline.join([*text.splitlines(), ""])))

    def replace(self, value: Mark, text: str) -> None:
        """Write another scalar at ``value``."""
        if value not in self._spans.scalars:
            raise CannotEdit("the value comes by an alias")
        self._replaced[value] = text

    @property
    def is_edited(self) -> bool:
        """Whether edits wait."""
        return bool(self._removed or self._added or self._replaced or self._inserted)

    def finish(self) -> tuple[str, Moves]:
        """Return the text with all edits made, and where its lines went. :class:`CannotEdit` where one cannot be made."""
        edits = [Edit(*self._spans.scalars[mark], text) for mark, text in self._replaced.items()]
        edits += self._inserted
        for mark, removed in self._removed.items():
            edits += self._without(self._spans.mappings[mark], removed)
        for mark, added in self._added.items():
            edits += self._with(self._spans.mappings[mark], added)
        edits = without_nested(edits)
        after = applied(self.before, edits)
        if read(self.name, after.encode()).root is None:
            raise CannotEdit("the file would be no YAML any more")
        return after, Moves(self.before, edits)

    # Fields that go

    def _without(self, mapping: MappingSpan, removed: dict[Mark, bool]) -> Iterator[Edit]:
        fields = mapping.fields
        if mapping.is_flow:
            for index, field in enumerate(fields):
                if field.key in removed:
                    yield self._out_of_flow(fields, index, removed)
            return
        kept = [field for field in fields if field.key not in removed]
        before_key = self.before[self._line_start(fields[0].start) : fields[0].start]
        rest = fields
        if fields[0].key in removed and before_key.strip():
            if not _DASHES.fullmatch(before_key) or not kept:
                raise CannotEdit(f"line {fields[0].key[0] + 1} holds more than the field")
            leading = fields[: fields.index(kept[0])]
            yield self._moved_up(before_key, leading, kept[0], removed)
            rest = fields[len(leading) :]
        for field in rest:
            if field.key in removed:
                start, end = self._line_start(field.start), self._line_end(field.end)
                lines = self._lines(start, end) if removed[field.key] else []
                yield Edit(start, end, "".join(_commented(line, field.start - start) for line in lines))

    def _out_of_flow(self, fields: list[FieldSpan], index: int, removed: dict[Mark, bool]) -> Edit:
        field = fields[index]
        if any(other.key not in removed for other in fields[:index]):
            return Edit(fields[index - 1].end, field.end, "")
        return Edit(field.start, fields[index + 1].start if index + 1 < len(fields) else field.end, "")

    def _moved_up(
        self, dashes: str, leading: list[FieldSpan], kept: FieldSpan, removed: dict[Mark, bool]
    ) -> Edit:
        """Return the edit that puts ``kept`` behind the dash; what goes for it stays as comments above, where it is to."""
        start = self._line_start(leading[0].start)
        indent = len(dashes) - len(dashes.lstrip())
        above: list[str] = []
        ends = [*(field.start for field in leading[1:]), kept.start]
        for field, end in zip(leading, ends, strict=True):
            content_end = self._line_end(field.end)
            if removed[field.key]:
                lines = self._lines(field.start, content_end)
                above += [" " * indent + "# " + line[_blanks(line, len(dashes)) :] for line in lines]
            above += [line for line in self._lines(content_end, self._line_start(end)) if line.strip()]
        return Edit(start, kept.start, "".join(above) + dashes)

    # Fields that come

    def _with(self, mapping: MappingSpan, added: dict[str, Value]) -> Iterator[Edit]:
        end = mapping.fields[-1].end
        if mapping.is_flow:
            yield Edit(end, end, "".join(f", {name}: {_flow(value)}" for name, value in added.items()))
            return
        indent = " " * mapping.fields[0].key[1]
        lines = [line for name, value in added.items() for line in _block(name, value)]
        yield self._behind(end, "".join(f"{indent}{line}{self._newline}" for line in lines))

    def _behind(self, offset: int, lines: str) -> Edit:
        """Return the edit that puts whole lines behind the one that ends with the character before ``offset``."""
        end = self._line_end(offset)
        is_complete = not end or self.before[end - 1] == "\n"
        return Edit(end, end, lines if is_complete else self._newline + lines)

    # Lines

    def _line_start(self, offset: int) -> int:
        return self.before.rfind("\n", 0, offset) + 1

    def _line_end(self, offset: int) -> int:
        """Return where the line ends that the character before ``offset`` stands in, its newline included."""
        found = self.before.find("\n", max(offset - 1, 0))
        return len(self.before) if found < 0 else found + 1

    def _lines(self, start: int, end: int) -> list[str]:
        return self.before[start:end].splitlines(keepends=True)


def _commented(line: str, column: int) -> str:
    """Return a line as a comment that begins at ``column``, or where its text begins before that."""
    at = _blanks(line, column)
    return f"{line[:at]}# {line[at:]}" if line.strip() else line


def _blanks(line: str, most: int) -> int:
    """Return how many blanks a line begins with, at most so many."""
    return min(len(line) - len(line.lstrip(" ")), most)


def _flow(value: Value) -> str:
    return value if isinstance(value, str) else f"[{', '.join(value)}]"


def _block(name: str, value: Value) -> list[str]:
    if isinstance(value, str):
        return [f"{name}: {value}"]
    return [f"{name}:", *(f"- {item}" for item in value)] if value else [f"{name}: []"]
