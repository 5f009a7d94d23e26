"""Mappings of the language are read, field by field, as their classes say it.

An annotation is understood once, when the first mapping of its class is read: ``str`` is text, ``tuple[X, ...]`` a list,
``Mapping[str, X]`` a mapping, ``Literal`` a choice of words, and a class a mapping with the fields of that class; a field
of ``X | None`` is an ``X``, since a null is a field that is not there.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT

from lithify.definitions.base import Definition
from lithify.definitions.context import MAX_FAULTS, Reading
from lithify.definitions.flaws import Flaw, Wrong
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.nearest import did_you_mean
from lithify.definitions.readers import TEXT, ByKind, Read, Reader, Then
from lithify.definitions.text import Fields, describe, quoted

T = TypeVar("T", bound=Definition)


class Field(NamedTuple):
    """A field of a mapping."""

    name: str
    """As it stands in text."""
    attribute: str
    read: Read
    default: Any
    """NODEFAULT where it must be given."""
    schema: Mapping[str, Any]
    """Its JSON Schema."""

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is NODEFAULT


@cache
def fields_of(model: type[Definition]) -> tuple[Field, ...]:
    """Return the fields of a class, those of its bases first."""
    hints = get_type_hints(model, include_extras=True)
    fields = []
    for attribute, default in _defaults(model):
        reader = reader_of(hints[attribute])
        fields.append(Field(attribute.replace("_", "-"), attribute, reader.read, default, reader.schema))
    return tuple(fields)


def _defaults(model: type[Definition]) -> Iterator[tuple[str, Any]]:
    """Yield attributes and their defaults; msgspec has those of the last attributes alone."""
    attributes, defaults = model.__struct_fields__, model.__struct_defaults__
    without = len(attributes) - len(defaults)
    return zip(attributes, (*(NODEFAULT,) * without, *defaults), strict=True)


def read_definition(model: type[T], data: object, reading: Reading) -> T:
    """Return the mapping that ``data`` says; raises :class:`Wrong` with all flaws in it, in the order of the fields.

    Raises :class:`~lithify.definitions.context.TooManyFaults` where there is no end of them.
    """
    if not isinstance(data, Fields):
        reading.note_misfit()
        raise Wrong(f"must be a mapping, not {describe(data)}")
    given = model.fields_given(data, reading)
    order, required = _order_of(model)
    values: dict[str, Any] = {}
    found: list[tuple[int, Flaw]] = []
    for name in sorted(given, key=order.__getitem__):
        value = given[name]
        if value is not None:
            place, attribute, read = order[name]
            try:
                values[attribute] = read(value, reading)
            except Wrong as wrong:
                found.extend((place, flaw) for flaw in wrong.below(name))
    found += [(order[name][0], _missing(data, name)) for name in required if given.get(name) is None]
    if found:
        flaws = [flaw for _, flaw in sorted(found, key=itemgetter(0))]
        reading.note_failure(data, flaws)
        raise Wrong.of(flaws)
    made = model(**values)
    made.set_origin(data, given)
    return made


@cache
def _order_of(model: type[Definition]) -> tuple[Mapping[str, tuple[int, str, Read]], tuple[str, ...]]:
    """Return name → (which field of the class it is, attribute, what reads it), and the names that must be there."""
    fields = fields_of(model)
    order = {field.name: (place, field.attribute, field.read) for place, field in enumerate(fields)}
    return order, tuple(field.name for field in fields if field.is_required)


def _missing(data: Fields, name: str) -> Flaw:
    if name in data:
        return Flaw((name,), f'field "{name}" has no value', is_whole=True, at_key=True)
    return Flaw((), f'missing field "{name}"', is_whole=True)


def reader_of(annotation: Any) -> Reader:
    """Return what reads the values of an annotation."""
    if annotation is str:
        return TEXT
    if isinstance(annotation, type) and issubclass(annotation, Definition):
        return _mapping_of(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _marked(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        (wanted,) = (one for one in arguments if one is not types.NoneType)
        return reader_of(wanted)
    if origin is tuple:
        return _list_of(reader_of(arguments[0]))
    if origin is Literal:
        return _one_of(arguments)
    assert issubclass(origin, Mapping), annotation
    return _map_to(reader_of(arguments[1]))


def _marked(annotation: Any, marks: tuple[Any, ...]) -> Reader:
    """Return what reads ``Annotated[annotation, *marks]``: the last mark counts, and says whether the others do."""
    match marks[-1]:
        case Reader() as reader:
            return reader
        case ByKind(what):
            return _by_kind(get_args(annotation), what)
        case Then(make, written, schema):
            before = Annotated[annotation, *marks[:-1]] if marks[:-1] else annotation
            return _then(reader_of(before if written is None else written), make, schema)
    raise TypeError(f"{marks[-1]!r} says not how a value is read")


def _then(reader: Reader, make: Any, schema: Mapping[str, Any]) -> Reader:
    read_value = reader.read
    return Reader(
        lambda value, reading: make(read_value(value, reading)),
        dict(sorted({**reader.schema, **schema}.items())),
    )


def _mapping_of(model: type[Definition]) -> Reader:
    return Reader(
        lambda value, reading: read_definition(model, value, reading),
        {"$ref": f"#/$defs/{model.__name__}"},
    )


def _read_each(items: Iterable[tuple[str | int, object]], read: Read, reading: Reading) -> list[Any]:
    """Return what the values of ``items`` say, in order; raises :class:`Wrong` with all flaws, each at its step."""
    made: list[Any] = []
    flaws: list[Flaw] = []
    for step, one in items:
        try:
            made.append(read(one, reading))
        except Wrong as wrong:
            flaws.extend(wrong.below(step))
            if len(flaws) > MAX_FAULTS:
                break  # more are not told
    if flaws:
        raise Wrong.of(flaws)
    return made


def _list_of(item: Reader) -> Reader:
    read_item = item.read

    def read(value: object, reading: Reading) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(f"must be a list, not {describe(value)}", "a list has a - before each item")
        return tuple(_read_each(enumerate(value), read_item, reading))

    return Reader(read, {"items": item.schema, "type": "array"})


def _map_to(item: Reader) -> Reader:
    read_item = item.read

    def read(value: object, reading: Reading) -> FrozenMap[Any]:
        if not isinstance(value, dict):
            raise Wrong(f"must be a mapping, not {describe(value)}")
        return FrozenMap(dict(zip(value, _read_each(value.items(), read_item, reading), strict=True)))

    return Reader(read, {"additionalProperties": item.schema, "type": "object"})


def _one_of(words: tuple[str, ...]) -> Reader:
    *first, last = map(quoted, words)
    expected = f"{', '.join(first)} or {last}" if first else last
    known = {word: word for word in words}

    def read(value: object, reading: Reading) -> str:
        found = known.get(value) if isinstance(value, str) else None
        if found is None:
            hint = did_you_mean(str(value), words)
            raise Wrong(f"must be {expected}, not {describe(value)}", hint)
        return found

    choice = {"enum": list(words)} if first else {"const": last.strip('"')}
    return Reader(read, {**choice, "type": "string"})


def _kind(model: type[Definition]) -> str:
    """Return what ``kind:`` says of a mapping: the default of that field."""
    return str(next(default for attribute, default in _defaults(model) if attribute == "kind"))


def _by_kind(models: tuple[type[Definition], ...], what: str) -> Reader:
    """Return what reads one of several mappings."""
    kinds = {_kind(model): model for model in models}

    def read(value: object, reading: Reading) -> Definition:
        if not isinstance(value, Fields):
            raise Wrong(f"must be a mapping, not {describe(value)}")
        kind = value.get("kind")
        if kind is None:
            raise Wrong.of([_missing(value, "kind")])
        model = kinds.get(kind) if isinstance(kind, str) else None
        if model is None:
            word = str(kind)
            hint = did_you_mean(word, kinds) or "one of " + ", ".join(kinds)
            raise Wrong.of([Flaw(("kind",), f"unknown kind of {what} {quoted(word)}", hint, is_whole=True)])
        return read_definition(model, value, reading)

    return Reader(read, {"oneOf": [_mapping_of(model).schema for model in models]})
