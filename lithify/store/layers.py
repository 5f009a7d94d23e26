"""Kept checkouts: one folder for each content, made once, checked on its first use in a command.

``layers/<content digest>/tree`` is what is mounted, and ``index`` beside it says how it looked when it was made. A layer that
looks otherwise is renamed away (it may be mounted elsewhere), and made again from the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from lithify.cache import CacheFolder, hold_lock, host_error_of, publish
from lithify.crash import crash_point
from lithify.events import Warned
from lithify.graph.model import ContentDigest
from lithify.store.checkout import check_out
from lithify.store.entries import FileLoader
from lithify.store.gvariant import Tree
from lithify.store.layer import Layer
from lithify.store.manifest import Manifest
from lithify.store.writing import Store

INDEX_VERSION = 1
DAMAGED_PREFIX = ".damaged-"
"""How the names of layers begin that were renamed away; garbage collection removes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How a folder looks: what is in it, and a digest over what ``lstat`` says of each entry."""

    fingerprint: str
    dirs: frozenset[str]
    symlinks: dict[str, str]
    files: frozenset[str]


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
    known = store.layers.get(digest)
    if known is not None:
        return known
    store.lease_layers()
    place = cache.layers / digest
    try:
        survey = _survey_if_whole(place)
        if survey is None:
            changed = _rename_away(cache, store, place)
            survey = _made(cache, loader, place, tree, manifest, check=changed)
    except OSError as error:
        raise host_error_of(error, place) from error
    layer = Layer(
        digest=digest,
        tree=tree,
        manifest=manifest,
        path=place / "tree",
        dirs=survey.dirs,
        symlinks=survey.symlinks,
        files=survey.files,
    )
    store.layers.add(layer)
    return layer


def _made(
    cache: CacheFolder, loader: FileLoader, place: Path, tree: Tree, manifest: Manifest, *, check: bool
) -> Survey:
    surveys: list[Survey] = []

    def make(aside: Path) -> None:
        os.mkdir(aside, 0o700)
        crash_point("layer.check-out")
        check_out(loader, tree, manifest, aside / "tree", share=True, devices=False, check=check)
        crash_point("layer.checked-out")
        surveys.append(survey_folder(aside / "tree"))
        index = {"version": INDEX_VERSION, "fingerprint": surveys[0].fingerprint}
        (aside / "index").write_text(json.dumps(index), encoding="utf-8")

    # not synced: what a power loss leaves does not look as it should, and is made again
    publish(place, make, locks=cache.locks, sync=False)
    return surveys[0] if surveys else survey_folder(place / "tree")


def _survey_if_whole(place: Path) -> Survey | None:
    """Return how a layer looks, or None where it is missing or looks otherwise than when it was made."""
    try:
        index = json.loads((place / "index").read_text(encoding="utf-8"))
        survey = survey_folder(place / "tree")
    except (OSError, ValueError):
        return None
    if not isinstance(index, dict) or index.get("version") != INDEX_VERSION:
        return None
    return survey if index.get("fingerprint") == survey.fingerprint else None


def _rename_away(cache: CacheFolder, store: Store, place: Path) -> bool:
    """Move a layer that looks wrong out of the way; return whether there was one."""
    if not os.path.lexists(place):
        return False
    with hold_lock(cache.locks / "layer-repair"):
        if not os.path.lexists(place) or _survey_if_whole(place) is not None:
            return True  # another command has made it again meanwhile
        os.rename(place, place.with_name(f"{DAMAGED_PREFIX}{place.name}-{secrets.token_hex(4)}"))
    store.report(Warned(text=f"the kept checkout {place} was changed from outside; it is made again"))
    return True


def survey_folder(folder: Path) -> Survey:
    """Return how a folder looks: names, kinds, modes, owners, sizes, times and link targets of all that is in it."""
    looks: list[str] = []
    dirs: list[str] = []
    symlinks: dict[str, str] = {}
    files: list[str] = []
    top = str(folder)
    pending = [""]
    looks.append(_look_of_folder("", os.lstat(top)))
    while pending:
        path = pending.pop()
        prefix = f"{path}/" if path else ""
        # on an open folder, so that the kernel need not walk the whole path for each entry
        descriptor = os.open(f"{top}/{path}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with os.scandir(descriptor) as listing:
                entries = sorted(listing, key=attrgetter("name"))
            for entry in entries:
                here = prefix + entry.name
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    dirs.append(here)
                    pending.append(here)
                    looks.append(_look_of_folder(here, status))
                    continue
                target = ""
                if entry.is_symlink():
                    symlinks[here] = target = os.readlink(entry.name, dir_fd=descriptor)
                else:
                    files.append(here)
                looks.append(
                    f"{here}\0{status.st_mode} {status.st_uid} {status.st_gid} {status.st_mtime_ns} "
                    f"{status.st_size} {target}"
                )
        finally:
            os.close(descriptor)
    return Survey(
        fingerprint=hashlib.sha256("\0".join(looks).encode(errors="surrogateescape")).hexdigest(),
        dirs=frozenset(dirs),
        symlinks=symlinks,
        files=frozenset(files),
    )


def _look_of_folder(path: str, status: os.stat_result) -> str:
    """Return what is compared of a folder: not its size, which is its file system's affair."""
    return f"{path}\0{status.st_mode} {status.st_uid} {status.st_gid} {status.st_mtime_ns}"
