"""Mends what an inspection found: what is damaged goes, in the order that leaves nothing that looks whole and is not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from lithify.cache import CacheFolder, remove_tree
from lithify.config import Settings
from lithify.events import Note, Report
from lithify.facts import facts_fault, forget_facts
from lithify.schedule.building import reserve
from lithify.schedule.inspection import BY_HAND, Damage
from lithify.sources.checking import file_fault, put_mirror_aside
from lithify.store.healing import heal
from lithify.store.layers import put_aside
from lithify.store.reading import Repository
from lithify.store.ref_checking import drop_refs
from lithify.store.writing import Store


def mend(settings: Settings, cache: CacheFolder, damages: Sequence[Damage], report: Report) -> None:
    """Mend all that can be mended without asking anybody; waits until no build is being published.

    Whoever calls it looks again afterwards: that alone says what is sound.
    """
    wanted = [damage for damage in damages if damage.what not in BY_HAND]
    objects = [damage.found for damage in wanted if damage.found is not None]
    refs = [damage.name for damage in wanted if damage.what == "ref"]
    if objects or refs:
        store = Store(cache, sync=settings.fsync, min_free=reserve(cache), report=report)
        with store.exclusive_lock():
            drop_refs(Repository(cache.ostree), refs)
        if objects:
            healed = heal(store, objects)
            report(Note(text=f"{len(healed.commits)} commits and {len(healed.layers)} layers dropped"))
        store.settle()
    for damage in wanted:
        _mend(cache, damage, report)


def _mend(cache: CacheFolder, damage: Damage, report: Report) -> None:
    path = cache.root / damage.name
    match damage.what:
        case "layer":
            put_aside(cache, path.name)
        case "repository":
            aside = put_mirror_aside(cache, path)
            if aside is not None:
                report(
                    Note(
                        text=f"{aside} is the damaged mirror: remove it when the next build has fetched it again"
                    )
                )
        case "archive" | "package":
            if file_fault(path):
                path.unlink(missing_ok=True)
        case "facts":
            if facts_fault(path):
                forget_facts(path)
        case "log":
            with suppress(FileNotFoundError):
                path.rename(path.with_name(f"{path.stem}.damaged.log"))
        case "answer":
            path.unlink(missing_ok=True)
        case "lock":
            remove_tree(path)
        case _:
            pass
