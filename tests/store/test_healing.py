"""Damage: every kind is found and named, and what is thrown away is made again whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lithify.cache import CacheFolder
from lithify.store.damage import DamagedObject
from lithify.store.healing import heal
from lithify.store.manifest import Manifest
from lithify.store.reading import Repository
from lithify.store.verifying import verify
from lithify.store.writing import Store
from tests.store.test_layers import RICH, layer_of
from tests.store.test_writing import fsck
from tests.store.trees import File, Spec, make_folder

OTHER: Spec = {"a": RICH["a"], "own": File(b"own")}


def commit(store: Store, place: Path, spec: Spec, name: str) -> str:
    with store.transaction() as transaction:
        tree = transaction.take(make_folder(place, spec))
        return transaction.commit(tree, {"name": name}, [f"d/{name}"], timestamp=1)


def objects(cache: CacheFolder, kind: str) -> list[Path]:
    return sorted((cache.ostree / "objects").rglob(f"*.{kind}"))


def flip(place: Path) -> None:
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)


def cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-1])


def chown(place: Path) -> None:
    os.chown(place, 9, 9)


@pytest.mark.parametrize("kind", ["commit", "dirtree", "dirmeta", "file"])
@pytest.mark.parametrize("harm", [flip, cut, Path.unlink, chown])
def test_damage_is_found_and_healed_by_making_it_again(
    store: Store, cache: CacheFolder, tmp_path: Path, kind: str, harm: Callable[[Path], None]
) -> None:
    wanted = commit(store, tmp_path / "i", RICH, "rich")
    bystander = commit(store, tmp_path / "j", {"x": File(b"x", uid=3)}, "bystander")
    held = [
        place
        for place in objects(cache, kind)
        if not place.is_symlink()
        and place.stat().st_size
        and (kind != "commit" or place.parent.name + place.stem == wanted)
        and (kind != "file" or place.stat().st_uid != 3)
    ]
    victim = held[0]
    if harm is chown and kind != "file":
        return  # owners are part of what a file object is, and of no other
    harm(victim)
    found = verify(Repository(cache.ostree))
    name = victim.parent.name + victim.stem
    assert [(error.kind, error.checksum) for error in found.damaged] == [(kind, name)]
    healed = heal(store, found.damaged)
    assert wanted in healed.commits
    assert "d/rich" in healed.refs
    if kind in ("commit", "file"):
        assert store.reading.ref("d/bystander") == bystander
    assert verify(Repository(cache.ostree)).damaged == ()
    assert commit(store, tmp_path / "again", RICH, "rich") == wanted
    assert verify(Repository(cache.ostree)).damaged == ()
    assert store.reading.ref("d/rich") == wanted
    assert not store.reading.is_partial(wanted)


def test_all_owners_of_a_damaged_file_are_named_with_their_layers(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    one = commit(store, tmp_path / "i", RICH, "one")
    two = commit(store, tmp_path / "j", OTHER, "two")
    three = commit(store, tmp_path / "k", {"z": File(b"z")}, "three")
    layers = [layer_of(store, store.reading.commit(name).tree) for name in (one, two, three)]
    checksum = dict(store.reading.dirtree(store.reading.commit(one).tree.dirtree).files)["a"]
    healed = heal(store, [DamagedObject("file", checksum, "is not what its checksum says")])
    assert healed.commits == tuple(sorted([one, two]))
    assert healed.refs == ("d/one", "d/two")
    assert healed.layers == (layers[0].digest,)  # the second has a copy of its own, which is sound
    assert not layers[0].path.exists() and layers[1].path.exists() and layers[2].path.exists()
    assert store.reading.refs() == {"d/three": three}


def test_a_commit_whose_content_is_missing_is_found_and_made_again(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    """The object is there, no mark says that it is not whole: what a kill can leave, and what pulling takes for built."""
    wanted = commit(store, tmp_path / "i", RICH, "rich")
    for kind in ("dirtree", "dirmeta", "file"):
        for place in objects(cache, kind):
            place.unlink()
    store.reading.forget()
    with pytest.raises(DamagedObject) as caught:
        store.reading.paths(store.reading.commit(wanted).tree, Manifest())
    heal(store, [caught.value])
    assert store.reading.ref("d/rich") is None
    assert commit(store, tmp_path / "again", RICH, "rich") == wanted
    assert verify(Repository(cache.ostree)).damaged == ()
    assert fsck(cache) == ""
