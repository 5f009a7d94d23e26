"""What is left of a file without the parts that are wrong, so that these hide nothing that is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from msgspec import Struct

from lithify.definitions.base import Definition
from lithify.definitions.context import Reading, TooManyFaults
from lithify.definitions.fields import read_definition
from lithify.definitions.flaws import Wrong
from lithify.definitions.formats import Format
from lithify.definitions.text import Fields, Items

T = TypeVar("T", bound=Definition)


class Remains(Struct, Generic[T], frozen=True):
    """A file without some of its parts: good to look for more faults in, and for nothing else."""

    file: T
    gone: frozenset[str]
    """Names of what was left out of its lists, such as chunks of a stratum."""


def remains_of(
    model: type[T], root: Fields, broken: Iterable[tuple[str | int, ...]], form: Format
) -> Remains[T] | None:
    """Return what a file says without the items of its lists, and the fields, that the paths ``broken`` lead into.

    None where it says nothing without them: a field that it must have is one of them.
    """
    fields: set[str] = set()
    items: dict[str, set[int]] = {}
    for path in broken:
        match path:
            case (str(field), int(index), *_):
                items.setdefault(field, set()).add(index)
            case (str(field), *_):
                fields.add(field)
            case _:
                return None
    left = Fields(root.file, root.mark)
    left.update((name, value) for name, value in root.items() if name not in fields)
    left.marks = root.marks
    gone: set[str] = set()
    for field in items.keys() - fields:
        left[field] = _without(root[field], items[field])
        gone.update(_names(root[field][index] for index in items[field]))
    try:
        return Remains(read_definition(model, left, Reading(form)), frozenset(gone))
    except (Wrong, TooManyFaults):
        return None


def _without(items: Items, indices: set[int]) -> Items:
    left = Items(items.file, items.mark)
    for index, (item, mark) in enumerate(zip(items, items.marks, strict=True)):
        if index not in indices:
            left.append(item)
            left.marks.append(mark)
    return left


def _names(items: Iterable[object]) -> Iterable[str]:
    names = (item.get("name") for item in items if isinstance(item, Fields))
    return (name for name in names if isinstance(name, str))
