"""Any tree, taken in and checked out, is the same tree; every object is what libostree makes of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.cache import open_cache
from lithify.errors import UnsafeContent
from lithify.store.checking import check_file
from lithify.store.checkout import check_out
from lithify.store.folders import freeze
from lithify.store.gvariant import (
    decode_dirmeta,
    decode_dirtree,
    encode_dirmeta,
    encode_dirtree,
)
from lithify.store.ingest import read_folder as read_ingest
from lithify.store.manifest import Device, Manifest, manifest_of
from lithify.store.reading import Repository
from lithify.store.verifying import verify
from lithify.store.writing import Store
from tests.store.test_layers import layer_of
from tests.store.trees import Dir, File, Node, Symlink, make_folder, read_folder

odd_names = st.one_of(
    st.sampled_from(
        ["a", "b", "new\nline", "-x", " ", "ä", "n" * 255, "\x01", '"\\', "~", ".h", "a b", "Ａ"]
    ),
    st.text(
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1, max_size=40
    ).filter(lambda name: name not in (".", "..")),
)
owners = st.sampled_from([0, 5, 7, 1000])
xattrs = st.sampled_from([(), ((b"user.a", b"1"), (b"user.b", b"\xff" * 200))])
nodes: st.SearchStrategy[Node] = st.one_of(
    st.builds(
        File,
        st.binary(max_size=300),
        st.sampled_from([0o644, 0o4755, 0o2755, 0o000, 0o6711, 0o1444]),
        owners,
        owners,
        xattrs,
    ),
    st.builds(Symlink, st.text("a/.ä\n", min_size=1, max_size=300), owners, owners),
    st.builds(Dir, st.sampled_from([0o755, 0o700, 0o1777, 0o2775, 0o500]), owners, owners, xattrs),
)
trees = st.dictionaries(st.lists(odd_names, min_size=1, max_size=3).map("/".join), nodes, max_size=8)


def fitting(tree: dict[str, Node]) -> dict[str, Node]:
    """Leave out what would lie in a file, and describe the folders that are only implied."""
    kept: dict[str, Node] = {}
    for path in sorted(tree):
        parents = [path[:end] for end, character in enumerate(path) if character == "/"]
        if all(isinstance(kept.get(parent, Dir()), Dir) for parent in parents):
            kept.update({parent: Dir() for parent in parents if parent not in kept})
            kept[path] = tree[path]
    return kept


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(tree=trees.map(fitting))
def test_take_check_out_and_take_again(
    tree: dict[str, Node], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("trip")
    cache = open_cache(place / "cache")
    store = Store(cache, sync=False, min_free=1 << 20)
    with store.transaction() as transaction:
        taken = transaction.take(make_folder(place / "inst", tree))
        transaction.commit(taken, {}, ["d/1"])
    layer = layer_of(store, taken)
    assert read_folder(layer.path) == {"": Dir(), **tree}
    check_out(store.reading, taken, Manifest(), place / "out")
    assert read_folder(place / "out") == {"": Dir(), **tree}
    with store.transaction() as transaction:
        assert transaction.take(place / "out") == taken
    assert sorted(store.reading.paths(taken, Manifest())) == sorted(tree)
    assert verify(Repository(cache.ostree)).damaged == ()
    for path in (cache.ostree / "objects").rglob("*.dirtree"):
        data = path.read_bytes()
        assert encode_dirtree(decode_dirtree(data)) == data
    for path in (cache.ostree / "objects").rglob("*.dirmeta"):
        data = path.read_bytes()
        assert encode_dirmeta(decode_dirmeta(data)) == data
    store.close()


@settings(max_examples=25, deadline=None)
@given(tree=trees.map(fitting))
def test_a_folder_is_what_ostree_makes_of_it(
    tree: dict[str, Node], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("same")
    folder = make_folder(place / "inst", tree)
    repo = place / "repo"
    subprocess.run(["ostree", f"--repo={repo}", "init", "--mode=bare"], check=True)
    committing = ["ostree", f"--repo={repo}", "commit", "--branch=d", f"--tree=dir={folder}"]
    done = subprocess.run(committing, check=True, capture_output=True, text=True)
    found = read_ingest(str(folder))
    assert freeze(found.root).tree == Repository(repo).commit(done.stdout.strip()).tree
    for checksum, lying in found.files.items():
        assert Repository(repo).has(checksum, "file")
        assert check_file(lying, checksum) is None


@pytest.mark.parametrize("what", ["name", "target"])
def test_what_is_no_text_is_refused(tmp_path: Path, what: str) -> None:
    name, target = (b"\xff", b"a") if what == "name" else (b"a", b"\xff")
    os.symlink(target, os.path.join(os.fsencode(tmp_path), name))
    with pytest.raises(UnsafeContent, match=f"has a {what} that is not UTF-8"):
        read_ingest(str(tmp_path))


def test_an_object_that_is_there_stays_with_whoever_shares_it(store: Store, tmp_path: Path) -> None:
    """The same file again is not moved over the first: layers are hard links to that."""
    for name in ("one", "two"):
        with store.transaction() as transaction:
            taken = transaction.take(make_folder(tmp_path / name, {"a": File(b"x"), "b": File(b"x")}))
            transaction.commit(taken, {"name": name}, [f"d/{name}"])
        assert not (tmp_path / name).exists()
        (checksum,) = {entry.checksum for entry in store.reading.entries(taken, Manifest()) if entry.path}
        status = store.reading.file_path(checksum).stat()
        if name == "one":
            first = status.st_ino
        assert (status.st_ino, status.st_nlink) == (first, 1)


def test_a_transaction_that_fails_leaves_the_folder_as_it_is(store: Store, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "i", {"a/b": File(b"x"), "c": Symlink("a")})
    with pytest.raises(KeyError), store.transaction() as transaction:
        taken = transaction.take(place)
        assert [entry.path for entry in transaction.reading.entries(taken, Manifest())] == [
            "",
            "a",
            "a/b",
            "c",
        ]
        raise KeyError
    assert read_folder(place) == {"": Dir(), "a": Dir(), "a/b": File(b"x"), "c": Symlink("a")}
    assert not list((store.cache.ostree / "objects").rglob("*.file"))


def test_an_empty_attribute_is_in_no_checksum(store: Store, tmp_path: Path) -> None:
    """libostree leaves it out; what is read here leaves it out too, and nothing is damaged for it."""
    place = make_folder(
        tmp_path / "i", {"a": File(b"x", xattrs=((b"user.empty", b""), (b"user.full", b"1")))}
    )
    with store.transaction() as transaction:
        taken = transaction.take(place)
        transaction.commit(taken, {}, ["d/1"])
    (_, entry) = store.reading.entries(taken, Manifest())
    assert entry.xattrs == ((b"user.full", b"1"),)
    assert verify(store.reading).damaged == ()


paths = st.lists(st.sampled_from(["a", "b", "usr"]), min_size=1, max_size=3).map("/".join)


@given(st.sets(paths, max_size=4), st.sets(paths, max_size=6), st.data())
def test_a_manifest_is_read_as_it_was_written(
    device_paths: set[str], linked: set[str], data: st.DataObject
) -> None:
    devices = [
        Device(
            path=path,
            type=data.draw(st.sampled_from(["c", "b", "p", "s"])),
            mode=data.draw(st.integers(0, 0o7777)),
            uid=data.draw(owners),
            major=data.draw(st.integers(0, 4095)),
        )
        for path in device_paths
    ]
    manifest = manifest_of(devices, [sorted(linked - device_paths)])
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.subset(device_paths | linked) == manifest
    assert manifest.subset(()) == Manifest()


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"devices": [], "links": None},
        {"devices": [{}], "links": []},
        {"devices": [], "links": [["../a", "b"]]},
        {"devices": [], "links": [["/a", "b"]]},
        {"devices": [], "links": [["a", "b"], ["b", "c"]]},
        {
            "devices": [
                {"path": "a/../b", "type": "c", "mode": 1, "uid": 0, "gid": 0, "major": 1, "minor": 1}
            ],
            "links": [],
        },
        {
            "devices": [{"path": "a", "type": "x", "mode": 1, "uid": 0, "gid": 0, "major": 1, "minor": 1}],
            "links": [],
        },
        {
            "devices": [{"path": "a", "type": "c", "mode": -1, "uid": 0, "gid": 0, "major": 1, "minor": 1}],
            "links": [],
        },
    ],
)
def test_a_manifest_that_is_none_is_a_fault(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="manifest"):
        Manifest.from_json(value)


def test_declared_devices_replace_what_stood_there() -> None:
    old = manifest_of([Device(path="d", type="p", mode=0o600)], [["a", "b", "c"]])
    new = Device(path="a", type="c", mode=0o666, major=1, minor=3)
    other = Device(path="d", type="c", mode=0o666, major=1, minor=5)
    assert old.with_devices([new, other]) == manifest_of([new, other], [["b", "c"]])
