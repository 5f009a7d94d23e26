"""What morph's ``.meta`` files say of each artifact of a system in formats 0 to 8. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lithify.build.baserock import ClassicIdentity
from lithify.definitions.model import GitSource, Source
from lithify.graph.keys import Keys
from lithify.graph.model import SystemGraph
from lithify.graph.pins import Pin


def classic_identities(
    graph: SystemGraph, keys: Keys, pins: Mapping[Source, Pin]
) -> dict[tuple[str, str], ClassicIdentity]:
    """Return morph's fields by (kind, name) for every chunk, stratum artifact and the system; all keys are known."""
    identities: dict[tuple[str, str], ClassicIdentity] = {}
    for name, chunk in graph.chunks.items():
        git = next((source for source in chunk.sources if isinstance(source, GitSource)), None)
        identities[("chunk", name)] = ClassicIdentity(
            repo=git.url if git else "",
            repo_alias=git.url if git else "",
            original_ref=(git.ref or "") if git else "",
            sha1=str(pins[git].digest_data.get("commit", "")) if git and git in pins else "",
            morphology=chunk.file,
            cache_key=str(keys.chunk[name]),
            cache_id=keys.inputs("chunk", name),
        )
    for (stratum, artifact), key in keys.stratum_artifact.items():
        identities[("stratum", artifact)] = ClassicIdentity(
            morphology=graph.strata[stratum].file, cache_key=str(key)
        )
    system = graph.system
    identities[("system", system.name)] = ClassicIdentity(morphology=system.file, cache_key=str(keys.system))
    return identities
