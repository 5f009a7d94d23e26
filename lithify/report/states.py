"""What a build would do, and why: the state of each chunk of a system, and the cause where it is not in the store.

A cause is what somebody changed since the last build of that name; what merely follows from it names the cause. Changes
nothing, and asks no server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from lithify.build.metadata import definition_ref
from lithify.graph.explain import Cause, Difference, Record, causes, differences
from lithify.graph.keys import Kind, Unresolved
from lithify.graph.model import DefinitionKey
from lithify.report.builds import last_build
from lithify.schedule.plan import Plan, expected_paths, plan_chunks
from lithify.schedule.session import Resolved, Session

_FILES = "files in it"
NEVER_BUILT = "never built"
_GONE = "no longer in the store"
_CHANGED = "changed: "
_NAMED = 3
"""Inputs or causes that are named; of more, the rest is counted."""


class State(Struct, frozen=True, kw_only=True):
    """What a build would do about a chunk or the system."""

    name: str
    kind: Kind
    key: DefinitionKey | None
    """None where it is not known yet."""
    state: Literal["cached", "build", "unresolved", "unneeded"]
    """``unneeded``: it is not in the store, and nothing that is to be built needs it."""
    cause: str = ""
    """In a few words, where it is to be built or unresolved."""
    seconds: float | None = None
    """How long its last build took."""
    workspace: str = ""
    """The folder that it is built from, where somebody works on it."""


class Expectation(Struct, frozen=True, kw_only=True):
    """What a build comes to."""

    states: tuple[State, ...]
    """Needed chunks in build order, then the system."""
    seconds: float | None
    """How long it would take, from earlier timings; None where nothing is to be built or nothing is known."""

    def count(self, state: str) -> int:
        """Return how many chunks are in a state."""
        return sum(one.state == state for one in self.states if one.kind == "chunk")


def expectation(session: Session, resolved: Resolved, wanted: Sequence[str] | None = None) -> Expectation:
    """Return what building the system, or the chunks ``wanted`` of it, would do."""
    graph, keys = resolved.graph, resolved.keys
    selected = dict.fromkeys(item.chunk for item in graph.system.selected)
    plan = plan_chunks(
        keys, selected if wanted is None else wanted, lambda name: _in_store(session, keys.chunk[name])
    )
    shown = {name for name in graph.needed if wanted is None} | set(plan.to_build) | set(wanted or ())
    states = [
        _state(session, "chunk", name, keys.chunk[name], name in plan.to_build)
        for name in graph.chunks
        if name in shown
    ]
    if wanted is None:
        states.append(
            _state(session, "system", graph.system.name, keys.system, not _in_store(session, keys.system))
        )
    named = tuple(
        _with_workspace(state, session) if state.kind == "chunk" else state
        for state in _with_causes(session, resolved, states)
    )
    return Expectation(states=named, seconds=_expected_seconds(plan, named, session.settings.jobs))


def due_by(session: Session, resolved: Resolved, plan: Plan, *, whole: bool) -> list[State]:
    """Return what a plan is going to build, each with its cause: chunks; of a ``whole`` one that has none, the system."""
    keys = resolved.keys
    states = [_state(session, "chunk", name, keys.chunk[name], True) for name in plan.to_build]
    if whole and not states:
        states.append(_state(session, "system", resolved.graph.system.name, keys.system, True))
    return _with_causes(session, resolved, states)


def reasons(states: Sequence[State]) -> tuple[str, ...]:
    """Return in a few words each why something is to be built.

    A chunk that merely follows from another one is no reason, but where all do: the other one was built by itself.
    """
    due = [state for state in states if state.state == "build"]
    chunks = [state for state in due if state.kind == "chunk"]
    due = chunks or due
    told: list[str] = []
    if changed := [state.name for state in due if state.cause.startswith(_CHANGED)]:
        told.append(f"{_CHANGED}{_some(changed)}" if chunks else due[0].cause)
    named = {cause: [state.name for state in due if state.cause == cause] for cause in (NEVER_BUILT, _GONE)}
    told += [f"{cause}: {_some(names)}" if chunks else cause for cause, names in named.items() if names]
    return tuple(told) or tuple(dict.fromkeys(state.cause for state in due))[:1]


def _in_store(session: Session, key: DefinitionKey | Unresolved) -> bool:
    return not isinstance(key, Unresolved) and session.repository.ref(definition_ref(key)) is not None


def _state(session: Session, kind: Kind, name: str, key: DefinitionKey | Unresolved, to_build: bool) -> State:
    if isinstance(key, Unresolved):
        return State(name=name, kind=kind, key=None, state="unresolved", cause=f"{key.origin}: {key.reason}")
    text = session.facts.get("seconds", name)
    seconds = None if text is None else float(text)
    if to_build:
        return State(name=name, kind=kind, key=key, state="build", seconds=seconds)
    state: Literal["cached", "unneeded"] = "cached" if _in_store(session, key) else "unneeded"
    return State(name=name, kind=kind, key=key, state=state, seconds=seconds)


def _with_causes(session: Session, resolved: Resolved, states: Sequence[State]) -> list[State]:
    told = _told_causes(session, resolved, states)
    return [replace(state, cause=told[state.name]) if state.state == "build" else state for state in states]


def _with_workspace(state: State, session: Session) -> State:
    opened = session.workspaces.get(state.name)
    return state if opened is None else replace(state, workspace=opened.path)


def _told_causes(session: Session, resolved: Resolved, states: Sequence[State]) -> dict[str, str]:
    """Return for each name that is to be built why, in a few words."""
    records: dict[str, tuple[Record | None, Record | None]] = {}
    for state in states:
        if state.state == "build":
            old = last_record(session, resolved, state.kind, state.name)
            new = None if old is None else resolved.keys.expanded(state.kind, state.name)
            records[state.name] = (old, new)
    found = {cause.name: cause for cause in causes(records)}
    roots: dict[str, list[str]] = {}
    for cause in found.values():
        for follower in cause.followers:
            roots.setdefault(follower, []).append(cause.name)
    return {
        name: _told(name, old, new, found, roots, worked_on=name in session.workspaces)
        for name, (old, new) in records.items()
    }


def last_record(session: Session, resolved: Resolved, kind: Kind, name: str) -> Record | None:
    """Return what the key of the last build of a name was made of; None where there was none."""
    commit = last_build(session.repository, resolved.keys, kind, name)
    if commit is None:
        return None
    record: Record = session.repository.commit(commit).metadata["definition-inputs"]
    return record


def _told(
    name: str,
    old: Record | None,
    new: Record | None,
    found: Mapping[str, Cause],
    roots: Mapping[str, list[str]],
    *,
    worked_on: bool,
) -> str:
    if old is None or new is None:
        return NEVER_BUILT
    if name in found:
        inputs = (difference.input for difference in found[name].differences)
        if worked_on:
            inputs = (_FILES if one.partition(".")[0] == "sources" else one for one in inputs)
        return f"{_CHANGED}{_some(list(dict.fromkeys(inputs)))}"
    if name in roots:
        return f"follows {_some(roots[name])}"
    subjects = _subjects(differences(old, new))
    return f"follows {_some(subjects)}" if subjects else _GONE


def _subjects(found: Sequence[Difference]) -> list[str]:
    return list(dict.fromkeys(difference.subject for difference in found if difference.subject))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _expected_seconds(plan: Plan, states: Sequence[State], jobs: int) -> float | None:
    """Return how long the build takes: at least its longest chain, and at least all of it shared among the jobs."""
    known = {state.name: state.seconds for state in states if state.seconds is not None}
    if not any(name in known for name in plan.to_build):
        return None
    paths = expected_paths(plan, known)
    usual = sum(known[name] for name in plan.to_build if name in known) / sum(
        n in known for n in plan.to_build
    )
    everything = sum(known.get(name, usual) for name in plan.to_build)
    return max(*paths.values(), everything / max(jobs, 1))
