"""A built-in write extension is run by hand: a folder of the user's is deployed, as a system of the store would be.

The folder is copied into a store of its own, in the cache's ``staging/``, which is gone afterwards: so a type has one way of
writing, and the folder stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lithify.build.metadata import Content
from lithify.build.workshop import bench_in
from lithify.cache import CacheFolder, open_cache
from lithify.deploy.deployment import carry_out, check_order
from lithify.deploy.order import Order, Works
from lithify.deploy.registry import TYPES
from lithify.errors import DeployError, UnsafeContent
from lithify.events import Report
from lithify.graph.model import ContentDigest
from lithify.staging.capture import capture_destdir, device_at
from lithify.staging.copying import copy_without_nodes
from lithify.staging.namespace import enter
from lithify.store.content import content_digest
from lithify.store.gvariant import Tree
from lithify.store.manifest import EMPTY
from lithify.store.writing import Store

_NOTHING = Content(tree=Tree("", ""), manifest=EMPTY, digest=ContentDigest(""))


def values_of(kind: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a type among variables: ``root-size``, or as a shell can set it, ``ROOT_SIZE``."""
    found = {}
    for field in TYPES[kind].fields:
        for name in (field, field.upper().replace("-", "_")):
            if environment.get(name):
                found[field] = environment[name]
                break
    return found


def write_by_hand(
    order: Order, folder: Path, cache: CacheFolder, tempdir: Path, report: Report, *, sync: bool
) -> None:
    """Carry out an order of :func:`order_by_hand` with what ``folder`` holds.

    ``tempdir`` must exist. Enters the user namespace, so no thread may have been started before.
    """
    enter()
    with bench_in(cache, tempdir, order.name) as own:
        store = Store(open_cache(own.staging / "store"), sync=False, min_free=1, report=report)
        try:
            content = _taken(store, folder)
            works = Works(repository=store.reading, scratch=own.scratch, report=report, sync=sync)
            carry_out(replace(order, content=content), works, noted=False)
        finally:
            store.close()


def order_by_hand(kind: str, folder: Path, location: Path, environment: Mapping[str, str]) -> Order:
    """Return what a built-in type is asked for, without its content; checked.

    Raises :class:`DeployError` for what is wrong with folder, location or values.
    """
    if not folder.is_dir():
        raise DeployError(f"{kind}.write: there is no folder {folder}")
    order = Order(
        name=f"{kind}.write",
        type=kind,
        location=location,
        values=values_of(kind, environment),
        system=folder.name,
        content=_NOTHING,
        commit="",
        definition_key="",
    )
    check_order(order)
    return order


def _taken(store: Store, folder: Path) -> Content:
    """Return what a copy of a folder is in a store."""
    copy = store.cache.staging / "copy"
    nodes = copy_without_nodes(folder, copy)
    try:
        captured = capture_destdir(copy)
    except UnsafeContent as error:
        raise DeployError(f"{folder}: {error.message}") from error
    manifest = captured.manifest.with_devices(device_at(path, info) for path, info in nodes)
    with store.transaction() as transaction:
        tree = transaction.take(copy, manifest)
    return Content(tree=tree, manifest=manifest, digest=content_digest(tree, manifest))
