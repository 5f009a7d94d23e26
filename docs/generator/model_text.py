"""Source of a struct or model, as documentation: each field with the text below it and its type in words."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise

_WORDS = {
    "Name": "name",
    "ArtifactName": "name of an artifact",
    "Text": "text",
    "str": "text",
    "Description": "text",
    "Ref": "git ref",
    "RefPattern": "git ref or pattern",
    "Url": "URL",
    "Path": "path",
    "SubFolder": "path",
    "InstalledPath": "path in the system",
    "Flag": "`yes` or `no`",
    "Count": "number",
    "Size": "size",
    "Duration": "time",
    "Mode": "octal number",
    "Pattern": "regular expression",
    "Command": "shell command",
    "Commands": "list of shell commands",
    "Suite": "suite of Debian",
    "PackageName": "package name",
    "AnySource": "[source](#sources)",
    "Submodules": "map of [submodules](#submodule)",
    "FreeValue": "any value",
    "Overlaps": "`warn`, `refuse`, `allow`, or a map from path pattern to one of them",
}


def field_annotations(model: type) -> dict[str, ast.expr]:
    """Return attribute → annotation of a class and its bases."""
    return {name: field.annotation for name, field, _ in _fields(model)}


def field_texts(model: type) -> dict[str, str]:
    """Return attribute → the text below it in the source, as Markdown on one line; "" where there is none."""
    return {name: text.replace("``", "`") for name, _, text in _fields(model)}


def _fields(model: type) -> Iterator[tuple[str, ast.AnnAssign, str]]:
    for one in reversed(model.__mro__):
        if not one.__module__.startswith("lithify."):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        assert isinstance(tree.body[0], ast.ClassDef)
        for field, below in pairwise([*tree.body[0].body, ast.Pass()]):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = ""
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    text = str(below.value.value)
                yield field.target.id, field, " ".join(text.split())


def in_words(annotation: ast.expr, kinds: dict[str, str]) -> str:
    """Return a type as a reader of the manual knows it; ``kinds``: class name → name of its section."""
    if isinstance(annotation, ast.BinOp):  # X | None
        return in_words(annotation.left, kinds)
    if isinstance(annotation, ast.Subscript):
        name, inner = ast.unparse(annotation.value), annotation.slice
        if name == "Literal":
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return " or ".join(f"`{ast.literal_eval(value)}`" for value in values)
        if name == "Annotated":
            assert isinstance(inner, ast.Tuple)
            return in_words(inner.elts[0], kinds)
        of = "list of" if name in ("List", "NonEmptyList") else "map to"
        return f"{of} {plural(in_words(inner, kinds))}"
    name = ast.unparse(annotation)
    if name in kinds:
        return f"[{kinds[name].lower()}](#{anchor(kinds[name])})"
    return _WORDS[name]


def plural(words: str) -> str:
    """Return words for more than one of a thing."""
    if words.startswith("["):
        name, _, link = words[1:].partition("]")
        return f"[{plural(name)}]{link}"
    if words.startswith(("list of", "map to")):
        return words.replace("list of", "lists of", 1).replace("map to", "maps to", 1)
    if words == "text" or words.endswith(("`", "s")):
        return words
    if words.endswith("entry"):
        return f"{words[:-1]}ies"
    return f"names{words[4:]}" if words.startswith("name ") else f"{words}s"


def anchor(title: str) -> str:
    """Return the anchor of a heading, as web sites of git repositories make it."""
    return "".join(
        one if one.isalnum() or one in "-_" else "-" if one == " " else "" for one in title.lower()
    )
