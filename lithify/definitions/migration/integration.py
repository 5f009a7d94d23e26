"""Integration commands of artifacts that no split rule makes: they never ran, and format 9 refuses them."""

from __future__ import annotations

from lithify.definitions.links import chunk_of
from lithify.definitions.migration.draft import Draft
from lithify.definitions.model import ChunkFile, StratumFile, place_of


def set_integration_aside(draft: Draft) -> None:
    """Make comments of them where no user of a chunk file has the artifact."""
    rules = draft.definitions.defaults.chunk_rules
    users: dict[str, list[str]] = {}
    for stratum in draft.files(StratumFile):
        for entry in stratum.chunks:
            found, _ = chunk_of(draft.definitions, entry)
            if found is not None and isinstance(found.body, ChunkFile):
                users.setdefault(found.file, []).append(entry.name)
    for chunk in draft.files(ChunkFile):
        made = {product.artifact for product in chunk.products}
        names = users.get(place_of(chunk).file, [])
        by_user = {name: made | {f"{name}{rule.artifact}" for rule in rules} for name in names}
        for artifact in chunk.system_integration:
            without = [name for name, artifacts in by_user.items() if artifact not in artifacts]
            _one(draft, chunk, artifact, without, everywhere=len(without) == len(by_user) > 0)


def _one(draft: Draft, chunk: ChunkFile, artifact: str, without: list[str], *, everywhere: bool) -> None:
    place = place_of(chunk, "system-integration", artifact, key=True)
    if everywhere:
        message = f'integration commands of "{artifact}", which no split rule makes, become a comment'
        with draft.edit(place, message) as document:
            document.remove((place.line - 1, place.column - 1), comment=True)
    elif without:
        draft.ask(
            place,
            f'no split rule of chunk "{without[0]}" makes the artifact "{artifact}" that has integration commands',
            "its entry shares this file with others that have it; give it a file of its own",
        )
