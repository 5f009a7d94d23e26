"""What integration commands changed: the tree that results is what the overlay showed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec import Struct

from lithify.cache import open_cache
from lithify.staging.capture import capture_destdir, capture_upper
from lithify.store.gvariant import Tree
from lithify.store.manifest import Device, Manifest, manifest_of
from lithify.store.overlay import overlay
from lithify.store.writing import Store
from tests.inside import folder_of, make_ordinary_user, run_inside
from tests.store.test_layers import layer_of, taken
from tests.store.trees import Dir, File, Memory, Spec, Symlink

EMPTY = Manifest()
NULL = Device(path="dev/null", type="c", mode=0o666, major=1, minor=3)


class Changed(Struct, frozen=True):
    removed: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    manifest: Manifest = EMPTY


def overlaid(
    memory: Memory, tree: Tree, changes: Changed, upper: Tree, manifest: Manifest = EMPTY
) -> tuple[Tree, Manifest]:
    frozen = overlay(memory, tree, manifest, changes, upper)
    return memory.write(frozen), frozen.manifest


def test_nothing_changed_is_the_same_tree() -> None:
    memory = Memory()
    manifest = manifest_of([NULL], [["a/b", "c"]])
    tree = memory.tree({"a/b": File(b"x"), "c": File(b"x")}, manifest)
    assert overlaid(memory, tree, Changed(), memory.tree({}), manifest) == (tree, manifest)


def test_the_upper_layer_wins_whatever_is_below() -> None:
    memory = Memory()
    tree = memory.tree({"file": File(), "dir/x": File(), "link": Symlink("dir"), "kept/a": File(b"1")})
    upper = memory.tree({"file/in": File(), "dir": File(b"d"), "link/in": File(), "kept": Dir(0o700)})
    assert overlaid(memory, tree, Changed(opaque=("file", "link")), upper)[0] == memory.tree(
        {"file/in": File(), "dir": File(b"d"), "link/in": File(), "kept": Dir(0o700), "kept/a": File(b"1")}
    )


def test_what_was_removed_is_gone_with_all_in_it() -> None:
    memory = Memory()
    manifest = manifest_of([NULL], [["a/b", "c", "d"]])
    tree = memory.tree({"a/b": File(b"x"), "c": File(b"x"), "d": File(b"x")}, manifest)
    assert overlaid(
        memory, tree, Changed(removed=("a", "dev/null", "none", "c/none")), memory.tree({}), manifest
    ) == (
        memory.tree({"c": File(b"x"), "d": File(b"x"), "dev": Dir()}),
        manifest_of(links=[["c", "d"]]),
    )


def test_an_opaque_folder_shows_nothing_from_below() -> None:
    memory = Memory()
    tree = memory.tree({"a/b": File(), "a/c/d": File()})
    upper = memory.tree({"a/c": Dir(0o700)})
    assert overlaid(memory, tree, Changed(opaque=("a",)), upper)[0] == memory.tree({"a/c": Dir(0o700)})


def test_devices_and_links_of_the_upper_layer_are_taken_over() -> None:
    memory = Memory()
    below = manifest_of([NULL], [["a", "b"]])
    tree = memory.tree({"a": File(b"x"), "b": File(b"x")}, below)
    above = manifest_of(
        [Device(path="dev/null", type="p", mode=0o600), Device(path="run/p", type="p", mode=0o600)],
        [["b", "c"]],
    )
    upper = memory.tree({"b": File(b"y"), "c": File(b"y")}, above)
    result = overlaid(memory, tree, Changed(manifest=above), upper, below)
    assert result[1] == above
    assert set(memory.leaves(result[0])) == {"a", "b", "c"}


BASE: Spec = {
    "etc/a": File(b"a", 0o640, 5, 7),
    "etc/b": Symlink("a"),
    "usr": Dir(0o711),
    "usr/lib/x": File(b"x", 0o4755),
    "usr/lib/deep/y": File(b"y"),
    "usr/share/z": File(b"z", xattrs=((b"user.note", b"1"),)),
    "var": Dir(0o1777),
}


def change_at_random(top: Path, seed: int) -> None:
    """Do what integration commands do, in any order: write, replace, remove, rename, link, change modes and owners."""
    choose = random.Random(seed)
    for step in range(12):
        there = sorted(path for path in top.rglob("*"))
        folders = [top, *(path for path in there if path.is_dir() and not path.is_symlink())]
        files = [path for path in there if path.is_file() and not path.is_symlink()]
        own = [path for path in files if path.name in ("n", "m", "inside")]
        new = choose.choice(folders) / choose.choice(["n", "m", "etc", "lib"])
        action = choose.randrange(9)
        if action == 0 and not os.path.lexists(new):
            new.write_bytes(b"new%d" % step)
        elif action == 1 and not os.path.lexists(new):
            new.mkdir()
        elif action == 2 and there:
            gone = choose.choice(there)
            shutil.rmtree(gone) if gone in folders else gone.unlink()
        elif action == 3 and there:
            gone = choose.choice(there)
            shutil.rmtree(gone) if gone in folders else gone.unlink()
            gone.mkdir()
            (gone / "inside").write_bytes(b"i")
        elif action == 4 and len(folders) > 1:
            folder = choose.choice(folders[1:])
            os.chmod(folder, choose.choice([0o700, 0o755, 0o2775]))
        elif action == 5 and files:
            os.chown(choose.choice(files), 3, 4)
        elif action == 6 and own and not os.path.lexists(new):
            os.link(choose.choice(own), new)
        elif action == 7 and files:
            choose.choice(files).write_bytes(b"changed%d" % step)
        elif action == 8 and not os.path.lexists(new):
            new.symlink_to("../etc/a")


def overlays_are_what_they_showed(folder: str, seeds: list[int]) -> list[int]:
    """Return the seeds after which the overlay on metadata differs from what a commit of the whole mount gives."""
    top = Path(folder)
    store = Store(open_cache(top / "cache"), sync=False, min_free=1 << 20)
    tree = taken(store, top / "cache/staging/base", BASE)
    layer = layer_of(store, tree)
    wrong = []
    for seed in seeds:
        place = store.cache.staging / str(seed)
        for name in ("", "upper", "work", "mount"):
            (place / name).mkdir()
            os.chmod(place / name, 0o755)
        options = f"userxattr,lowerdir={layer.path},upperdir={place / 'upper'},workdir={place / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(place / "mount")], check=True)
        change_at_random(place / "mount", seed)
        subprocess.run(["cp", "-a", str(place / "mount"), str(place / "copy")], check=True)
        subprocess.run(["umount", str(place / "mount")], check=True)
        shown = capture_destdir(place / "copy").manifest
        changes = capture_upper(place / "upper")
        with store.transaction() as transaction:
            expected = transaction.take(place / "copy")
            upper = transaction.take(place / "upper", changes.manifest)
            frozen = overlay(transaction.reading, tree, Manifest(), changes, upper)
            found = transaction.write(frozen)
        # a mount hides some links: of a file that had another name in a lower layer, as most objects have in the store
        links = [set(group) for group in frozen.manifest.links]
        if found != expected or not all(any(set(group) <= known for known in links) for group in shown.links):
            wrong.append(seed)
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("who", ["root", "user"])
def test_the_result_is_what_the_kernels_overlay_showed(who: str) -> None:
    user = make_ordinary_user() if who == "user" else None
    with folder_of(user) as folder:
        assert run_inside(overlays_are_what_they_showed, str(folder), list(range(25)), user=user) == []
