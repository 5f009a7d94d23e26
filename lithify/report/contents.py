"""In what two trees differ, file by file, and how two files differ: for a build that did not come out the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from lithify.build.metadata import Content
from lithify.store.entries import Entry
from lithify.store.reading import Repository

SHOWN_LINES = 20
_TEXT_BYTES = 1 << 20
"""Of larger files no lines are compared."""
_BLOCK = 1 << 16
_AROUND = 16


class ContentDifference(Struct, frozen=True, kw_only=True):
    """One path that is not the same in two trees."""

    path: str
    what: str
    """In a few words: ``mode 0644 against 0755``."""
    old: Path | None = None
    """The file objects, where the contents of two files differ."""
    new: Path | None = None


def content_differences(repository: Repository, old: Content, new: Content) -> Iterator[ContentDifference]:
    """Yield what differs between two trees, by path; in the store's namespace."""
    if old.digest == new.digest:
        return
    before = {entry.path: entry for entry in repository.entries(old.tree, old.manifest)}
    after = {entry.path: entry for entry in repository.entries(new.tree, new.manifest)}
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one is None or other is None:
            yield ContentDifference(path=path, what="is new" if one is None else "is missing")
            continue
        what = _difference(one, other)
        if what:
            contents = one.kind == other.kind == "file" and one.checksum != other.checksum and what == CONTENT
            places = [repository.file_path(entry.checksum) if contents else None for entry in (one, other)]
            yield ContentDifference(path=path, what=what, old=places[0], new=places[1])


CONTENT = "other content"


def _difference(one: Entry, other: Entry) -> str:
    if one.kind != other.kind:
        return f"{one.kind} against {other.kind}"
    pairs = (
        ("mode", f"{one.mode:04o}", f"{other.mode:04o}"),
        ("owner", f"{one.uid}:{one.gid}", f"{other.uid}:{other.gid}"),
        ("target", one.target, other.target),
        ("link to", one.hardlink_to, other.hardlink_to),
        ("extended attributes", _names(one), _names(other)),
        ("device", str(one.device), str(other.device)),
    )
    for name, old, new in pairs:
        if old != new:
            return f"{name} {old or 'none'} against {new or 'none'}"
    if one.kind != "dir" and one.checksum != other.checksum:
        return CONTENT
    return ""


def _names(entry: Entry) -> str:
    return " ".join(f"{name.decode(errors='replace')}={value.hex()}" for name, value in entry.xattrs)


def short_difference(old: Path, new: Path) -> list[str]:
    """Return the first lines in which two files differ; of what is no text, the first bytes, with where they stand."""
    one, other = _text(old), _text(new)
    if one is not None and other is not None:
        lines = difflib.unified_diff(
            one.splitlines(), other.splitlines(), "built before", "built again", n=1, lineterm=""
        )
        found = list(islice(lines, SHOWN_LINES + 1))
        return [*found[:SHOWN_LINES], "…"] if len(found) > SHOWN_LINES else found
    return _first_bytes(old, new)


def _text(path: Path) -> str | None:
    with open(path, "rb") as file:
        content = file.read(_TEXT_BYTES + 1)
    if len(content) > _TEXT_BYTES or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _first_bytes(old: Path, new: Path) -> list[str]:
    sizes = (old.stat().st_size, new.stat().st_size)
    lines = [f"{sizes[0]} bytes against {sizes[1]}"] if sizes[0] != sizes[1] else []
    at = 0
    with open(old, "rb") as one, open(new, "rb") as other:
        while True:
            left, right = one.read(_BLOCK), other.read(_BLOCK)
            if left != right:
                break
            if not left:
                return lines
            at += len(left)
    inside = next(
        (number for number, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
        min(len(left), len(right)),
    )
    start = max(0, inside - _AROUND // 2)
    for mark, part in (("-", left), ("+", right)):
        shown = part[start : start + _AROUND]
        printed = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in shown)
        lines.append(f"{mark}{at + start:#010x}  {shown.hex(' ')}  {printed}")
    return lines
