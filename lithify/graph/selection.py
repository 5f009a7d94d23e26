"""Which artifacts a system takes of its strata, and which chunks have to be built for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lithify.definitions.model import StratumSelection, place_of
from lithify.definitions.nearest import did_you_mean
from lithify.errors import Fault
from lithify.graph.model import Chunk, SelectedArtifact, Stratum, SystemGraph
from lithify.graph.staging_order import staging_order


class Selection(Struct, frozen=True, kw_only=True):
    """What a system is composed of."""

    selected: tuple[SelectedArtifact, ...]
    """In layer order: strata as the system lists them, chunks as their stratum does; each (chunk, artifact) once."""
    stratum_artifacts: tuple[tuple[str, str], ...]
    """(stratum, stratum artifact), in the same order."""


def select(
    listed: Sequence[tuple[StratumSelection, str]],
    strata: Mapping[str, Stratum],
    chunks: Mapping[str, Chunk],
) -> Selection:
    """Return what a system with these selections takes; artifacts that a stratum does not make are left out."""
    selected: dict[tuple[str, str], SelectedArtifact] = {}
    stratum_artifacts: list[tuple[str, str]] = []
    for selection, name in listed:
        stratum = strata[name]
        wanted = selection.artifacts
        taken = [artifact for artifact in stratum.artifacts if wanted is None or artifact.name in wanted]
        stratum_artifacts += [(name, artifact.name) for artifact in taken]
        owner = {member: artifact.name for artifact in taken for member in artifact.members}
        for chunk in stratum.chunks:
            for part in chunks[chunk].artifacts:
                if (chunk, part) in owner:
                    item = SelectedArtifact(
                        stratum=name, stratum_artifact=owner[chunk, part], chunk=chunk, artifact=part
                    )
                    selected.setdefault((chunk, part), item)
    return Selection(selected=tuple(selected.values()), stratum_artifacts=tuple(stratum_artifacts))


def unknown_artifacts(selection: StratumSelection, stratum: Stratum) -> Iterator[Fault]:
    """Yield a fault for each artifact that a system selects of a stratum which does not make it."""
    known = [one.name for one in stratum.artifacts]
    for index, artifact in enumerate(selection.artifacts or ()):
        if artifact not in known:
            yield Fault(
                place=place_of(selection, "artifacts", index),
                message=f'no split rule of stratum "{stratum.name}" makes the artifact "{artifact}"',
                hint=did_you_mean(artifact, known) or f"it has {', '.join(known)}",
                related=((stratum.place, "the stratum"),),
            )


def needed_chunks(graph: SystemGraph) -> frozenset[str]:
    """Return the chunks that the selected artifacts come from, and all that these are built on, directly or not."""
    order = staging_order(graph)
    needed: set[str] = set()
    strata: set[str] = set()
    todo = list(dict.fromkeys(item.chunk for item in graph.system.selected))
    while todo:
        name = todo.pop()
        if name in needed:
            continue
        needed.add(name)
        todo += order.depends[name]
        below = [stratum for stratum in graph.chunks[name].stratum_depends if stratum not in strata]
        while below:
            stratum = below.pop()
            if stratum not in strata:
                strata.add(stratum)
                todo += order.members[stratum]
                below += order.needs[stratum]
    return frozenset(needed)
