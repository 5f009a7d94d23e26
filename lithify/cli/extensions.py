"""Extensions and their help: those built in, and those of a definitions tree (``NAME.KIND``, ``NAME.KIND.help``)."""

from __future__ import annotations

import textwrap
from pathlib import Path

from lithify.definitions.limits import MAX_BYTES
from lithify.definitions.reading import read
from lithify.deploy.registry import TYPES

KINDS = ("check", "configure", "write")
_WIDTH = 80
_LOCATION = (
    "The path of what is made; a relative one is relative to the root of the definitions. What stood there is "
    "replaced at once, when the new one is whole. NAME.lithify.json beside it notes what it was made of."
)


def extension_names(root: Path | None) -> list[str]:
    """Return ``NAME.KIND`` of all extensions, built in or in the definitions at ``root``, sorted."""
    own = [path.name for kind in KINDS for path in root.glob(f"*.{kind}") if path.is_file()] if root else []
    return sorted({*own, *(f"{name}.write" for name in TYPES)})


def extension_help(topic: str, root: Path | None) -> str | None:
    """Return the help of ``NAME.KIND``, the definitions' own before the built-in one; None where there is no such extension."""
    name, _, kind = topic.rpartition(".")
    if kind not in KINDS or not name or "/" in name:
        return None
    if root is not None and (root / topic).is_file():
        return _own_help(root / f"{topic}.help") or f"{topic} of the definitions has no help.\n"
    return _built_in_help(name) if kind == "write" and name in TYPES else None


def _own_help(path: Path) -> str | None:
    """Return the text below ``help:`` of a YAML file; None where there is none."""
    try:
        with path.open("rb") as file:
            contents = read(path.name, file.read(MAX_BYTES + 1))
    except OSError:
        return None
    text = contents.root.get("help") if contents.root is not None else None
    return f"{text.rstrip()}\n" if isinstance(text, str) else None


def _built_in_help(name: str) -> str:
    kind = TYPES[name]
    about = (type(kind).__doc__ or "").strip().partition("\n")[0].replace("``", "")
    rows = [("location", _LOCATION), *kind.fields.items()]
    lines = [
        "Examples:",
        "  deploy:",
        f"    my-{name}:",
        f"      type: {name}",
        f"      location: {name}-of-it",
        "",
        about,
        "",
        "Values:",
    ]
    for field, text in rows:
        lines += [
            f"  {field}",
            *textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      "),
        ]
    return "\n".join([*lines, ""])
