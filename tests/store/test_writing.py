"""Publishing: what a commit holds, in which order it appears, and what is left when it fails."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lithify.cache import CacheFolder
from lithify.crash import arm
from lithify.errors import Damaged, StoreError, UnsafeContent
from lithify.events import Event, Waiting
from lithify.store.aside import sweep_aside
from lithify.store.damage import DamagedObject
from lithify.store.gvariant import Dirmeta, Dirtree, Tree
from lithify.store.manifest import Device, Manifest, manifest_of
from lithify.store.reading import Repository
from lithify.store.writing import Store
from tests.inside import PROJECT, as_owner
from tests.store.trees import Dir, File, Node, Symlink, make_folder, read_folder

EMPTY = Manifest()


def fsck(cache: CacheFolder) -> str:
    done = subprocess.run(
        [*as_owner(), "ostree", "fsck", f"--repo={cache.ostree}"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def commit(store: Store, place: Path, refs: tuple[str, ...] = ("d/1",), **metadata: object) -> str:
    with store.transaction() as transaction:
        return transaction.commit(transaction.take(place), metadata, refs)


def test_a_commit_holds_a_folder_and_says_what_it_was_told(store: Store, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "inst", {"usr/bin/tool": File(b"x", 0o4755), "usr/lib": Symlink("../lib")})
    checksum = commit(store, place, ("last/1", "b/2", "d/3"), name="gtk+", blob=b"\xff", ä="ö")
    assert not place.exists()
    found = store.reading.commit(checksum)
    assert found.metadata == {"name": "gtk+", "blob": {"b64": "/w=="}, "ä": "ö"}
    assert found.bindings == ("b/2", "d/3", "last/1")
    assert store.reading.refs() == {"b/2": checksum, "d/3": checksum, "last/1": checksum}
    assert store.reading.refs("b") == {"b/2": checksum}
    entries = list(store.reading.entries(found.tree, EMPTY))
    assert [(entry.path, entry.kind, entry.mode) for entry in entries] == [
        ("", "dir", 0o755),
        ("usr", "dir", 0o755),
        ("usr/bin", "dir", 0o755),
        ("usr/bin/tool", "file", 0o4755),
        ("usr/lib", "symlink", 0o777),
    ]
    assert entries[-1].target == "../lib"
    assert store.reading.paths(found.tree, EMPTY) == [entry.path for entry in entries if entry.path]


def test_libostree_agrees_with_what_is_in_a_commit(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    checksum = commit(store, make_folder(tmp_path / "inst", {"a/b": File(b"x"), "c": Symlink("a")}), name="x")
    listing = subprocess.run(
        ["ostree", f"--repo={cache.ostree}", "ls", "-R", "d/1"], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split(maxsplit=4)[4] for line in listing.splitlines()] == ["/", "/c -> a", "/a", "/a/b"]
    assert fsck(cache) == ""
    shown = subprocess.run(
        ["ostree", f"--repo={cache.ostree}", "show", checksum], capture_output=True, text=True, check=True
    ).stdout
    assert checksum in shown


def test_what_a_transaction_writes_is_seen_in_it_and_not_outside(cache: CacheFolder, tmp_path: Path) -> None:
    with Store(cache, min_free=1 << 20).transaction() as transaction:
        tree = transaction.take(make_folder(tmp_path / "inst", {"a/b": File(b"x")}))
        assert transaction.reading.paths(tree, EMPTY) == ["a", "a/b"]
        assert [entry.size for entry in transaction.reading.entries(tree, EMPTY)] == [0, 0, 1]
        with pytest.raises(DamagedObject, match="is missing"):
            Repository(cache.ostree).dirtree(tree.dirtree)


def test_nothing_is_published_where_the_block_raises(cache: CacheFolder, tmp_path: Path) -> None:
    store = Store(cache, min_free=1 << 20)
    with pytest.raises(RuntimeError, match="stop"), store.transaction() as transaction:
        transaction.commit(transaction.take(make_folder(tmp_path / "i", {"a": File(b"x")})), {}, ["d/1"])
        raise RuntimeError("stop")
    assert store.reading.refs() == {}
    assert list((cache.ostree / "objects").rglob("*.*")) == []
    assert list((cache.ostree / "state").iterdir()) == []
    assert commit(store, make_folder(tmp_path / "j", {"a": File(b"x")}))


def test_a_partial_commit_is_not_built(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    checksum = commit(store, make_folder(tmp_path / "inst", {"a": File(b"x")}))
    (cache.ostree / "state" / f"{checksum}.commitpartial").touch()
    assert store.reading.ref("d/1") is None
    assert store.reading.refs() == {}


def test_the_marks_and_refs_come_in_their_order(cache: CacheFolder, tmp_path: Path) -> None:
    """Objects, mark, commit object, everything in place, no mark, refs: as seen from outside at each step."""
    store = Store(cache, min_free=1 << 20)
    steps: list[tuple[str, bool, bool, int]] = []

    def look(point: str) -> None:
        objects = {path.suffix for path in (cache.ostree / "objects").rglob("*.*")}
        marked = any((cache.ostree / "state").iterdir())
        refs = sum(path.is_file() for path in (cache.ostree / "refs/heads").rglob("*"))
        steps.append((point.removeprefix("store."), ".commit" in objects, marked, refs))

    arm(look)
    try:
        commit(store, make_folder(tmp_path / "inst", {"a": File(b"x")}), ("b/1", "d/1"))
    finally:
        arm(None)
    assert steps == [
        ("take", False, False, 0),
        ("commit.aside", False, False, 0),
        ("taken", False, False, 0),
        ("commit.mark", False, False, 0),
        ("commit.write", False, True, 0),
        ("commit.rename", False, True, 0),
        *[("commit.moved", False, True, 0)] * 3,  # the folder, its metadata and the file
        ("commit.moved", True, True, 0),
        ("commit.renamed", True, True, 0),
        ("commit.synced", True, True, 0),
        ("commit.unmarked", True, False, 0),
        ("ref.set", True, False, 1),
        ("ref.set", True, False, 2),
    ]


def test_the_same_commit_again_stays_whole_all_the_time(store: Store, tmp_path: Path) -> None:
    with store.transaction() as transaction:
        tree = transaction.take(make_folder(tmp_path / "inst", {"a": File(b"x")}))
        first = transaction.commit(tree, {}, ["d/1"], timestamp=1)
    seen: list[str | None] = []
    arm(lambda _: seen.append(store.reading.ref("d/1")))
    try:
        with store.transaction() as transaction:
            assert transaction.commit(tree, {}, ["d/1"], timestamp=1) == first
    finally:
        arm(None)
    assert seen and set(seen) == {first}


def test_a_dropped_ref_is_gone_and_may_be_dropped_again(store: Store, tmp_path: Path) -> None:
    commit(store, make_folder(tmp_path / "inst", {"a": File(b"x")}))
    store.drop_ref("d/1")
    store.drop_ref("d/1")
    assert store.reading.ref("d/1") is None


def test_a_store_that_does_not_exist_has_nothing(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "none")
    assert repository.ref("d/1") is None
    assert repository.refs() == {}


@pytest.mark.parametrize("text", ["", "short", "Z" * 64, "\xff" * 64])
def test_a_ref_that_names_no_commit_is_none(store: Store, cache: CacheFolder, text: str) -> None:
    (cache.ostree / "refs/heads/d").mkdir()
    (cache.ostree / "refs/heads/d/1").write_bytes(text.encode("latin-1"))
    assert store.reading.ref("d/1") is None


def test_a_chunks_root_has_the_whole_and_each_artifact(store: Store, tmp_path: Path) -> None:
    with store.transaction() as transaction:
        whole = transaction.take(make_folder(tmp_path / "inst", {"a": File(b"x"), "b": File(b"y")}))
        part = Tree(transaction.write_dirtree(Dirtree()), transaction.write_dirmeta(Dirmeta()))
        root = transaction.chunk_root(whole, {"gtk+-devel": part, "gtk+-libs": whole})
        checksum = transaction.commit(root, {"name": "gtk+"}, ["d/1"])
    tree = store.reading.commit(checksum).tree
    assert store.reading.subtree(tree, "all") == whole
    assert store.reading.subtree(tree, "artifacts/gtk+-libs") == whole
    assert store.reading.has_path(tree, "artifacts/gtk+-devel")
    assert not store.reading.has_path(tree, "artifacts/none")
    assert not store.reading.has_path(tree, "none/none")
    with pytest.raises(KeyError):
        store.reading.subtree(tree, "artifacts/none")


def test_written_files_have_the_bytes_modes_and_owners_they_were_given(store: Store, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        with store.transaction() as transaction:
            tree = transaction.write_tree(
                {
                    "etc/a": transaction.write_file(b"text", mode=0o644),
                    "etc/b/c": transaction.write_file(b"", mode=0o555),
                    "d": transaction.write_file(b"x" * 100_000, mode=0o600),
                }
            )
            transaction.commit(tree, {}, ["d/1"])
    finally:
        os.umask(old)
    found = {entry.path: (entry.kind, entry.mode, entry.size) for entry in store.reading.entries(tree, EMPTY)}
    assert found == {
        "": ("dir", 0o755, 0),
        "etc": ("dir", 0o755, 0),
        "etc/a": ("file", 0o644, 4),
        "etc/b": ("dir", 0o755, 0),
        "etc/b/c": ("file", 0o555, 0),
        "d": ("file", 0o600, 100_000),
    }


def test_a_written_object_is_the_object_that_taking_a_folder_gives(store: Store, tmp_path: Path) -> None:
    xattrs = ((b"user.note", b"n"),)
    with store.transaction() as transaction:
        taken = transaction.take(
            make_folder(
                tmp_path / "inst",
                {"d": Dir(0o1777, xattrs=xattrs), "f": File(b"x", 0o4711, xattrs=xattrs), "l": Symlink("f")},
            )
        )
        written = Dirtree(
            files=(
                ("f", transaction.write_file(b"x", mode=0o4711, xattrs=xattrs)),
                ("l", transaction.write_symlink("f")),
            ),
            dirs=(
                (
                    "d",
                    transaction.write_dirtree(Dirtree()),
                    transaction.write_dirmeta(Dirmeta(mode=0o41777, xattrs=xattrs)),
                ),
            ),
        )
        assert Tree(transaction.write_dirtree(written), transaction.write_dirmeta(Dirmeta())) == taken


def test_odd_names_are_kept(store: Store, tmp_path: Path) -> None:
    odd: dict[str, Node] = {
        "new\nline": File(b"1"),
        "n" * 255: File(b"2"),
        "\x01\x7f\"'\\": File(b"3"),
        "ä\u202e": Symlink("t" * 4000),
        "-x": File(b""),
        " ": Dir(0o711),
    }
    with store.transaction() as transaction:
        tree = transaction.take(make_folder(tmp_path / "inst", odd))
        transaction.commit(tree, {}, ["d/1"])
    assert set(store.reading.paths(tree, EMPTY)) == set(odd)


def test_a_name_that_is_not_utf8_is_an_error_and_no_traceback(store: Store, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "inst", {})
    (Path(os.fsdecode(os.fsencode(place) + b"/\xff"))).write_text("")
    with pytest.raises(UnsafeContent, match="not UTF-8"):
        commit(store, place)
    assert store.reading.refs() == {}


def test_a_fifo_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "inst", {})
    os.mkfifo(place / "pipe")
    with pytest.raises(UnsafeContent, match="pipe"):
        commit(store, place)
    assert (place / "pipe").exists()


def test_links_and_devices_of_the_manifest_get_their_places(store: Store, tmp_path: Path) -> None:
    place = make_folder(tmp_path / "inst", {"bin/a": File(b"x")})
    os.link(place / "bin/a", place / "bin/b")
    manifest = manifest_of(
        [Device(path="dev/console", type="c", mode=0o600, major=5, minor=1)], [["bin/a", "bin/b", "sbin/c"]]
    )
    with store.transaction() as transaction:
        tree = transaction.take(place, manifest)
        transaction.commit(tree, {}, ["d/1"])
    entries = {entry.path: entry for entry in store.reading.entries(tree, manifest)}
    assert list(entries) == ["", "bin", "bin/a", "bin/b", "dev", "dev/console", "sbin", "sbin/c"]
    assert [entries[path].hardlink_to for path in ("bin/a", "bin/b", "sbin/c")] == ["", "bin/a", "bin/a"]
    assert entries["dev/console"].device == manifest.devices[0]
    assert store.reading.paths(tree, manifest) == [path for path in entries if path]
    with pytest.raises(Damaged, match="dev"):
        list(
            store.reading.entries(transaction.reading.subtree(tree, "bin"), manifest.subset({"dev/console"}))
        )


def test_a_damaged_or_missing_object_is_named(store: Store, cache: CacheFolder, tmp_path: Path) -> None:
    checksum = commit(store, make_folder(tmp_path / "inst", {"a/b": File(b"x")}))
    tree = store.reading.commit(checksum).tree
    place = next((cache.ostree / "objects").rglob(f"{tree.dirtree[2:]}.dirtree"))
    whole = place.read_bytes()
    for damage in (whole[:-1], whole[:10] + b"\xff" + whole[11:], b""):
        place.write_bytes(damage)
        with pytest.raises(DamagedObject, match=f"dirtree {tree.dirtree} is not what"):
            Repository(cache.ostree).dirtree(tree.dirtree)
    place.unlink()
    with pytest.raises(DamagedObject, match=f"dirtree {tree.dirtree} is missing"):
        Repository(cache.ostree).dirtree(tree.dirtree)


def test_two_threads_commit_at_once_and_one_thread_does_not_nest(store: Store, tmp_path: Path) -> None:
    places = [make_folder(tmp_path / f"i{n}", {"same": File(b"x"), f"own{n}": File(b"y")}) for n in range(4)]
    threads = [
        threading.Thread(target=commit, args=(store, place, (f"d/{n}",))) for n, place in enumerate(places)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.reading.refs()) == 4
    with store.transaction(), pytest.raises(StoreError, match="open in this thread"), store.transaction():
        pass


def test_a_transaction_waits_for_a_collector_and_says_so(cache: CacheFolder, tmp_path: Path) -> None:
    events: list[Event] = []
    waiting = threading.Event()

    def report(event: Event) -> None:
        events.append(event)
        waiting.set()

    store = Store(cache, sync=False, min_free=1 << 20, report=report)
    place = make_folder(tmp_path / "inst", {"a": File(b"x")})
    thread = threading.Thread(target=commit, args=(store, place))
    with store.exclusive_lock():
        thread.start()
        assert waiting.wait(30)
        assert store.reading.ref("d/1") is None
    thread.join()
    assert store.reading.ref("d/1") is not None
    assert isinstance(events[0], Waiting)
    assert str(os.getpid()) in events[0].holder


def test_a_collector_is_not_starved(store: Store) -> None:
    """While it waits for a transaction under way, no new one begins."""
    begun, may_end, order = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        with store.transaction():
            begun.set()
            assert may_end.wait(30)
        order.append("first")

    def collector() -> None:
        with store.exclusive_lock():
            order.append("collector")

    def second() -> None:
        with store.transaction():
            order.append("second")

    threads = [threading.Thread(target=work) for work in (first, collector, second)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    gate = store.cache.locks / "store-gate"
    while not (gate.exists() and gate.read_text().startswith("process")):
        threading.Event().wait(0.001)
    threads[2].start()
    may_end.set()
    for thread in threads:
        thread.join()
    assert order.index("collector") < order.index("second")


def test_the_settings_of_the_repository_follow_the_users(cache: CacheFolder) -> None:
    Store(cache, min_free=3 << 20)
    assert "min-free-space-size=3MB" in (cache.ostree / "config").read_text()
    Store(cache, min_free=700 << 20)
    text = (cache.ostree / "config").read_text()
    assert "min-free-space-size=700MB" in text
    assert "lock-timeout-secs=-1" in text
    assert "mode=bare\n" in text


def test_what_is_too_big_for_a_commit_is_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"metadata of big is too big"):
        commit(store, make_folder(tmp_path / "i", {}), name="big", x="y" * (11 << 20))


def test_the_folder_read_back_has_modes_as_given(tmp_path: Path) -> None:
    """The tests' own reader sees what the tests' own writer made."""
    spec: dict[str, Node] = {"a": Dir(0o700), "a/b": File(b"x", 0o640), "c": Symlink("a")}
    assert read_folder(make_folder(tmp_path / "i", spec)) == {"": Dir(), **spec}
    assert stat.S_IMODE((tmp_path / "i/a").stat().st_mode) == 0o700


def test_a_file_written_twice_is_one_object_with_the_checksum_that_libostree_gives(
    cache: CacheFolder, store: Store
) -> None:
    checksums = []
    for _ in range(2):
        with store.transaction() as transaction:
            checksums.append(
                transaction.write_file(b"text", mode=0o4750, uid=5, gid=7, xattrs=((b"user.a", b"1"),))
            )
            text = transaction.write_file(b"text", mode=0o644)
            tree = transaction.write_tree({"etc/a": text, "etc/b": text})
            transaction.commit(tree, {}, ["t/files"])
    assert len(set(checksums)) == 1
    assert fsck(cache) == ""


PRUNES = """
import sys
from lithify.store.gobject import open_repository
from pathlib import Path
from gi.repository import OSTree
repo = open_repository(Path(sys.argv[1]))
changed = repo.copy_config()
changed.set_string("core", "lock-timeout-secs", "0")
repo.write_config(changed)
repo.reload_config(None)
kinds = {"shared": OSTree.RepoLockType.SHARED, "exclusive": OSTree.RepoLockType.EXCLUSIVE}
try:
    repo.lock_push(kinds[sys.argv[2]], None)
except Exception as error:
    print("locked" if "lock" in str(error).lower() else error)
else:
    print("free")
"""


def test_libostree_itself_is_kept_out_as_long_as_something_is_written(cache: CacheFolder) -> None:
    """``ostree prune`` takes the lock exclusively, who writes takes it with others."""

    def try_lock(kind: str) -> str:
        done = subprocess.run(
            [*as_owner(), sys.executable, "-c", PRUNES, str(cache.ostree), kind],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    store = Store(cache, min_free=1 << 20)
    with store.transaction():
        assert try_lock("exclusive") == "locked"
        assert try_lock("shared") == "free"
    assert try_lock("exclusive") == "free"


LOADED = """
import sys
from pathlib import Path
from lithify.cache import open_cache
from lithify.store.writing import Store
store = Store(open_cache(Path(sys.argv[1])), min_free=1 << 20)
with store.transaction() as transaction:
    tree = transaction.write_tree({"a": transaction.write_file(b"x")})
    transaction.commit(tree, {}, ["d/more"])
print("gi" in sys.modules)
"""


def test_what_is_written_needs_no_libostree(cache: CacheFolder) -> None:
    """To load it takes as long as a whole build of nothing."""
    Store(cache, min_free=1 << 20)  # makes the repository
    done = subprocess.run(
        [*as_owner(), sys.executable, "-c", LOADED, str(cache.root)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
    assert fsck(cache) == ""


def test_what_a_killed_transaction_left_aside_goes_and_what_another_has_stays(cache: CacheFolder) -> None:
    store = Store(cache, min_free=1 << 20)
    left = cache.ostree / "tmp/lithify-0123456789abcdef"
    left.mkdir()
    (left / "1").write_text("half")
    with store.transaction() as transaction:
        tree = transaction.write_tree({"a": transaction.write_file(b"x")})
        Store(cache, min_free=1 << 20)
        assert not left.exists()
        assert len(list((cache.ostree / "tmp").glob("lithify-*"))) == 1
        transaction.commit(tree, {}, ["d/1"])
    assert list((cache.ostree / "tmp").glob("lithify-*")) == []
    assert store.reading.refs().keys() == {"d/1"}
    assert fsck(cache) == ""


def test_a_folder_that_was_taken_for_a_killed_ones_is_made_again(cache: CacheFolder) -> None:
    """Between making it and locking it, another command may come upon it."""
    store = Store(cache, min_free=1 << 20)
    seen: list[str] = []

    def sweep(point: str) -> None:
        if point == "store.commit.aside" and not seen:
            seen.extend(path.name for path in (cache.ostree / "tmp").glob("lithify-*"))
            sweep_aside(cache.ostree)

    arm(sweep)
    try:
        with store.transaction() as transaction:
            tree = transaction.write_tree({"a": transaction.write_file(b"x")})
            now = [path.name for path in (cache.ostree / "tmp").glob("lithify-*")]
            transaction.commit(tree, {}, ["d/1"])
    finally:
        arm(None)
    assert len(seen) == len(now) == 1
    assert seen != now
    assert fsck(cache) == ""
