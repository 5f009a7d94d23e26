"""JSON Schema 2020-12 of the definitions language, made from the models, for editors.

An editor's YAML parser knows no schema while it reads, and gives numbers and booleans where an author wrote ``0.22`` or
``yes``; lithify takes what was written. So text may be a number here, and a flag may be a word.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from msgspec import json

from lithify.definitions.architectures import ARCHITECTURES
from lithify.definitions.base import Definition
from lithify.definitions.fields import Field, fields_of
from lithify.definitions.formats import FIRST_FORMAT, IGNORED, LATEST, OBSOLETE, Format
from lithify.definitions.loading import KINDS
from lithify.definitions.model import STEPS, DefaultsFile, Deployment

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: Mapping[str, type[Definition]] = {**KINDS, "defaults": DefaultsFile}
"""What there are schemas of."""


def schema(kind: str, form: Format = LATEST) -> dict[str, Any]:
    """Return the schema of files of ``kind``, a key of :data:`SCHEMAS`, in a format of the language."""
    file = _of_mapping(SCHEMAS[kind], form)
    named = {model.__name__: model for model in all_models()}
    parts: dict[str, Any] = {}
    pending = _named_in(file)
    while pending:
        name = pending.pop()
        if name not in parts:
            parts[name] = _of_mapping(named[name], form)
            pending |= _named_in(parts[name])
    definitions = {"$defs": dict(sorted(parts.items()))} if parts else {}
    return {"$schema": DIALECT, **definitions, **file, "title": f"lithify {kind}, format {form.number}"}


def _named_in(part: Any) -> set[str]:
    """Return the names of the mappings that a schema refers to."""
    if isinstance(part, Mapping):
        own = {str(part["$ref"]).rpartition("/")[2]} if "$ref" in part else set()
        return own.union(*map(_named_in, part.values()))
    return set().union(*map(_named_in, part)) if isinstance(part, list) else set()


def all_models(model: type[Definition] = Definition) -> list[type[Definition]]:
    """Return all models of the language, which are those of this package."""
    below = [one for one in model.__subclasses__() if one.__module__.startswith(f"{__package__}.")]
    return [one for model in below for one in (model, *all_models(model))]


def _of_mapping(model: type[Definition], form: Format) -> dict[str, Any]:
    """Return the schema of one mapping: what this format reads, with the models' own words."""
    kind = model.kind_of_mapping
    fields = [
        field
        for field in _variables_left_out(model)
        if FIRST_FORMAT.get((kind, field.name), 0) <= form.number
    ]
    required = [field.name for field in fields if field.is_required]
    if "kind" in model.field_names():
        required.insert(0, "kind")
    documentation = field_documentation(model)
    properties: dict[str, Any] = {}
    for field in fields:
        value = _with_default(field)
        if field.attribute in documentation:
            value["description"] = documentation[field.attribute]
        properties[field.name] = value if field.name in required else _or_null(value)
    if "arch" in properties and kind == "system":
        properties["arch"]["enum"] = [*ARCHITECTURES, *form.old_architectures]
    is_closed = model is not Deployment and (model.strict_fields or form.unknown_inner_field == "error")
    if is_closed:
        for name in _tolerated(kind, form):
            properties.setdefault(name, {"deprecated": True})
    return {
        "additionalProperties": not is_closed,
        "description": plain(inspect.getdoc(model) or ""),
        "properties": properties,
        **({"required": required} if required else {}),
        "title": model.__name__,
        "type": "object",
    }


def _variables_left_out(model: type[Definition]) -> list[Field]:
    """Return the fields that stand in text as such: all but the variables of a deployment."""
    return [field for field in fields_of(model) if field.name in model.field_names()]


def _with_default(field: Field) -> dict[str, Any]:
    """Return the schema of a field's value, with its default where that says something."""
    default = field.default
    if (
        field.is_required
        or field.name == "kind"
        or isinstance(default, Definition)
        or default in (None, "", (), {})
    ):
        return dict(field.schema)
    return dict(sorted({**field.schema, "default": json.decode(json.encode(default))}.items()))


def _or_null(value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that may be there without a value, which is as if it were not there."""
    null = {"type": "null"}
    if "anyOf" in value:
        return {**value, "anyOf": [*value["anyOf"], null]}
    said = {key: text for key, text in value.items() if key in ("description", "default", "title")}
    of_value = {key: text for key, text in value.items() if key not in said}
    return {**said, "anyOf": [of_value, null]} if of_value else value


def _tolerated(kind: str, form: Format) -> tuple[str, ...]:
    """Return fields that this format accepts and nothing reads."""
    ignored = IGNORED.get(kind, ()) if form.number < LATEST.number else ()
    obsolete = OBSOLETE.get(kind, ()) if form.obsolete_fields == "warning" else ()
    return (*ignored, *obsolete)


@cache
def field_documentation(model: type[Definition]) -> Mapping[str, str]:
    """Return what the model's source says of each field, in the text below it; attribute → plain text."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if not (issubclass(one, Definition) and one is not Definition):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, below in pairwise(body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[field.target.id] = plain(str(below.value.value))
    for step in STEPS:
        attribute = f"{step.replace('-', '_')}_commands"
        if attribute in model.__struct_fields__:
            found.setdefault(attribute, f"Commands of the step {step}; left out: those of the build system.")
    return found


def plain(text: str) -> str:
    """Return documentation without its marks, on one line a paragraph."""
    paragraphs = textwrap.dedent(text).replace("``", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
