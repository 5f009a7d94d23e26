"""Objects in a folder, and a real store with systems in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.build.metadata import Content
from lithify.cache import open_cache
from lithify.deploy.order import Works
from lithify.events import Event
from lithify.store.content import content_digest
from lithify.store.manifest import Manifest
from lithify.store.writing import Store
from tests.deploy.trees import Objects
from tests.store.trees import Spec, make_folder


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(open_cache(tmp_path / "cache"), sync=False, min_free=1 << 20)
    yield store
    store.close()


def _owned(spec: Spec) -> Spec:
    """Give root's files to the caller, who may be an ordinary user and then can give nothing away."""
    if os.geteuid() == 0:
        return spec
    return {path: replace(node, uid=os.getuid(), gid=os.getgid()) for path, node in spec.items()}


@pytest.fixture
def system(store: Store, tmp_path: Path) -> Callable[..., Content]:
    """Return a function that puts a tree into the store as a system's content; all of it is the caller's own."""

    def make(spec: Spec, manifest: Manifest | None = None) -> Content:
        held = manifest or Manifest()
        with store.transaction() as transaction:
            tree = transaction.take(make_folder(tmp_path / "system", _owned(spec)), held)
            transaction.commit(tree, {}, ["d/system"])
        return Content(tree=tree, manifest=held, digest=content_digest(tree, held))

    return make


@pytest.fixture
def events() -> list[Event]:
    """A list to report to."""
    return []


@pytest.fixture
def works(store: Store, tmp_path: Path, events: list[Event]) -> Works:
    """What deployments are made with; events are kept."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Works(repository=store.reading, scratch=scratch, report=events.append)
