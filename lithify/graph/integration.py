"""System integration: which commands run in a composed system, under which names, in which order."""

from __future__ import annotations

from msgspec import Struct

from lithify.graph.model import Command, SystemGraph


class IntegrationScript(Struct, frozen=True, order=True):
    """One command, as a script below ``/baserock/system-integration`` of the system."""

    name: str
    """``PREFIX-ARTIFACT-NNNN``; scripts run in plain order of their names."""
    command: Command


def integration_scripts(graph: SystemGraph) -> tuple[IntegrationScript, ...]:
    """Return the scripts of all selected artifacts, in the order in which they run."""
    selected = {(item.chunk, item.artifact) for item in graph.system.selected}
    found = [
        IntegrationScript(f"{item.prefix}-{item.artifact}-{number:04d}", command)
        for name in dict.fromkeys(item.chunk for item in graph.system.selected)
        for item in graph.chunks[name].integration
        if (name, item.artifact) in selected
        for number, command in enumerate(item.commands)
    ]
    return tuple(sorted(found, key=lambda script: script.name))
