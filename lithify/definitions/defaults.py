"""The build systems and split rules that hold in a tree: those of its format, and of its ``DEFAULTS`` file."""

from __future__ import annotations

from collections.abc import Mapping

from lithify.definitions.builtin import MANUAL, MODERN, ONE_ARTIFACT, Commands, Defaults, classic
from lithify.definitions.formats import Format
from lithify.definitions.frozen import FrozenMap
from lithify.definitions.model import BuildSystem, DefaultsFile, Product


def effective_defaults(form: Format, file: DefaultsFile | None) -> Defaults:
    """Return what holds in a tree of this format with this ``DEFAULTS`` file (None: there is none)."""
    if form.defaults == "classic":
        return classic(strips=form.strips)
    if form.defaults == "file":
        return _from_file(file)
    return MODERN if file is None else _added(MODERN, file)


def _from_file(file: DefaultsFile | None) -> Defaults:
    systems = {} if file is None else _commands(file.build_systems)
    rules = None if file is None else file.split_rules
    return Defaults(
        build_systems=FrozenMap({MANUAL: FrozenMap(), **systems}),
        chunk_rules=(rules.chunk if rules else ()) or ONE_ARTIFACT,
        stratum_rules=(rules.stratum if rules else ()) or ONE_ARTIFACT,
    )


def _added(built_in: Defaults, file: DefaultsFile) -> Defaults:
    rules = file.split_rules
    return Defaults(
        build_systems=FrozenMap({**built_in.build_systems, **_commands(file.build_systems)}),
        chunk_rules=_merged(built_in.chunk_rules, rules.chunk if rules else ()),
        stratum_rules=_merged(built_in.stratum_rules, rules.stratum if rules else ()),
    )


def _merged(rules: tuple[Product, ...], own: tuple[Product, ...]) -> tuple[Product, ...]:
    """Replace rules by name, in their place; new ones come first, since the last built-in rule takes all."""
    by_name = {rule.artifact: rule for rule in own}
    names = {rule.artifact for rule in rules}
    new = tuple(rule for rule in own if rule.artifact not in names)
    return (*new, *(by_name.get(rule.artifact, rule) for rule in rules))


def _commands(build_systems: Mapping[str, BuildSystem]) -> dict[str, Commands]:
    return {name: system.commands for name, system in build_systems.items()}
