"""Why a key is another than before: every input that differs, old value and new, and which of them are causes.

A *record* is what a commit keeps of a key: its inputs, and the names behind each group digest (``Keys.expanded``). A
difference is a cause when somebody changed that input; it merely follows when it is the key or content of something else
that changed. So 200 chunks that depend on a changed one show as one cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lithify.graph.canonical import canonical
from lithify.graph.keys import Keys, Kind, Unresolved

Record = Mapping[str, Any]
"""``{"inputs": …, "groups": …, "stratum": …}``; what ``Keys.expanded`` gives, or the same read back from JSON."""


class Difference(Struct, frozen=True, kw_only=True):
    """An input of a key that differs between two records."""

    input: str
    """A path such as ``commands.build``, ``sources.0.pin.commit``, ``depends.zlib``, ``strata.core.bash``."""
    old: Any
    """As in JSON; None where the input was not there."""
    new: Any
    cause: bool
    """False: it follows from a change of something else."""
    subject: str = ""
    """The other chunk that this input is about, if it is."""


class Cause(Struct, frozen=True, kw_only=True):
    """Something that somebody changed, and what has another key because of it."""

    name: str
    """The chunk or system whose own input differs; ``stratum core`` where the listing of a stratum does."""
    differences: tuple[Difference, ...]
    followers: tuple[str, ...] = ()
    """Those that have another key only because of this and other causes, in build order."""


def differences(old: Record, new: Record) -> tuple[Difference, ...]:
    """Return every input that differs between two records of one kind, in the order of their names, causes first."""
    was, now = _plain(old), _plain(new)
    if was["inputs"] == now["inputs"]:
        return ()
    found = [
        *_own(was["inputs"], now["inputs"]),
        *_pairs("depends", was["inputs"].get("depends", []), now["inputs"].get("depends", [])),
        *_groups(was, now),
        *_selection(was["inputs"], now["inputs"]),
    ]
    if not any(one.cause or one.subject for one in found):
        found = [
            replace(one, cause=True) for one in found
        ]  # nothing explains the variables but lithify itself
    return tuple(sorted(found, key=lambda one: (not one.cause, one.input)))


def causes(records: Mapping[str, tuple[Record | None, Record | None]]) -> tuple[Cause, ...]:
    """Return what was changed, and what follows from it, given the old and new record of each chunk and of the system.

    The order is the build order: each after what it depends on. None stands for what was not there before, or is not now.
    """
    changed: dict[str, tuple[Difference, ...]] = {}
    for name, (old, new) in records.items():
        if old is not None and new is not None:
            changed[name] = differences(old, new)
        elif old is not new:
            known = name if old is not None else None, name if new is not None else None
            changed[name] = (Difference(input="name", old=known[0], new=known[1], cause=True),)
    moved = {
        one.subject
        for found_of in changed.values()
        for one in found_of
        if one.cause and one.subject and one.input.startswith("strata.")
    }
    found: dict[str, dict[str, Difference]] = {}
    followers: dict[str, list[str]] = {}
    roots: dict[str, set[str]] = {}
    for name, differing in changed.items():
        roots[name] = set()
        for one in differing:
            if _is_cause(one, changed, moved):
                owner, label = _owner(name, one, records[name])
                found.setdefault(owner, {}).setdefault(label, one)
                roots[name].add(owner)
            else:
                roots[name] |= roots.get(one.subject, set())
        if name not in found:
            for root in roots[name]:
                followers.setdefault(root, []).append(name)
    return tuple(
        Cause(name=name, differences=tuple(own.values()), followers=tuple(followers.get(name, ())))
        for name, own in found.items()
    )


def _owner(
    name: str, difference: Difference, records: tuple[Record | None, Record | None]
) -> tuple[str, str]:
    """Return what was changed, and a label of the change: of a stratum, where all its users show the same change."""
    first, _, rest = difference.input.partition(".")
    stratum, _, what = rest.partition(".")
    if first in ("strata", "staged", "selected") and what == "order":
        return f"stratum {stratum}", "order"
    if first == "strata" and what:
        return f"stratum {stratum}", what
    if first == "strata" and rest:
        own = {record.get("stratum", "") for record in records if record is not None}
        if len(own) == 1:  # what the stratum build-depends on; else the chunk itself moved to another one
            return f"stratum {own.pop()}", rest
    return name, difference.input


def records_between(old: Keys, new: Keys) -> dict[str, tuple[Record | None, Record | None]]:
    """Return the records of all that has another key in ``new`` than in ``old``, in build order, the system last.

    What has no key in one of them is left out.
    """
    found: dict[str, tuple[Record | None, Record | None]] = {}
    gone = [name for name in old.chunk if name not in new.chunk]
    for name in (*gone, *new.chunk):
        before, after = old.chunk.get(name), new.chunk.get(name)
        if before != after and not isinstance(before, Unresolved) and not isinstance(after, Unresolved):
            found[name] = (_record(old, "chunk", name, before), _record(new, "chunk", name, after))
    before, after = old.system, new.system
    if before != after and not isinstance(before, Unresolved) and not isinstance(after, Unresolved):
        found[new.graph.system.name] = (old.expanded("system", ""), new.expanded("system", ""))
    return found


def _record(keys: Keys, kind: Kind, name: str, key: str | None) -> Record | None:
    return None if key is None else keys.expanded(kind, name)


def _is_cause(difference: Difference, changed: Mapping[str, tuple[Difference, ...]], moved: Set[str]) -> bool:
    """Whether a difference is a cause where the changes of all others are known.

    That a chunk came to a stratum or left it is no change of those who are built on the stratum when the chunk is new or
    gone altogether, or when its own split rules or build mode say so; that a system names a source, likewise. ``moved``:
    chunks that a stratum was seen to gain or lose, which explains the same in the system.
    """
    if not difference.cause or not difference.subject or difference.input.startswith("depends."):
        return difference.cause
    explained = ("sources",) if difference.input.startswith("sources.") else _MEMBERSHIP
    of_subject = changed.get(difference.subject, ())
    if any(one.cause and one.input.split(".", 1)[0] in explained for one in of_subject):
        return False
    in_system = difference.input.startswith(("selected.", "chunks."))
    return not (in_system and difference.subject in moved)


def _plain(record: Record) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(canonical(record))
    return plain


_MEMBERSHIP = ("name", "build-mode", "split-rules")
"""Inputs of a chunk that make it a member of a stratum or system, or of one artifact or another of these."""

_RELATIONS = frozenset({"depends", "strata", "selected", "chunks", "staged"})
"""Inputs that are about other chunks; a system's ``strata`` too, which follow from what it selects."""


def _own(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[Difference]:
    """Yield the differing inputs that are the component's own."""
    old, new = _flat(was), _flat(now)
    of_system = now["kind"].startswith("system")
    for path in old.keys() | new.keys():
        if old.get(path) != new.get(path):
            first, _, rest = path.partition(".")
            yield Difference(
                input=path,
                old=old.get(path),
                new=new.get(path),
                cause=first not in ("variables", "definition"),
                subject=rest if of_system and first == "sources" else "",
            )


def _flat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the own inputs as path → value: mappings opened, and lists of mappings by number; empty ones are not there."""
    flat: dict[str, Any] = {}
    todo: list[tuple[str, Any]] = [(name, value) for name, value in inputs.items() if name not in _RELATIONS]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict) and value.keys() != {"b64"}:
            todo.extend((f"{path}.{name}", item) for name, item in value.items())
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            todo.extend((f"{path}.{number}", item) for number, item in enumerate(value))
        else:
            flat[path] = value
    return flat


def _pairs(path: str, was: Iterable[tuple[str, Any]], now: Iterable[tuple[str, Any]]) -> Iterable[Difference]:
    """Yield what differs between two lists of (chunk, key or content)."""
    old, new = dict(was), dict(now)
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            cause = name not in old or name not in new
            yield Difference(
                input=f"{path}.{name}", old=old.get(name), new=new.get(name), cause=cause, subject=name
            )
    yield from _order(path, list(old), list(new))


def _order(path: str, was: Sequence[str], now: Sequence[str]) -> Iterable[Difference]:
    """Yield the difference when names that both lists have stand in another order."""
    common = set(was) & set(now)
    old, new = [name for name in was if name in common], [name for name in now if name in common]
    if old != new:
        yield Difference(input=f"{path}.order", old=old, new=new, cause=True)


def _groups(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[Difference]:
    """Yield what differs in the strata below a chunk."""
    path = "staged" if "staged" in now["inputs"] else "strata"
    old_digests, new_digests = was["inputs"].get(path, []), now["inputs"].get(path, [])
    if now["inputs"]["kind"] not in ("chunk", "chunk build") or old_digests == new_digests:
        return
    old = {
        name: (digest, members) for (name, members), digest in zip(was["groups"], old_digests, strict=True)
    }
    new = {
        name: (digest, members) for (name, members), digest in zip(now["groups"], new_digests, strict=True)
    }
    for stratum in dict.fromkeys((*old, *new)):
        if stratum in old and stratum in new:
            if old[stratum][0] != new[stratum][0]:
                inner = list(_pairs(f"{path}.{stratum}", old[stratum][1], new[stratum][1]))
                yield from inner or [_whole(path, stratum, old[stratum][0], new[stratum][0], cause=False)]
        else:
            before, after = old.get(stratum, (None,))[0], new.get(stratum, (None,))[0]
            yield _whole(path, stratum, before, after, cause=True)
    yield from _order(path, list(old), list(new))


def _whole(path: str, stratum: str, old: object, new: object, *, cause: bool) -> Difference:
    return Difference(input=f"{path}.{stratum}", old=old, new=new, cause=cause)


def _selection(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[Difference]:
    """Yield what differs in what a system is composed of."""
    if now["kind"] == "system build":
        yield from _pairs("selected", was["selected"], now["selected"])
        return
    if now["kind"] != "system":
        return
    yield from _pairs("chunks", sorted(was["chunks"].items()), sorted(now["chunks"].items()))
    old, new = _selected(was), _selected(now)
    for stratum in dict.fromkeys((*old, *new)):
        before, after = old.get(stratum, ()), new.get(stratum, ())
        for chunk, artifact in dict.fromkeys((*before, *after)):
            there = [artifact if (chunk, artifact) in set(side) else None for side in (before, after)]
            if there[0] != there[1] and chunk in was["chunks"] and chunk in now["chunks"]:
                yield Difference(
                    input=f"selected.{stratum}.{artifact}",
                    old=there[0],
                    new=there[1],
                    cause=True,
                    subject=chunk,
                )
        yield from _order(f"selected.{stratum}", [a for _, a in before], [a for _, a in after])
    yield from _order("selected", list(old), list(new))
    if old == new and was["strata"] != now["strata"]:
        yield Difference(input="strata", old=was["strata"], new=now["strata"], cause=True)


def _selected(inputs: Mapping[str, Any]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the selection of a system: stratum → (chunk, artifact) in order."""
    return {
        stratum: tuple((chunk, artifact) for chunk, artifact in items)
        for stratum, items in inputs["selected"]
    }
