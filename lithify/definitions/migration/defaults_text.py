"""The text of a ``DEFAULTS`` file that says what was built in before there were such files."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lithify.definitions.builtin import Commands, Defaults
from lithify.definitions.migration.document import scalar
from lithify.definitions.model import Product

MADE = "# Made by `lithify migrate`"
"""How a file begins that this module made."""
_HEAD = f"""\
{MADE}: the build systems and split rules that were part of morph up to format 6, word for word.
# They are yours now. Format 9 has newer ones of its own for each name that is taken out here.
"""
_SPLIT_RULES = "\nsplit-rules:\n"
_STEPS = ("configure", "build", "install", "strip")


def defaults_text(defaults: Defaults) -> str:
    """Return the file that says the same as ``defaults``."""
    systems = "".join(_build_system(name, commands) for name, commands in defaults.build_systems.items())
    return (
        f"{_HEAD}build-systems:\n{systems}\n{split_rules_text(defaults.chunk_rules, defaults.stratum_rules)}"
    )


def split_rules_text(chunk: Sequence[Product], stratum: Sequence[Product]) -> str:
    """Return the field ``split-rules``."""
    return f"split-rules:\n  chunk:\n{rules_text(chunk, '  ')}  stratum:\n{rules_text(stratum, '  ')}"


def rules_text(rules: Sequence[Product], indent: str) -> str:
    """Return rules as the items of a list."""
    return "".join(
        f"{indent}- artifact: {scalar(rule.artifact)}\n" + _list(f"{indent}  ", "include", rule.include)
        for rule in rules
    )


def with_build_system(text: str, name: str, commands: Commands, comment: str) -> str:
    """Return a file made by :func:`defaults_text` with one more build system, behind the others."""
    own = f"  # {comment}\n{_build_system(name, commands)}"
    return text if own in text else text.replace(_SPLIT_RULES, f"{own}{_SPLIT_RULES}", 1)


def _build_system(name: str, commands: Commands) -> str:
    return f"  {name}:\n" + "".join(
        _list("    ", f"{step}-commands", [str(one) for one in commands.get(step, ())]) for step in _STEPS
    )


def _list(indent: str, name: str, items: Sequence[str]) -> str:
    if not items:
        return f"{indent}{name}: []\n"
    return f"{indent}{name}:\n" + "".join(f"{indent}- {_item(item, indent)}\n" for item in items)


def _item(text: str, indent: str) -> str:
    if "\n" not in text:
        return scalar(text)
    block = "|" if text.endswith("\n") else "|-"
    return f"{block}\n{textwrap.indent(text, indent + '  ')}".rstrip("\n")
