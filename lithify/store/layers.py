"""Kept checkouts: one folder for each content, made once, checked on its first use in a command.

``layers/<content digest>/tree`` is what is mounted, and ``index`` beside it says how it looked when it was made. A layer that
looks otherwise is renamed away (it may be mounted elsewhere), and made again from the store.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

from lithify.cache import CacheFolder, hold_lock, host_error_of, publish
from lithify.crash import crash_point
from lithify.events import Warned
from lithify.graph.model import ContentDigest
from lithify.store.checkout import check_out
from lithify.store.entries import FileLoader
from lithify.store.gvariant import Tree
from lithify.store.layer import Layer
from lithify.store.manifest import Manifest
from lithify.store.short_look import INDEX_VERSION
from lithify.store.survey import Known, Survey, is_changed_at, known_of, still_looks, survey_folder
from lithify.store.writing import Store

DAMAGED_PREFIX = ".damaged-"
"""How the names of layers begin that were renamed away; garbage collection removes them."""


def ensure_layer(
    cache: CacheFolder, store: Store, digest: ContentDigest, tree: Tree, manifest: Manifest
) -> Layer:
    """Return the kept checkout of a tree, made if it is missing, made again if somebody changed it.

    Devices, fifos and sockets are not in it. Raises :class:`DamagedObject` where the store itself is damaged.
    """
    return keep_layer(cache, store, store.reading, digest, tree, manifest)


def keep_layer(
    cache: CacheFolder,
    store: Store,
    loader: FileLoader,
    digest: ContentDigest,
    tree: Tree,
    manifest: Manifest,
) -> Layer:
    """Do what :func:`ensure_layer` does, for a tree whose folders need not be in the store."""
    with store.layers.looking_at(digest):
        known = store.layers.get(digest)
        if known is not None:
            return known
        store.use()
        place = cache.layers / digest
        layer = Layer(digest=digest, tree=tree, manifest=manifest, path=place / "tree")
        try:
            if is_changed_at(layer.path, store.layers.lookers.found_whole(digest)):
                store.layers.add(layer)
                return layer
            survey = _survey_if_whole(place)
            if survey is None:
                changed = _rename_away(cache, store, place)
                survey = _made(cache, loader, place, tree, manifest, check=changed)
        except OSError as error:
            raise host_error_of(error, place) from error
        store.layers.add(layer, survey)
        return layer


def _made(
    cache: CacheFolder, loader: FileLoader, place: Path, tree: Tree, manifest: Manifest, *, check: bool
) -> Survey:
    surveys: list[Survey] = []

    def make(aside: Path) -> None:
        os.mkdir(aside, 0o700)
        crash_point("layer.check-out")
        check_out(loader, tree, manifest, aside / "tree", link="alone", devices=False, check=check)
        crash_point("layer.checked-out")
        surveys.append(survey_folder(aside / "tree"))
        _write_index(aside, known_of(str(aside / "tree"), surveys[0]))

    # not synced: what a power loss leaves does not look as it should, and is made again
    publish(place, make, locks=cache.locks, sync=False)
    return surveys[0] if surveys else survey_folder(place / "tree")


def is_as_made(place: Path) -> bool:
    """Return whether the layer at ``place`` looks all over as it did when it was made; its files' contents are not read.

    One of another version of lithify looks as it does: its next use makes it again. Changes nothing.
    """
    try:
        index = msgspec.json.decode((place / "index").read_bytes())
        if isinstance(index, dict) and index.get("version") != INDEX_VERSION:
            return True
        return survey_folder(str(place / "tree")).fingerprint == Known.from_json(index).survey.fingerprint
    except (OSError, ValueError):
        return False


def put_aside(cache: CacheFolder, name: str) -> None:
    """Rename a layer away: whoever has it mounted keeps it, and its next use makes it again."""
    place = cache.layers / name
    with suppress(FileNotFoundError):
        os.rename(place, place.with_name(f"{DAMAGED_PREFIX}{name}-{secrets.token_hex(4)}"))


def _survey_if_whole(place: Path) -> Survey | None:
    """Return how a layer looks, or None where it is missing or looks otherwise than when it was made.

    Everything is looked at only where a short look cannot tell: right after it was made, and in a cache that was copied.
    """
    top = str(place / "tree")
    try:
        index = msgspec.json.decode((place / "index").read_bytes())
        if not isinstance(index, dict) or index.get("version") != INDEX_VERSION:
            return None
        known = Known.from_json(index)
        if still_looks(top, known):
            return known.survey
        renewed = known_of(top, known.survey)  # first: what changes after that, the next command sees
        if survey_folder(top).fingerprint != known.survey.fingerprint:
            return None
    except (OSError, ValueError):
        return None
    with suppress(OSError):  # of a full disk: then the next command looks at everything again
        _write_index(place, renewed)
    return known.survey


def _write_index(place: Path, known: Known) -> None:
    """Keep how a layer looks, at one stroke: another command may read it."""
    index = {"version": INDEX_VERSION, **known.to_json()}
    aside = place / f".index-{secrets.token_hex(4)}"
    aside.write_text(json.dumps(index), encoding="utf-8")
    os.replace(aside, place / "index")


def _rename_away(cache: CacheFolder, store: Store, place: Path) -> bool:
    """Move a layer that looks wrong out of the way; return whether there was one."""
    if not os.path.lexists(place):
        return False
    with hold_lock(cache.locks / "layer-repair"):
        if not os.path.lexists(place) or _survey_if_whole(place) is not None:
            return True  # another command has made it again meanwhile
        ours = _is_of_this_version(place)
        os.rename(place, place.with_name(f"{DAMAGED_PREFIX}{place.name}-{secrets.token_hex(4)}"))
    if ours:
        store.report(Warned(text=f"the kept checkout {place} was changed from outside; it is made again"))
    return True


def _is_of_this_version(place: Path) -> bool:
    """Return whether an index is ours, or damaged; another version of lithify looked at other things."""
    try:
        index = msgspec.json.decode((place / "index").read_bytes())
        return int(index["version"]) == INDEX_VERSION
    except (OSError, ValueError, KeyError, TypeError):
        return True
