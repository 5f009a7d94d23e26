"""A graph in which some chunks are built from the folders in which somebody works on them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from lithify.definitions.model import WorkspaceSource
from lithify.graph.model import SystemGraph


def with_workspaces(graph: SystemGraph, workspaces: Mapping[str, WorkspaceSource]) -> SystemGraph:
    """Return the graph with a workspace in place of the sources of each chunk that has one; others are left alone."""
    here = {name: source for name, source in workspaces.items() if name in graph.chunks}
    if not here:
        return graph
    chunks = {
        name: replace(chunk, workspace=replace(here[name], keep_git=chunk.keep_git) if name in here else None)
        for name, chunk in graph.chunks.items()
    }
    return replace(graph, chunks=chunks)
