"""What a user's names mean: systems, chunks and artifacts, each with the nearest known names where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from lithify.cli.invocation import Invocation
from lithify.definitions.nearest import meant
from lithify.definitions.tree import Definitions
from lithify.errors import DefinitionErrors, Fault, LithifyError, UsageError
from lithify.graph.model import SystemGraph
from lithify.graph.resolve import require_sound, resolve
from lithify.schedule.session import Resolved, Session, resolve_system
from lithify.store.reading import Repository

T = TypeVar("T")
_FEW_DIGITS = re.compile(r"(?=.*[0-9])[0-9a-f]{4,7}")
_ARTIFACT = re.compile(r"(?P<key>[0-9a-f]{8,64})(?:\.(?P<kind>chunk|stratum|system)\.(?P<name>.+))?")

ARTIFACT_HINT = (
    "KEY.kind.name, as `lithify list-artifacts` prints it, or the first 8 digits of the key or more"
)


class NamedChunk(Struct, frozen=True, kw_only=True):
    """A chunk that a user named, in a system that has it."""

    resolved: Resolved
    name: str


class NamedArtifact(Struct, frozen=True, kw_only=True):
    """An artifact by its key: ``KEY`` or ``KEY.kind.name``; the key's first eight digits or more do."""

    key: str
    kind: str
    name: str


def system_files(session: Session) -> list[str]:
    """Return the files of all systems of the definitions, broken ones too."""
    return session.definitions.of_kind("system")


def named_system(invocation: Invocation, session: Session, name: str, *, ask: bool = False) -> Resolved:
    """Return the system that a user means, resolved; ``ask`` as in :func:`resolve_system`."""
    file = session.definitions.locate(name, kind="system", cwd=invocation.cwd)
    return resolve_system(session, file, ask=ask)


def sound_systems(
    invocation: Invocation, session: Session, names: Sequence[str], *, ask: bool = False
) -> list[Resolved]:
    """Return the systems that a user means; raises :class:`DefinitionErrors` with the faults of all of them."""

    def resolved(name: str) -> Resolved:
        one = named_system(invocation, session, name, ask=ask)
        require_sound(one.graph)
        return one

    return all_sound(names, resolved)


def sound_graphs(invocation: Invocation, definitions: Definitions, names: Sequence[str]) -> list[SystemGraph]:
    """Return the graphs of the systems that a user means, as their definitions have them: no source is asked, no workspace
    counts.

    Raises :class:`DefinitionErrors` with the faults of all of them.
    """

    def graph(name: str) -> SystemGraph:
        one = resolve(definitions, definitions.locate(name, kind="system", cwd=invocation.cwd))
        require_sound(one)
        return one

    return all_sound(names, graph)


def all_sound(names: Sequence[str], find: Callable[[str], T]) -> list[T]:
    """Return what is found for each name; raises :class:`DefinitionErrors` with the faults of all."""
    found: list[T] = []
    faults: list[Fault] = []
    for name in names:
        try:
            found.append(find(name))
        except DefinitionErrors as error:
            faults += error.faults
    if faults:
        raise DefinitionErrors(faults)
    return found


def named_chunk(
    invocation: Invocation, session: Session, words: Sequence[str], *, or_system: bool = False
) -> NamedChunk:
    """Return the chunk of ``[SYSTEM] CHUNK``; without a system, the name must mean the same in all that have it.

    ``or_system``: a system could have been named as well.

    Raises :class:`LithifyError` with the list where it does not, or with the nearest names where there is none.
    """
    if len(words) > 2:
        raise UsageError(f"too many arguments: {' '.join(words)}", hints=["[SYSTEM] CHUNK"])
    name = words[-1].removesuffix(".morph").rpartition("/")[2]
    if not name:
        raise UsageError("the name of the chunk is empty", hints=["[SYSTEM] CHUNK"])
    if len(words) == 1:
        return _chunk_of_any(session, name, or_system=or_system)
    resolved = named_system(invocation, session, words[0])
    if name not in resolved.graph.chunks:
        raise LithifyError(
            f"{resolved.graph.system.name} has no chunk {name}", hints=_close(name, [resolved])
        )
    return NamedChunk(resolved=resolved, name=name)


def _chunk_of_any(session: Session, name: str, *, or_system: bool) -> NamedChunk:
    systems: list[Resolved] = []
    faults: list[Fault] = []
    for file in system_files(session):
        try:
            resolved = resolve_system(session, file)
        except DefinitionErrors as error:  # a system that is broken hides no chunk of another one
            faults += error.faults
            continue
        systems.append(resolved)
    found = {str(one.keys.chunk[name]): one for one in reversed(systems) if name in one.graph.chunks}
    if not found and faults:
        raise DefinitionErrors(faults)
    if not found:
        missing = (
            f"no system has a chunk {name}" if not or_system else f"no system and no chunk is named {name}"
        )
        session.definitions.refuse_unreadable(missing)
        raise LithifyError(missing, hints=_close(name, systems, or_system=or_system))
    if len(found) > 1:
        files = sorted(one.graph.system.file for one in found.values())
        raise LithifyError(
            f"{name} is another chunk in each of: {', '.join(files)}", hints=["name the system before it"]
        )
    return NamedChunk(resolved=next(iter(found.values())), name=name)


def _close(name: str, systems: Sequence[Resolved], *, or_system: bool = False) -> list[str]:
    """Return a hint for the name of no chunk: what it is the name of, else the nearest chunks, and systems if asked for."""
    for one in systems:
        stratum = one.graph.strata.get(name)
        if stratum is not None:
            return [f"{name} is a stratum; its chunks: {', '.join(stratum.chunks)}"]
        if name in (one.graph.system.name, one.graph.system.file.rpartition("/")[2].removesuffix(".morph")):
            return [f"{name} is a system: name a chunk of it after it"]
    known = {chunk for one in systems for chunk in one.graph.chunks}
    if or_system:
        known.update(one.graph.system.name for one in systems)
    return meant(name, known) or _close_key(name)


def _close_key(name: str) -> list[str]:
    return ["a key is given by its first 8 digits or more"] if _FEW_DIGITS.fullmatch(name) else []


def named_artifact(text: str) -> NamedArtifact | None:
    """Return an artifact given by key, or None where the text is no key."""
    match = _ARTIFACT.fullmatch(text)
    if match is None:
        return None
    return NamedArtifact(key=match["key"], kind=match["kind"] or "", name=match["name"] or "")


def commit_of(repository: Repository, artifact: NamedArtifact) -> str:
    """Return the commit of an artifact of the local store; raises :class:`LithifyError` where it is not there."""
    if len(artifact.key) == 64:
        commit = repository.ref(f"d/{artifact.key}")
        found = [] if commit is None else [commit]
    else:
        refs = repository.refs("d")
        found = sorted({commit for name, commit in refs.items() if name[2:].startswith(artifact.key)})
    if len(found) == 1:
        return found[0]
    if found:
        raise LithifyError(
            f"{artifact.key} is the beginning of {len(found)} keys", hints=["give more digits"]
        )
    raise LithifyError(
        f"no artifact {artifact.key} is in the local store",
        hints=["`lithify list-artifacts --cached` lists what is"],
    )


def full_key(repository: Repository, artifact: NamedArtifact) -> str:
    """Return all digits of the key of an artifact of the local store: of the first one, where an artifact has several."""
    if len(artifact.key) == 64:
        return artifact.key
    return min(name[2:] for name in repository.refs("d") if name[2:].startswith(artifact.key))
