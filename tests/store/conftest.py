"""Stores for tests: real OSTree repositories in folders of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.cache import CacheFolder, open_cache
from lithify.store.writing import Store

HERE = Path(__file__).parent
ENTER_THEMSELVES = (
    "test_inside.py",
    "test_overlay.py::test_the_result",
    "test_space_and_crowds.py::test_a_full",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most tests here to ``test_inside.py`` where we are an ordinary user: owners are true in a namespace alone."""
    if os.geteuid() == 0:
        return
    for item in items:
        name = item.nodeid.rpartition("/")[2]
        if HERE in item.path.parents and not name.startswith(ENTER_THEMSELVES):
            item.add_marker(pytest.mark.skip("runs in the namespace, by test_inside.py"))


@pytest.fixture
def cache(tmp_path: Path) -> CacheFolder:
    return open_cache(tmp_path / "cache")


@pytest.fixture
def store(cache: CacheFolder) -> Iterator[Store]:
    """A store that does not sync: the disk is not what these tests are about."""
    store = Store(cache, sync=False, min_free=1 << 20)
    yield store
    store.close()
