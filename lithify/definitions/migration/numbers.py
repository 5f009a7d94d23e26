"""Deployment variables that YAML 1.1 reads as numbers and format 9 as text: ``010`` is 8, ``12:30`` is 750."""

from __future__ import annotations

from collections.abc import Iterator

from lithify.definitions.migration.document import scalar
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import ClusterFile, ClusterSystem, Deployment
from lithify.definitions.text import Fields, Guess, Items, Mark
from lithify.definitions.values import free_value


def write_numbers(draft: Draft) -> None:
    """Write such numbers as format 9 reads them."""
    for cluster in draft.files(ClusterFile):
        for system in _systems(cluster.systems):
            for deployment in (system.deploy_defaults, *system.deploy.values()):
                if deployment.origin is not None:
                    _in_deployment(draft, deployment.origin)


def _systems(systems: tuple[ClusterSystem, ...]) -> Iterator[ClusterSystem]:
    for system in systems:
        yield system
        yield from _systems(system.subsystems)


def _in_deployment(draft: Draft, deployment: Fields) -> None:
    own = Deployment.field_names()
    variables = [(value, deployment.marks[name][1]) for name, value in deployment.items() if name not in own]
    for value, mark in _scalars(variables):
        now, later = free_value(value, "1.1"), free_value(value, "decimal")
        if (type(now), now) == (type(later), later) or str(now) == str(later) == str(value):
            continue
        text = _decimal(now)
        message = f"{value}, which is a number in YAML 1.1, is written {text}"
        with draft.edit(deployment.file.place(mark), message) as document:
            document.replace(mark, text)


def _scalars(values: list[tuple[object, Mark]]) -> Iterator[tuple[Guess, Mark]]:
    for value, mark in values:
        if isinstance(value, Guess):
            yield value, mark
        elif isinstance(value, Fields):
            yield from _scalars([(one, value.marks[name][1]) for name, one in value.items()])
        elif isinstance(value, Items):
            yield from _scalars(list(zip(value, value.marks, strict=True)))


def _decimal(value: object) -> str:
    """Return how format 9 is told a number; where it has no such number, its text."""
    text = str(value)
    guess = Guess(text)
    guess.tag = "float" if isinstance(value, float) else "int"
    return text if free_value(guess, "decimal") == value else scalar(text)
