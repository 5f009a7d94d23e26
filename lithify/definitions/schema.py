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

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema

from lithify.definitions.architectures import ARCHITECTURES
from lithify.definitions.base import Definition
from lithify.definitions.formats import FIRST_FORMAT, IGNORED, LATEST, OBSOLETE, Format
from lithify.definitions.loading import KINDS
from lithify.definitions.model import STEPS, DefaultsFile, Deployment
from lithify.definitions.scalars import TEXT_SCHEMA

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: Mapping[str, type[Definition]] = {**KINDS, "defaults": DefaultsFile}
"""What there are schemas of."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, with text and flags as an editor sees them."""

    schema_dialect = DIALECT

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Nothing: a default that is no JSON is an empty one, and left out."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Text, as a YAML parser may give it."""
        made = super().str_schema(schema)
        return made if "pattern" in made else {**made, **TEXT_SCHEMA}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """A flag, as a YAML parser of version 1.1 or 1.2 gives it."""
        return {"anyOf": [super().bool_schema(schema), {"enum": ["yes", "no", "on", "off"]}]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """What may be left out: None is not written, the field is not there."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A field with its default, where that says something."""
        made = super().default_schema(schema)
        if made.get("default", "") in (None, "", [], {}):
            made = {key: value for key, value in made.items() if key != "default"}
        return made

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Sources, without OpenAPI's keyword for their ``kind``."""
        made = super().tagged_union_schema(schema)
        return {key: value for key, value in made.items() if key != "discriminator"}


def schema(kind: str, form: Format = LATEST) -> dict[str, Any]:
    """Return the schema of files of ``kind``, a key of :data:`SCHEMAS`, in a format of the language."""
    model = SCHEMAS[kind]
    made = model.model_json_schema(by_alias=True, schema_generator=_Generator, mode="validation")
    models = {one.__name__: one for one in all_models()}
    for name, part in (made.get("$defs") or {}).items():
        _refine(part, models[name], form)
    _refine(made, model, form)
    title = f"lithify {kind}, format {form.number}"
    return {"$schema": DIALECT, **made, "title": title}


def all_models(model: type[Definition] = Definition) -> list[type[Definition]]:
    """Return all models of the language."""
    return [one for below in model.__subclasses__() for one in (below, *all_models(below))]


def _refine(part: dict[str, Any], model: type[Definition], form: Format) -> None:
    """Make the schema of one mapping say what this format reads, with the models' own words."""
    kind = model.kind_of_mapping
    properties: dict[str, Any] = part.get("properties", {})
    documentation = field_documentation(model)
    for alias, attribute in model.field_names().items():
        if FIRST_FORMAT.get((kind, alias), 0) > form.number:
            properties.pop(alias, None)
        elif attribute in documentation:
            properties[alias].setdefault("description", documentation[attribute])
    for name in properties:
        properties[name].pop("title", None)
    if "kind" in properties:
        part["required"] = list(dict.fromkeys(["kind", *part.get("required", [])]))
        properties["kind"].pop("default", None)
    for name in properties.keys() - set(part.get("required", ())):
        properties[name] = _or_null(properties[name])
    if "arch" in properties and kind == "system":
        properties["arch"]["enum"] = [*ARCHITECTURES, *form.old_architectures]
    if model is Deployment:
        properties.pop("values", None)
        part["additionalProperties"] = True
    elif model.strict_fields or form.unknown_inner_field == "error":
        for name in _tolerated(kind, form):
            properties.setdefault(name, {"deprecated": True})
    else:
        part["additionalProperties"] = True
    part["description"] = plain(inspect.getdoc(model) or "")


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
    """Return what the model's source says of each field, in the text below it; attribute → plain text.

    Read here and not by pydantic, which would parse the source each time the program starts.
    """
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
        if attribute in model.model_fields:
            found.setdefault(attribute, f"Commands of the step {step}; left out: those of the build system.")
    return found


def plain(text: str) -> str:
    """Return documentation without its marks, on one line a paragraph."""
    paragraphs = textwrap.dedent(text).replace("``", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
