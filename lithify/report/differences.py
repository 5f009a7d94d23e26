"""What differs between systems of two commits, as lines for people and as data. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from lithify.graph.difference import Change, changes
from lithify.graph.model import SystemGraph

Describe = Callable[[Change], tuple[str, str]]
"""The two refs of a change of a ``ref``, as people know them."""


class SystemDifference(Struct, frozen=True, kw_only=True):
    """One system in two commits; None where it is not."""

    file: str
    old: SystemGraph | None
    new: SystemGraph | None
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """The system's name."""
        graph = self.new or self.old
        return self.file if graph is None else graph.system.name


def compare(file: str, old: SystemGraph | None, new: SystemGraph | None) -> SystemDifference:
    """Return what differs in one system."""
    found = changes(old, new) if old is not None and new is not None else ()
    return SystemDifference(file=file, old=old, new=new, changes=found)


def text_lines(systems: Sequence[SystemDifference], describe: Describe) -> Iterator[str]:
    """Yield what differs in any of the systems, each difference once.

    A chunk or stratum that was added to one system, and was in another before, is said to be added *to* that system.
    """
    before = {one for system in systems for one in _members(system.old)}
    after = {one for system in systems for one in _members(system.new)}
    seen: set[tuple[str, ...]] = set()
    for system in systems:
        if system.old is None or system.new is None:
            yield f"{system.name} was {'removed' if system.new is None else 'added'}"
            continue
        for change in system.changes:
            member = (change.kind, change.name)
            if change.what == "added":
                lines: tuple[str, ...] = (
                    f"{change.name} was added{f' to {system.name}' if member in before else ''}",
                )
            elif change.what == "removed":
                lines = (f"{change.name} was removed{f' from {system.name}' if member in after else ''}",)
            else:
                lines = tuple(_change_lines(change, describe))
            if lines not in seen:
                seen.add(lines)
                yield from lines


def lines_by_system(systems: Sequence[SystemDifference], describe: Describe) -> Iterator[str]:
    """Yield what differs in each of the systems, below its name."""
    for system in systems:
        lines = list(text_lines([system], describe))
        if system.old is None or system.new is None:
            yield from lines
        elif lines:
            yield f"{system.name}:"
            yield from (f"  {line}" for line in lines)


def _members(graph: SystemGraph | None) -> Iterator[tuple[str, str]]:
    if graph is not None:
        yield from (("stratum", name) for name in graph.strata)
        yield from (("chunk", name) for name in graph.chunks)


def _change_lines(change: Change, describe: Describe) -> Iterator[str]:
    name, what = change.name, change.what
    if what == "ref":
        old, new = describe(change)
        if old != new:
            yield f"{name} ref changed from {old} to {new}"
    elif what == "stratum":
        yield f"{name} was moved from stratum {change.old} to stratum {change.new}"
    elif isinstance(change.old, (str, int, float, type(None))) and isinstance(
        change.new, (str, int, float, type(None))
    ):
        yield f"{name} {what} changed from {_word(change.old)} to {_word(change.new)}"
    else:
        yield f"{name} {what} changed"
        yield from _line_differences(change)


def _line_differences(change: Change) -> Iterator[str]:
    """Yield the items that went and came, without those that stayed."""
    old, new = _items(change.old), _items(change.new)
    for kind, start, end, new_start, new_end in difflib.SequenceMatcher(
        a=old, b=new, autojunk=False
    ).get_opcodes():
        if kind != "equal":
            yield from (f"  - {line}" for item in old[start:end] for line in item.splitlines())
            yield from (f"  + {line}" for item in new[new_start:new_end] for line in item.splitlines())


def _items(value: Any) -> list[str]:
    plain = plain_value(value)
    if isinstance(plain, Mapping):
        return [f"{key}: {_word(item)}" for key, item in plain.items()]
    if isinstance(plain, list):
        return [_word(item) for item in plain]
    return [_word(plain)]


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def plain_value(value: Any) -> Any:
    """Return a value of a change as JSON can have it; bytes that are no text are shown with escapes."""
    if isinstance(value, Struct):
        return {key: plain_value(item) for key, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(item) for item in value]
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def as_data(system: SystemDifference) -> dict[str, Any]:
    """Return what differs in one system, for programs."""
    state = "added" if system.old is None else "removed" if system.new is None else "changed"
    return {
        "system": system.name,
        "file": system.file,
        "state": state if system.changes or state != "changed" else "unchanged",
        "changes": [
            {
                "kind": change.kind,
                "name": change.name,
                "what": change.what,
                "old": plain_value(change.old),
                "new": plain_value(change.new),
            }
            for change in system.changes
        ],
    }
