"""The reference of the definitions language, made of its models; the examples are checked against the same models."""

from __future__ import annotations

import inspect
from typing import Any

from docs.generator.builtin import built_in_section, formats_section
from docs.generator.examples import EXAMPLES, SECTIONS
from docs.generator.model_text import field_annotations, field_texts, in_words
from lithify.definitions.base import Definition
from lithify.definitions.fields import fields_of
from lithify.definitions.formats import FIRST_FORMAT
from lithify.definitions.model import STEPS, ChunkEntry, ChunkFile
from lithify.definitions.schema import all_models

_HEAD = """\
# Definitions

<!-- Made by script/docs from lithify/definitions and docs/generator/examples.py. -->

The reference of the definitions language: every file, every field. [Formats](#formats) says what is otherwise in earlier
formats of the language; a tree's format stands in its file `VERSION`.

A definitions tree is a folder, mostly the root of a git repository, with

- `VERSION`: one line, `version: 9`;
- `*.morph`: YAML files, in any folders, each a [chunk](#chunk), [stratum](#stratum), [system](#system) or
  [cluster](#cluster), as its field `kind` says;
- `DEFAULTS`, which may be left out: [build systems and split rules](#defaults-file) beside [those built in](#what-is-built-in);
- `lithify.lock`, written by `lithify lock`: what every source is pinned to.

Where a field names a file (`morph`), it is a path from the root of the tree; a bare name without ending gets `.morph`. Text is
taken as it was written: `version: 010`, `yes` and `1.10` stay so. Sizes are bytes or have `K`, `M`, `G` or `T` (powers of
1024); times are seconds or have `s`, `m` or `h`. A field that is not known is an error, and so is one that stands twice.

`lithify validate` checks a tree, and `lithify schema` prints JSON Schemas for editors ([how](../tasks/editors.md)).
"""


def definitions_page() -> str:
    """Return the page: a section for each mapping of the language, what is built in, the formats."""
    models = {model.__name__: model for model in all_models()}
    titles = {name: title for _, parts in SECTIONS for name, title in parts}
    parts = [_HEAD]
    for heading, members in SECTIONS:
        parts.append(f"## {heading}\n")
        for name, title in members:
            if title != heading:
                parts.append(f"### {title}\n")
            parts.append(_section(models[name], titles))
    parts += [built_in_section(), formats_section()]
    return "\n".join(parts)


def _section(model: type[Definition], titles: dict[str, str]) -> str:
    """Return what a mapping is, an example with every field of it, and a table of its fields."""
    what = (inspect.getdoc(model) or "").replace("``", "`")
    if model is ChunkEntry:
        what += " Since format 9 it may also hold whatever a [chunk](#chunk) file holds, in place of `morph`."
    examples = "\n".join(f"```yaml\n{example}```\n" for example in EXAMPLES[model.__name__])
    rows = [_row(model, name, attribute, titles) for name, attribute in _own_fields(model)]
    if model is ChunkFile:
        rows.append(_steps_row())
    table = "\n".join(["| field | value | default | since | meaning |", "|---|---|---|---|---|", *rows])
    return f"{what}\n\n{examples}\n{table}\n"


def _own_fields(model: type[Definition]) -> list[tuple[str, str]]:
    """Return the fields that have a row of their own, name and kind before all others."""
    steps = {f"{step}-commands" for step in STEPS}
    inherited = set(ChunkFile.field_names()) - {"name"} if model is ChunkEntry else set()
    left_out = inherited | (steps if model is ChunkFile else set())
    fields = [(name, one) for name, one in model.field_names().items() if name not in left_out]
    return sorted(
        fields, key=lambda field: ("name", "kind").index(field[0]) if field[0] in ("name", "kind") else 2
    )


def _steps_row() -> str:
    steps = ", ".join(f"`{step}`" for step in STEPS)
    since = f"5 for {', '.join(f'`{step}`' for step in STEPS if 'strip' in step)}"
    return (
        f"| *STEP*`-commands` | list of shell commands | those of the build system | {since} | Commands of a step, each run by "
        f"itself as `sh -x -e -c COMMAND`; `[]` are none. The steps, in order: {steps}. |"
    )


def _row(model: type[Definition], name: str, attribute: str, titles: dict[str, str]) -> str:
    field = next(one for one in fields_of(model) if one.attribute == attribute)
    words = in_words(field_annotations(model)[attribute], titles)
    since = FIRST_FORMAT.get((model.kind_of_mapping, name), 0)
    default = "required" if field.is_required or name == "kind" else _default(field.default)
    meaning = "" if name == "kind" else field_texts(model)[attribute]
    return f"| `{name}` | {words} | {default} | {since or ''} | {_cell(meaning)} |"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int)) and value != "":
        return f"`{value}`"
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return f"`{value[0][1]}`"
    return ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
