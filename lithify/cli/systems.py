"""Systems as queries show them that need no source: resolved from their definitions, what is wrong told beside the result."""

from __future__ import annotations

from lithify.cli.invocation import Invocation
from lithify.cli.render import fault_text
from lithify.definitions.tree import Definitions
from lithify.errors import LithifyError
from lithify.graph.model import SystemGraph
from lithify.graph.resolve import resolve


def system_names(definitions: Definitions) -> tuple[str, ...]:
    """Return the files of all systems of a tree, broken ones too."""
    return tuple(definitions.of_kind("system"))


def system_named(invocation: Invocation, definitions: Definitions, name: str) -> str | None:
    """Return the file of the system that a user means; None where a name means none, since it may be a chunk's."""
    try:
        file = definitions.locate(name, kind="system", cwd=invocation.cwd)
    except LithifyError:
        return None
    return file if file in system_names(definitions) else None


def shown_system(invocation: Invocation, definitions: Definitions, name: str) -> SystemGraph:
    """Return the graph of a system that a user named; errors that leave it right otherwise are told as they are."""
    graph = resolve(definitions, definitions.locate(name, kind="system", cwd=invocation.cwd))
    for fault in graph.faults:
        if fault.severity == "error":
            invocation.messages.warn(fault_text(fault))
    return graph
