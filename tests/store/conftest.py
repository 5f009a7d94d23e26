"""Stores for tests: real OSTree repositories in folders of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.cache import CacheFolder, open_cache
from lithify.store.writing import Store


@pytest.fixture
def cache(tmp_path: Path) -> CacheFolder:
    return open_cache(tmp_path / "cache")


@pytest.fixture
def store(cache: CacheFolder) -> Iterator[Store]:
    """A store that does not sync: the disk is not what these tests are about."""
    store = Store(cache, sync=False, min_free=1 << 20)
    yield store
    store.close()
