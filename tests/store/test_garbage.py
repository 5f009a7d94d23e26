"""What nothing names goes, what is named or in use stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lithify.cache import CacheFolder
from lithify.crash import arm
from lithify.store.checkout import check_out
from lithify.store.garbage import collect
from lithify.store.manifest import Manifest
from lithify.store.writing import Store
from tests.store.test_healing import commit, objects
from tests.store.test_layers import RICH, layer_of
from tests.store.test_writing import fsck
from tests.store.trees import Dir, File, read_folder

EMPTY = Manifest()


def test_what_no_kept_ref_leads_to_goes_and_all_else_stays(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    kept = commit(store, tmp_path / "i", RICH, "kept")
    commit(store, tmp_path / "j", {"a": RICH["a"], "gone": File(b"g" * 1000)}, "gone")
    result = collect(store, keep_ref=lambda name, _: name == "d/kept")
    assert (result.refs, result.objects) == (
        1,
        3,
    )  # a commit, its folder and its own file; the shared ones stay
    assert result.bytes >= 1000
    assert store.reading.refs() == {"d/kept": kept}
    check_out(store.reading, store.reading.commit(kept).tree, EMPTY, tmp_path / "out")
    assert read_folder(tmp_path / "out") == {"": Dir(), **RICH}
    assert fsck(cache) == ""
    again = collect(store, keep_ref=lambda *_: True)
    assert (again.refs, again.objects, again.layers) == (0, 0, 0)


def test_layers_go_unless_they_are_kept_or_in_use(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    trees = [store.reading.commit(commit(store, tmp_path / n, {n: File(n.encode())}, n)).tree for n in "ab"]
    layers = [layer_of(store, tree) for tree in trees]
    (cache.layers / ".damaged-x-1").mkdir()
    other = Store(cache, sync=False, min_free=1 << 20)
    assert collect(other, keep_ref=lambda *_: True).layers_in_use
    assert all(layer.path.exists() for layer in layers)
    store.close()
    result = collect(other, keep_ref=lambda *_: True, keep_layers={layers[0].digest})
    assert (result.layers, result.layers_in_use) == (1, False)
    assert os.listdir(cache.layers) == [layers[0].digest]
    assert layer_of(other, trees[1]).path == layers[1].path


def test_leftovers_of_killed_transactions_go(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    commit(store, tmp_path / "i", RICH, "kept")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    leftover = cache.ostree / f"tmp/staging-{boot}-abcdef"
    (leftover / "ab").mkdir(parents=True)
    (leftover / "ab" / ("c" * 62 + ".dirmeta")).write_bytes(b"x")
    (cache.ostree / f"tmp/staging-{boot}-abcdef-lock").touch()
    lock_alone = cache.ostree / f"tmp/staging-{boot}-ghijkl-lock"
    lock_alone.touch()
    mark = cache.ostree / "state" / f"{'a' * 64}.commitpartial"
    mark.touch()
    half_written = cache.ostree / "refs/heads/d/tmp.Ab12Cd"
    half_written.write_text("b" * 64)
    assert list(store.reading.refs()) == ["d/kept"]
    count = len(objects(cache, "*"))
    collect(store, keep_ref=lambda *_: True)
    assert not leftover.exists() and not mark.exists() and not half_written.exists()
    assert [path.name for path in (cache.ostree / "tmp").iterdir() if "staging" in path.name] == []
    commit(store, tmp_path / "j", RICH, "kept")
    assert len(objects(cache, "*")) == count


def test_a_ref_whose_commit_is_not_whole_goes(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    broken = commit(store, tmp_path / "i", RICH, "broken")
    (cache.ostree / "state" / f"{broken}.commitpartial").touch()
    objects(cache, "dirtree")[0].unlink()
    collect(store, keep_ref=lambda *_: True)
    assert objects(cache, "*") == []
    assert fsck(cache) == ""


def test_killed_while_objects_go_what_is_left_is_no_damage(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    """libostree removes objects in no order: a commit may lose its folder first. A ref of a remote keeps its commit."""
    commit(store, tmp_path / "i", RICH, "kept")
    gone = commit(store, tmp_path / "j", {"gone": File(b"g")}, "gone")
    remote = commit(store, tmp_path / "k", {"far": File(b"f")}, "far")
    place = cache.ostree / "refs/remotes/origin/far"
    place.parent.mkdir(parents=True)
    place.write_text(f"{remote}\n")
    tree = store.reading.commit(gone).tree

    def kill(point: str) -> None:
        if point == "store.collect.staging":
            raise KeyboardInterrupt

    arm(kill)
    try:
        with pytest.raises(KeyboardInterrupt):
            collect(store, keep_ref=lambda name, _: name == "d/kept")
    finally:
        arm(None)
    os.unlink(store.reading.place(tree.dirtree, "dirtree"))
    assert fsck(cache) == ""
    assert store.reading.is_partial(gone) and not store.reading.is_partial(remote)
    collect(store, keep_ref=lambda *_: True)
    assert not store.reading.has(gone, "commit") and store.reading.has(remote, "commit")
    assert list((cache.ostree / "state").iterdir()) == []
