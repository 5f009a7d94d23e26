"""Extensions and their help: those built in, and those of a definitions tree (``NAME.KIND``, ``NAME.KIND.help``)."""

from __future__ import annotations

import textwrap
from pathlib import Path

from lithify.definitions.extensions import kind_of, own_extension, own_extensions
from lithify.definitions.limits import MAX_BYTES
from lithify.definitions.nearest import meant
from lithify.definitions.reading import read
from lithify.deploy.registry import LATER, TYPES
from lithify.errors import LithifyError

_WIDTH = 80
_LOCATION = (
    "The path of what is made; a relative one is relative to the root of the definitions. What stood there is "
    "replaced at once, when the new one is whole. NAME.lithify.json beside it notes what it was made of."
)


CONFIGURATIONS_LATER = frozenset(
    (
        *("add-config-files", "busybox-init", "cloud-init", "fstab", "hosts", "install-essential-files"),
        *(
            "install-files",
            "installer",
            "set-hostname",
            "simple-network",
            "sshkeys",
            "strip-gplv3",
            "vagrant",
        ),
    )
)
"""morph's own configure extensions that may come."""


def extension_names(root: Path | None) -> list[str]:
    """Return ``NAME.KIND`` of all extensions, built in or in the definitions at ``root``, sorted."""
    own = own_extensions(root) if root is not None else []
    return sorted({*own, *(f"{name}.write" for name in TYPES)})


def built_in_type(topic: str) -> str | None:
    """Return the type of deployment that a built-in write extension is; None for any other name."""
    name, _, kind = topic.rpartition(".")
    return name if kind == "write" and name in TYPES else None


def coming(topic: str) -> str:
    """Return what is said of an extension that was morph's and is not there yet; empty for any other name."""
    name, kind = Path(topic).stem, kind_of(topic)
    later = CONFIGURATIONS_LATER if kind == "configure" else LATER if kind else ()
    there = f"built in are: {', '.join(extension_names(None))}"
    return f"{name}.{kind} is not there yet; {there}" if name in later else ""


def unknown_extension(topic: str, root: Path | None) -> LithifyError:
    """Return the error for a name that is no extension's, with the nearest ones."""
    hints = [coming(topic)] if coming(topic) else meant(topic, extension_names(root))
    return LithifyError(
        f"unknown extension {topic}", hints=hints or ["`lithify help-extensions` lists all extensions"]
    )


def extension_help(topic: str, root: Path | None) -> str | None:
    """Return the help of ``NAME.KIND``, the definitions' own before the built-in one; None where there is no such extension."""
    own = own_extension(topic, root) if root is not None else None
    if own is not None:
        return _own_help(own.with_name(f"{own.name}.help")) or f"{topic} of the definitions has no help.\n"
    built_in = built_in_type(topic)
    return None if built_in is None else _built_in_help(built_in)


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
