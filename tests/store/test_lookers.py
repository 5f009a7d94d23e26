"""Processes that look at layers ahead of their use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lithify.cache import CacheFolder
from lithify.events import Event, Warned
from lithify.store import lookers as module
from lithify.store.layer import Layer
from lithify.store.lookers import Lookers, usual_processes
from lithify.store.short_look import INDEX_VERSION
from lithify.store.survey import SETTLING_NS
from lithify.store.writing import Store
from tests.store.test_layers import layer_of, taken
from tests.store.trees import File


@pytest.fixture
def layers(store: Store, cache: CacheFolder, tmp_path: Path) -> list[Layer]:
    """Six layers that were made so long ago that a short look at them tells."""
    made = [
        layer_of(store, taken(store, tmp_path / f"t{number}", {"d/a": File(b"%d" % number), "b": File(b"b")}))
        for number in range(6)
    ]
    newest = max(path.lstat().st_ctime_ns for layer in made for path in (layer.path, *layer.path.rglob("*")))
    while (tmp_path / "now").touch() or (tmp_path / "now").stat().st_ctime_ns <= newest + SETTLING_NS:
        (tmp_path / "now").unlink()
    again = Store(cache, sync=False, min_free=1 << 20)
    return [layer_of(again, layer.tree) for layer in made]  # a whole look, after which a short one is enough


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST", 2)


def looking(cache: CacheFolder, layers: list[Layer], processes: int = 2) -> Lookers:
    lookers = Lookers()
    lookers.look(cache.layers, [layer.digest for layer in layers], processes)
    return lookers


def overwrite(file: Path) -> None:
    with open(file, "r+b") as handle:
        handle.write(b"X")


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_whole_layers_are_found_whole_in_any_order_and_others_are_not(
    cache: CacheFolder, layers: list[Layer], processes: int
) -> None:
    overwrite(layers[1].path / "d/a")
    (layers[2].path / "d/a").unlink()
    (layers[3].path / "more").touch()
    shutil.rmtree(layers[4].path.parent)
    with_lookers = looking(cache, layers, processes)
    tops = [layers[number].path.lstat().st_ctime_ns for number in (5, 0)]
    found = [with_lookers.found_whole(layer.digest) for layer in reversed(layers)]
    assert found == [tops[0], None, None, None, None, tops[1]]
    assert not with_lookers.found_whole("never asked about")
    assert not with_lookers.found_whole(layers[0].digest)  # an answer is good for one use
    with_lookers.close()


@pytest.mark.usefixtures("few")
def test_lookers_that_die_leave_the_look_to_us(cache: CacheFolder, layers: list[Layer]) -> None:
    with_lookers = looking(cache, layers)
    children = set(with_lookers._children.values())
    assert len(children) == 2
    for child in children:
        child.kill()
        child.wait()
    tops = {layer.path.lstat().st_ctime_ns for layer in layers}
    assert {with_lookers.found_whole(layer.digest) for layer in layers} <= {None, *tops}
    with_lookers.close()
    assert all(child.returncode is not None for child in children)


@pytest.mark.usefixtures("few")
def test_closing_ends_them(cache: CacheFolder, layers: list[Layer]) -> None:
    with_lookers = looking(cache, layers)
    children = set(with_lookers._children.values())
    with_lookers.close()
    assert all(child.returncode is not None for child in children)
    assert not with_lookers.found_whole(layers[0].digest)


def test_few_layers_are_worth_no_process(cache: CacheFolder, layers: list[Layer]) -> None:
    assert not looking(cache, layers)._children
    assert not Lookers().found_whole(layers[0].digest)
    assert 1 <= usual_processes() <= 4


@pytest.mark.usefixtures("few")
def test_a_layer_changed_after_the_look_at_its_top_is_made_again(
    cache: CacheFolder, layers: list[Layer]
) -> None:
    events: list[Event] = []
    with_lookers = looking(cache, layers)
    store = Store(cache, sync=False, min_free=1 << 20, report=events.append, lookers=with_lookers)
    assert layer_of(store, layers[0].tree) == layers[0]
    overwrite(layers[1].path / "b")  # whatever the look came to, the next command sees it
    os.rename(layers[2].path / "d", layers[2].path / "e")
    assert store.layers.names(layer_of(store, layers[2].tree)).dirs == {"d"}
    assert (layers[2].path / "d/a").read_bytes() == b"2"
    assert any(isinstance(event, Warned) and "changed from outside" in event.text for event in events)
    with_lookers.close()


@pytest.mark.usefixtures("few")
def test_an_index_of_another_version_is_no_answer(cache: CacheFolder, layers: list[Layer]) -> None:
    digests = [layer.digest for layer in layers]
    with_lookers = Lookers()
    with_lookers.look(cache.layers, digests, 1, version=INDEX_VERSION + 1)
    assert not any(with_lookers.found_whole(digest) for digest in digests)
    with_lookers.close()
