"""How a chunk is built that its definitions do not tell (formats below 6): its repository is asked.

In formats 0 and 1 a chunk file may lie in the chunk's own repository; else the files of its top folder tell the build system.
Both are facts of a commit, asked once.
"""

from __future__ import annotations

import json

from lithify.definitions.builtin import MANUAL, detect_build_system
from lithify.definitions.links import FoundChunk, declared_sources
from lithify.definitions.model import ChunkBody, ChunkEntry, GitSource
from lithify.definitions.tree import Definitions
from lithify.graph.expansion import Detect
from lithify.graph.pins import COMMIT
from lithify.sources.context import SourceContext
from lithify.sources.git_mirror import Mirror, mirror_of
from lithify.sources.git_program import query
from lithify.sources.git_refs import resolve_refs

LAST_FORMAT_WITH_OWN_FILES = 1
"""Up to this format a chunk's own repository may hold its chunk file."""
FIRST_FORMAT_THAT_TELLS = 6
"""From this format on, definitions tell every build system."""


def detector(definitions: Definitions, context: SourceContext, *, ask: bool) -> Detect | None:
    """Return what tells how a chunk is built by its source, or None where definitions tell all.

    Without ``ask`` only what the cache's mirrors hold is looked at, and everything else stays unresolved.
    """
    if definitions.format.number >= FIRST_FORMAT_THAT_TELLS:
        return None

    def detect(entry: ChunkEntry, found: FoundChunk) -> ChunkBody | str | None:
        source = next((one for one in declared_sources(entry, None) if isinstance(one, GitSource)), None)
        if source is None or source.ref is None:
            return None
        mirror = mirror_of(source.url, context)
        commit = _commit(source, mirror, context, ask=ask)
        if commit is None:
            return None
        if definitions.format.number <= LAST_FORMAT_WITH_OWN_FILES:
            own = query(mirror.path, "cat-file", "blob", f"{commit}:{found.file}", expected=None)
            if own.returncode == 0:
                return definitions.chunk_from(found.file, own.stdout)
        return detect_build_system(_top_names(mirror, commit, context)) or MANUAL

    return detect


def _commit(source: GitSource, mirror: Mirror, context: SourceContext, *, ask: bool) -> str | None:
    ref = source.ref or ""
    if not ask:
        commit = ref if COMMIT.match(ref) else mirror.resolve(ref)
        return commit if commit is not None and mirror.has(commit) else None
    commit = ref if COMMIT.match(ref) else resolve_refs([source], context)[source]
    mirror.ensure(commit)
    return commit


def _top_names(mirror: Mirror, commit: str, context: SourceContext) -> list[str]:
    known = context.facts.get("git-top", commit)
    if known is None:
        listed = query(mirror.path, "ls-tree", "--name-only", "-z", commit).stdout
        known = json.dumps([name.decode(errors="replace") for name in listed.split(b"\0") if name])
        context.facts.put("git-top", commit, known)
    return [str(name) for name in json.loads(known)]
