"""What a cache holds, looked at while other commands are at work on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.cache import open_cache
from lithify.schedule.holdings import survey
from lithify.schedule.retention import Retention
from lithify.store.damage import DamagedObject
from lithify.store.reading import Repository
from lithify.store.writing import Store
from tests.inside import needs_root
from tests.store.trees import File, make_folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(open_cache(tmp_path / "cache"), sync=False, min_free=1 << 20)
    yield store
    store.close()


def build(store: Store, name: str) -> str:
    """Put a build into the store and return its commit."""
    place = make_folder(store.cache.staging / name, {name: File(b"x" * 5000)})
    metadata = {"kind": "chunk", "name": name, "content": name * 64, "built-at": 1}
    with store.transaction() as transaction:
        return transaction.commit(transaction.take(place), metadata, [f"d/{name * 64}"])


@needs_root
def test_a_build_that_comes_while_one_looks_is_not_there_yet(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(store, "a")
    refs = Repository.refs

    def then_comes_another(repository: Repository, prefix: str = "") -> dict[str, str]:
        found = refs(repository, prefix)
        build(store, "b")
        return found

    monkeypatch.setattr(Repository, "refs", then_comes_another)
    assert list(survey(store.cache, Retention()).builds) == ["a" * 64]
    monkeypatch.undo()
    assert sorted(survey(store.cache, Retention()).builds) == ["a" * 64, "b" * 64]


@needs_root
def test_a_build_that_goes_while_one_looks_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    build(store, "a")
    going = build(store, "b")
    refs = Repository.refs

    def then_goes_one(repository: Repository, prefix: str = "") -> dict[str, str]:
        found = refs(repository, prefix)
        os.unlink(store.reading.place(going, "commit"))
        store.drop_ref(f"d/{'b' * 64}")
        return found

    monkeypatch.setattr(Repository, "refs", then_goes_one)
    assert list(survey(store.cache, Retention()).builds) == ["a" * 64]


@needs_root
def test_a_build_whose_commit_is_gone_is_damage(store: Store) -> None:
    os.unlink(store.reading.place(build(store, "a"), "commit"))
    with pytest.raises(DamagedObject, match="is missing"):
        survey(store.cache, Retention())
