"""The files that lithify itself writes into a system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lithify.build.baserock import WrittenFile
from lithify.build.system import own_content
from lithify.cache import open_cache
from lithify.facts import Facts
from lithify.store.writing import Store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="objects have owners")


def test_what_another_transaction_has_not_published_is_written(tmp_path: Path) -> None:
    """Another command writes the same file at the same time, and is ended before it publishes anything."""
    cache = open_cache(tmp_path / "cache")
    ours, theirs = (Store(cache, min_free=1 << 20) for _ in range(2))  # without syncs nothing is put aside
    facts = Facts(cache.facts)
    written = {"baserock/app.meta": WrittenFile(render=lambda: b"{}\n", identity="app")}

    class Ended(Exception):
        pass

    with pytest.raises(Ended), theirs.transaction() as aside:
        own_content(facts, aside, written)
        with ours.transaction() as transaction:
            content = own_content(facts, transaction, written)
        raise Ended
    ((_, folder, _),) = ours.reading.dirtree(content.tree.dirtree).dirs
    ((name, checksum),) = ours.reading.dirtree(folder).files
    assert name == "app.meta"
    assert ours.reading.has(checksum, "file")


def test_what_is_published_is_not_rendered_again(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    store, facts = Store(cache, sync=False, min_free=1 << 20), Facts(cache.facts)
    rendered: list[int] = []

    def render() -> bytes:
        rendered.append(1)
        return b"{}\n"

    for _ in range(2):
        with store.transaction() as transaction:
            own_content(facts, transaction, {"a": WrittenFile(render=render, identity="a")})
    assert rendered == [1]
