"""Kept checkouts: exact, with inodes that tell no lies, noticed when changed; and stacks that are the merge."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lithify.cache import CacheFolder
from lithify.errors import MergeConflict
from lithify.events import Event, Warned
from lithify.facts import Facts
from lithify.store.checkout import check_out
from lithify.store.content import content_digest
from lithify.store.damage import DamagedObject
from lithify.store.gvariant import Tree
from lithify.store.layer import Layer
from lithify.store.layers import ensure_layer
from lithify.store.manifest import Device, Manifest, manifest_of
from lithify.store.merge import Part, merge
from lithify.store.stack import resolve_stack
from lithify.store.writing import Store
from tests.store.trees import Dir, File, Node, Spec, Symlink, make_folder, read_folder

EMPTY = Manifest()


def taken(store: Store, place: Path, spec: Spec, manifest: Manifest = EMPTY) -> Tree:
    with store.transaction() as transaction:
        tree = transaction.take(make_folder(place, spec), manifest)
        transaction.commit(tree, {}, [f"t/{tree.dirtree}"])
    return tree


def layer_of(store: Store, tree: Tree, manifest: Manifest = EMPTY) -> Layer:
    return ensure_layer(store.cache, store, content_digest(tree, manifest), tree, manifest)


RICH: Spec = {
    "a": File(b"x", 0o4755),
    "d": Dir(0o2775, 5, 7, ((b"user.d", b"1"),)),
    "d/e": File(b"y" * 5000, 0o640, 5, 7, ((b"user.note", b"n"),)),
    "d/link": Symlink("../a", 5, 7),
    "d/new\nline": File(b""),
    "t": Dir(0o1777),
    "z": Symlink("/nowhere"),
}


def fresh(cache: CacheFolder) -> Store:
    """Return a store that knows no layer, as another command has it."""
    return Store(cache, sync=False, min_free=1 << 20)


def test_a_layer_is_the_tree_and_all_its_times_are_0(store: Store, tmp_path: Path) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    layer = layer_of(store, tree)
    assert read_folder(layer.path) == {"": Dir(), **RICH}
    assert store.layers.names(layer).dirs == {"d", "t"}
    assert store.layers.names(layer).symlinks == {"d/link": "../a", "z": "/nowhere"}
    assert store.layers.names(layer).files == {"a", "d/e", "d/new\nline"}
    assert {path.lstat().st_mtime_ns for path in (layer.path, *layer.path.rglob("*"))} == {0}


def test_a_layer_is_made_once_and_found_by_other_commands(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    layer = layer_of(store, tree)
    inode = layer.path.stat().st_ino
    assert layer_of(store, tree) is layer
    again = layer_of(fresh(cache), tree)
    assert again == layer
    assert again.path.stat().st_ino == inode


def test_capabilities_and_acls_are_kept_by_link_and_by_copy(store: Store, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "i", {"ping": File(b"x", 0o755), "acl": Dir()})
    subprocess.run(["setcap", "cap_net_raw+ep", str(place / "ping")], check=True)
    os.utime(place / "ping", ns=(0, 0))
    acl = bytes.fromhex(
        "0200000001000700ffffffff02000500050000000400050 0ffffffff10000500ffffffff20000500ffffffff".replace(
            " ", ""
        )
    )
    os.setxattr(place / "acl", "system.posix_acl_access", acl)
    wanted = read_folder(place)
    with store.transaction() as transaction:
        tree = transaction.take(place)
        transaction.commit(tree, {}, ["d/1"])
    layer = layer_of(store, tree)
    assert read_folder(layer.path) == wanted
    assert os.listxattr(layer.path / "ping") == ["security.capability"]
    assert os.listxattr(layer.path / "acl") == ["system.posix_acl_access"]
    check_out(store.reading, tree, EMPTY, tmp_path / "copy")
    assert read_folder(tmp_path / "copy") == wanted
    with store.transaction() as transaction:
        assert transaction.take(tmp_path / "copy") == tree


def test_taking_a_checkout_gives_the_same_tree(store: Store, tmp_path: Path) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    assert check_out(store.reading, tree, EMPTY, tmp_path / "out") == ()
    assert read_folder(tmp_path / "out") == {"": Dir(), **RICH}
    assert taken(store, tmp_path / "j", RICH) == tree
    with store.transaction() as transaction:
        assert transaction.take(tmp_path / "out") == tree


def inodes(*places: Path) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for place in places:
        for path in place.rglob("*"):
            if not path.is_dir() or path.is_symlink():
                found.setdefault(path.lstat().st_ino, []).append(str(path.relative_to(place)))
    return found


def test_equal_files_have_inodes_of_their_own_in_all_layers(store: Store, tmp_path: Path) -> None:
    one = layer_of(store, taken(store, tmp_path / "i", {"a": File(b"x"), "b": File(b"x"), "l": Symlink("a")}))
    two = layer_of(store, taken(store, tmp_path / "j", {"c": File(b"x"), "m": Symlink("a")}))
    assert sorted(inodes(one.path, two.path).values()) == [["a"], ["b"], ["c"], ["l"], ["m"]]
    subprocess.run(["cp", str(one.path / "a"), str(tmp_path / "b")], check=True)
    linked = [path for path in (*one.path.iterdir(), *two.path.iterdir()) if path.lstat().st_nlink == 2]
    assert (
        len(linked) == 1
    )  # with the object: the content is on the disk once more for each further place only


def test_links_of_the_manifest_are_one_inode_and_others_are_not(store: Store, tmp_path: Path) -> None:
    manifest = manifest_of(links=[["a", "d/b"]])
    spec = {"a": File(b"x"), "c": File(b"x"), "d/b": File(b"x")}
    tree = taken(store, tmp_path / "i", spec, manifest)
    layer = layer_of(store, tree, manifest)
    assert sorted(inodes(layer.path).values()) == [["a", "d/b"], ["c"]]
    check_out(store.reading, tree, manifest, tmp_path / "out")
    assert sorted(inodes(tmp_path / "out").values()) == [["a", "d/b"], ["c"]]
    assert (tmp_path / "out/a").stat().st_nlink == 2


def test_devices_are_made_in_a_checkout_and_left_out_of_a_layer(store: Store, tmp_path: Path) -> None:
    manifest = manifest_of(
        [
            Device(path="d/pipe", type="p", mode=0o622, uid=5, gid=7),
            Device(path="d/socket", type="s", mode=0o600),
            Device(path="null", type="c", mode=0o666, major=1, minor=3),
        ]
    )
    tree = taken(store, tmp_path / "i", {"d/x": File(b"x")}, manifest)
    layer = layer_of(store, tree, manifest)
    assert store.layers.names(layer).files == {"d/x"}
    unmade = check_out(store.reading, tree, manifest, tmp_path / "out")
    pipe = (tmp_path / "out/d/pipe").lstat()
    assert (stat.S_ISFIFO(pipe.st_mode), stat.S_IMODE(pipe.st_mode), pipe.st_uid, pipe.st_gid) == (
        True,
        0o622,
        5,
        7,
    )
    assert stat.S_ISSOCK((tmp_path / "out/d/socket").lstat().st_mode)
    assert [device.path for device in unmade] == [
        device.path for device in manifest.devices if not os.path.lexists(tmp_path / "out" / device.path)
    ]
    assert {device.type for device in unmade} <= {"c"}


def test_many_threads_that_want_the_same_content_share_no_inode(store: Store, tmp_path: Path) -> None:
    specs = [{f"{n}/f{m}": File(str(m).encode()) for m in range(50)} for n in range(4)]
    trees = [taken(store, tmp_path / f"i{n}", spec) for n, spec in enumerate(specs)]
    layers: list[Layer] = []
    threads = [
        threading.Thread(target=lambda tree=tree: layers.append(layer_of(store, tree))) for tree in trees
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(layers) == 4
    assert all(len(paths) == 1 for paths in inodes(*(layer.path for layer in layers)).values())


def append(place: Path) -> None:
    with open(place / "d/e", "ab") as file:
        file.write(b"!")


def delete(place: Path) -> None:
    (place / "d/e").unlink()


def add(place: Path) -> None:
    (place / "t/new").touch()
    os.utime(place / "t/new", ns=(0, 0))
    os.utime(place / "t", ns=(0, 0))


def replace(place: Path) -> None:
    (place / "d/e").unlink()
    (place / "d/e").write_bytes(b"z" * 5000)


def chmod(place: Path) -> None:
    os.chmod(place / "d/e", 0o600)


def chmod_folder(place: Path) -> None:
    os.chmod(place / "t", 0o755)


def relink(place: Path) -> None:
    (place / "z").unlink()
    (place / "z").symlink_to("/elsewher")
    os.utime(place / "z", ns=(0, 0), follow_symlinks=False)
    os.utime(place, ns=(0, 0))


def no_index(place: Path) -> None:
    (place.parent / "index").write_text("{")


@pytest.mark.parametrize("harm", [delete, add, replace, chmod_folder, relink, no_index])
def test_a_changed_layer_is_made_again_with_a_warning(
    cache: CacheFolder, store: Store, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    layer = layer_of(store, tree)
    inode = layer.path.stat().st_ino
    harm(layer.path)
    events: list[Event] = []
    again = layer_of(Store(cache, sync=False, min_free=1 << 20, report=events.append), tree)
    assert read_folder(again.path) == {"": Dir(), **RICH}
    assert again.path.stat().st_ino != inode
    assert [type(event) for event in events] == [Warned]
    assert layer_of(fresh(cache), tree) == again


def as_if_long_ago(place: Path) -> int:
    """Have the index say that the layer was looked at long after it was made; return the index's inode.

    The kernel's clock is let go on, so that what comes next has another change time.
    """
    index = json.loads((place / "index").read_text())
    newest = max(index["changed"].values())
    probe = place.parent / "probe"
    probe.touch()
    while probe.stat().st_ctime_ns <= newest:
        probe.touch()
    probe.unlink()
    (place / "index").write_text(json.dumps({**index, "settled": True}))
    return (place / "index").stat().st_ino


@pytest.mark.parametrize("harm", [delete, add, replace, chmod_folder, relink])
def test_a_short_look_notices_what_a_whole_one_does(
    cache: CacheFolder, store: Store, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    layer = layer_of(store, tree)
    settled = as_if_long_ago(layer.path.parent)
    assert layer_of(fresh(cache), tree) == layer
    assert (layer.path.parent / "index").stat().st_ino == settled  # it was enough
    harm(layer.path)
    events: list[Event] = []
    again = layer_of(Store(cache, sync=False, min_free=1 << 20, report=events.append), tree)
    assert read_folder(again.path) == {"": Dir(), **RICH}
    assert [type(event) for event in events] == [Warned]


@pytest.mark.parametrize("harm", [append, chmod])
def test_a_short_look_notices_a_damaged_object(
    cache: CacheFolder, store: Store, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    layer = layer_of(store, tree)
    as_if_long_ago(layer.path.parent)
    harm(layer.path)
    with pytest.raises(DamagedObject, match=r"file .* is not what its checksum says"):
        layer_of(fresh(cache), tree)


def test_a_layer_right_after_it_was_made_is_looked_at_as_a_whole(
    cache: CacheFolder, store: Store, tmp_path: Path
) -> None:
    """A change at the same tick of the kernel's clock would leave the change times as they are."""
    index = layer_of(store, taken(store, tmp_path / "i", RICH)).path.parent / "index"
    assert json.loads(index.read_text())["settled"] is False


def test_the_layers_of_a_copied_cache_are_whole(cache: CacheFolder, store: Store, tmp_path: Path) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    place = layer_of(store, tree).path.parent
    as_if_long_ago(place)
    copied = place.with_name("copied")
    subprocess.run(["cp", "-a", place, copied], check=True)
    shutil.rmtree(place)
    copied.rename(place)
    events: list[Event] = []
    layer_of(Store(cache, sync=False, min_free=1 << 20, report=events.append), tree)
    assert events == []


@pytest.mark.parametrize("harm", [append, chmod])
def test_an_object_damaged_through_a_layer_is_found(
    cache: CacheFolder, store: Store, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """The file is one inode with the object in the store, which making the layer again would only link once more."""
    tree = taken(store, tmp_path / "i", RICH)
    harm(layer_of(store, tree).path)
    with pytest.raises(DamagedObject, match=r"file .* is not what its checksum says"):
        layer_of(fresh(cache), tree)


def test_an_object_whose_time_alone_was_changed_is_put_right(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    tree = taken(store, tmp_path / "i", {"a": File(b"x")})
    layer = layer_of(store, tree)
    os.utime(layer.path / "a")
    assert (layer_of(fresh(cache), tree).path / "a").stat().st_mtime_ns == 0


def test_a_missing_object_is_named_and_leaves_no_half_layer(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    tree = taken(store, tmp_path / "i", {"a": File(b"x"), "b": File(b"y")})
    checksum = store.reading.dirtree(tree.dirtree).files[1][1]
    store.reading.file_path(checksum).unlink()
    with pytest.raises(DamagedObject, match=f"file {checksum} is missing"):
        layer_of(store, tree)
    assert list(cache.layers.iterdir()) == []


def test_folders_that_pass_on_groups_and_acls_have_no_say(store: Store, tmp_path: Path) -> None:
    tree = taken(store, tmp_path / "i", RICH)
    parent = tmp_path / "parent"
    parent.mkdir()
    os.chown(parent, 0, 7)
    os.chmod(parent, 0o2777)
    acl = bytes.fromhex(
        "0200000001000700ffffffff020007000500000004000700ffffffff10000700ffffffff20000700ffffffff"
    )
    os.setxattr(parent, "system.posix_acl_default", acl)
    check_out(store.reading, tree, EMPTY, parent / "out")
    assert read_folder(parent / "out") == {"": Dir(), **RICH}


def lower(layers: list[Layer]) -> dict[str, Node]:
    """Return what a plain overlay of layers shows: the uppermost entry, and folders united with folders right below."""
    seen: dict[str, Node] = {}
    hidden: set[str] = set()
    for layer in reversed(layers):
        entries = read_folder(layer.path)
        blocked = {
            path
            for path in entries
            if any(path == other or path.startswith(f"{other}/") for other in hidden if other)
        }
        for path, node in entries.items():
            if path not in blocked:
                seen.setdefault(path, node)
        # below a leaf nothing shows, and below a folder no leaf of a lower layer at the same path
        hidden |= {
            path for path, node in entries.items() if path not in blocked and not isinstance(node, Dir)
        }
        folders = {path for path, node in seen.items() if isinstance(node, Dir)}
        hidden -= folders
    return seen


def stacked(store: Store, place: Path, *specs: Spec) -> tuple[list[Layer], list[Layer], Path]:
    """Return layers, what they are resolved to, and a checkout of their merge."""
    layers = [layer_of(store, taken(store, place / f"i{n}", spec)) for n, spec in enumerate(specs)]
    resolved = resolve_stack(store.cache, store, layers)
    with store.transaction() as transaction:
        result = merge(
            store.reading,
            [Part(name=str(n), tree=layer.tree, manifest=layer.manifest) for n, layer in enumerate(layers)],
        )
        transaction.write(result)
    check_out(store.reading, result.tree, result.manifest, place / "merged")
    return layers, resolved, place / "merged"


def test_a_stack_without_links_in_the_way_is_mounted_as_it_is(store: Store, tmp_path: Path) -> None:
    layers, resolved, result = stacked(
        store,
        tmp_path,
        {"usr/a": File(b"1"), "l": Symlink("usr")},
        {"usr/b": File(b"2")},
        {"usr/a": File(b"3")},
    )
    assert resolved == layers
    assert lower(resolved) == read_folder(result)


@pytest.mark.parametrize(
    "specs",
    [
        [
            {"lib": Symlink("usr/lib"), "usr/lib": Dir(0o711)},
            {"lib": Dir(0o700), "lib/x": File(b"x")},
            {"lib/x": File(b"y")},
        ],
        [{"lib": Dir(0o700), "lib/x": File(b"x")}, {"lib": Symlink("usr/lib")}, {"usr/lib/y": File(b"y")}],
        [
            {"lib": Symlink("usr/lib"), "usr": Dir(0o750)},
            {"lib": Dir(0o700), "lib/x": File(b"x")},
            {"lib/z/y": File()},
        ],
        [
            {"a": Symlink("b"), "b": Symlink("c"), "c": Dir()},
            {"a/1": File()},
            {"b/2": File()},
            {"c/3": File()},
        ],
    ],
)
def test_the_resolved_stack_shows_the_merge(
    store: Store, cache: CacheFolder, tmp_path: Path, specs: list[Spec]
) -> None:
    layers, resolved, result = stacked(store, tmp_path, *specs)
    assert resolved != layers
    assert lower(resolved) == read_folder(result)
    assert resolve_stack(cache, store, layers) == resolved
    other = fresh(cache)
    again = [layer_of(other, layer.tree) for layer in layers]
    assert resolve_stack(cache, other, again) == resolved


def test_only_the_layer_that_offends_is_rewritten(store: Store, tmp_path: Path) -> None:
    layers, resolved, _ = stacked(
        store,
        tmp_path,
        {"lib": Symlink("usr/lib"), "usr/lib": Dir()},
        {"lib/x": File()},
        {"usr/lib/y": File()},
    )
    assert [one == other for one, other in zip(layers, resolved, strict=True)] == [True, False, True]


def test_a_folder_against_a_file_in_a_stack_names_both(store: Store, tmp_path: Path) -> None:
    layers = [
        layer_of(store, taken(store, tmp_path / "i", {"x": File()})),
        layer_of(store, taken(store, tmp_path / "j", {"x/y": File()})),
    ]
    with pytest.raises(MergeConflict, match=r"/x: zlib has a folder there, and glibc has a file"):
        resolve_stack(store.cache, store, layers, names=["glibc", "zlib"])


def test_too_many_layers_become_fewer(store: Store, tmp_path: Path) -> None:
    specs: list[Spec] = [{f"d/{n}": File(str(n).encode()), "last": File(str(n).encode())} for n in range(60)]
    layers = [layer_of(store, taken(store, tmp_path / f"i{n}", spec)) for n, spec in enumerate(specs)]
    resolved = resolve_stack(store.cache, store, layers, most=15)
    assert len(resolved) == 11
    assert resolved[1:] == layers[50:]
    assert lower(resolved) == lower(layers)
    few = resolve_stack(store.cache, store, layers, most=1)
    assert len(few) == 1
    assert lower(few) == lower(layers)


def test_that_a_stack_is_plain_is_asked_once(
    store: Store, cache: CacheFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next command mounts it without reading any name in it; another stack is asked about, whatever is known."""
    plain: list[Spec] = [{"usr/a": File(b"1"), "l": Symlink("usr")}, {"usr/b": File(b"2")}]
    layers = [layer_of(store, taken(store, tmp_path / f"i{n}", spec)) for n, spec in enumerate(plain)]
    offending = layer_of(store, taken(store, tmp_path / "o", {"l/c": File(b"3")}))
    with closing(Facts(cache.facts)) as facts:
        assert resolve_stack(cache, store, layers, facts=facts) == layers
        other = fresh(cache)
        read: list[object] = []
        monkeypatch.setattr("lithify.store.layer.read_survey", read.append)
        again = [layer_of(other, layer.tree) for layer in layers]
        monkeypatch.setattr(other.layers, "meet", lambda _: pytest.fail("asked again"))
        assert resolve_stack(cache, other, again, facts=facts) == layers
        assert resolve_stack(cache, other, again[::-1], facts=facts) == layers[::-1]
        assert read == []
        monkeypatch.undo()
        third = fresh(cache)
        more = [layer_of(third, layer.tree) for layer in (*layers, offending)]
        assert resolve_stack(cache, third, more, facts=facts) != more
        assert resolve_stack(cache, third, more, facts=facts) != more  # that one is not is not kept


def test_the_names_in_a_layer_are_read_where_they_are_kept_or_looked_up(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    layer = layer_of(store, taken(store, tmp_path / "i", {"d/a": File(b"1"), "l": Symlink("d")}))
    for index in ("kept", "torn", "gone"):
        other = fresh(cache)
        if index == "torn":
            (layer.path.parent / "index").write_text("{")
        elif index == "gone":
            (layer.path.parent / "index").unlink()
        names = other.layers.names(layer)
        assert (names.dirs, names.files, names.symlinks) == ({"d"}, {"d/a"}, {"l": "d"})
