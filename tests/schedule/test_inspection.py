"""The cache looked at while garbage is collected."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lithify.cache import open_cache
from lithify.crash import arm
from lithify.events import ignore
from lithify.schedule import inspection
from lithify.schedule.inspection import Inspection, inspect
from lithify.store.garbage import collect
from lithify.store.layer_checking import layer_fault
from lithify.store.writing import Store
from tests.inside import needs_root
from tests.store.test_layers import layer_of
from tests.store.trees import File, make_folder


@needs_root
def test_a_layer_whose_objects_were_collected_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gc removes objects first: who looks at that moment waits for its end, and looks again."""
    cache = open_cache(tmp_path / "cache")
    store = Store(cache, sync=False, min_free=1 << 20)
    with store.transaction() as transaction:
        tree = transaction.take(make_folder(tmp_path / "i", {"a": File(b"x")}))
        transaction.commit(tree, {}, ["x/1"])
    layer_of(store, tree)
    store.close()
    found: list[str] = []
    seen = threading.Event()
    looked: list[Inspection] = []

    def noted(*given: object) -> str:
        found.append(layer_fault(*given))  # type: ignore[arg-type]
        seen.set()
        return found[-1]

    monkeypatch.setattr(inspection, "layer_fault", noted)
    looking = threading.Thread(target=lambda: looked.append(inspect(cache, ignore)))

    def look(point: str) -> None:
        if point == "store.collect.pruned":
            looking.start()
            assert seen.wait(60)

    arm(look)
    try:
        collect(store, keep_ref=lambda *_: False)
    finally:
        arm(None)
    looking.join(60)
    assert "which is not as it was built" in found[0]
    assert [one.damages for one in looked] == [()]
