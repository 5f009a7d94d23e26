"""What a build is going to need of the store, known before it begins: chunks that are there, and layers to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lithify.build.metadata import BuiltChunk, read_chunk
from lithify.build.system import system_contents
from lithify.graph.model import ContentDigest
from lithify.schedule.plan import Plan
from lithify.schedule.session import Resolved, Session
from lithify.store.damage import DamagedObject


def chunks_there(session: Session, resolved: Resolved, plan: Plan) -> dict[str, BuiltChunk]:
    """Return the cached chunks of a plan, read from the store; none of them where one is damaged: the build comes upon it."""
    repository = session.repository
    commits = {name: repository.ref(resolved.chunk_ref(name)) for name in plan.cached}
    try:
        return {
            name: read_chunk(repository, commit) for name, commit in commits.items() if commit is not None
        }
    except DamagedObject:
        return {}


def layers_of(
    resolved: Resolved, plan: Plan, chunks: Mapping[str, BuiltChunk], *, composes: bool
) -> Sequence[ContentDigest]:
    """Return the content of the layers that a plan is going to mount, as far as it is known, in the order of their use.

    ``composes``: whether a system with integration commands is made at the end. Pure.
    """
    keys, graph = resolved.keys, resolved.graph
    staged = {member for name in plan.to_build for group in keys.staged(name) for member in group.chunks}
    digests = [chunks[name].whole.digest for name in graph.chunks if name in staged and name in chunks]
    if composes:
        digests += [content.digest for _, content in system_contents(graph, chunks)]
    return list(dict.fromkeys(digests))
