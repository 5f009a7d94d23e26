"""The digest of a source tree: everything that a build can see of it, and nothing of who unpacked it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.errors import MergeConflict, UnsafeContent
from lithify.sources.laying import lay_over, resolve_inside
from lithify.sources.tree import Entry, digest_entries, level, read_plain, seal
from tests.sources.conftest import needs_root


def tree(root: Path, **files: str) -> Path:
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def nothing(path: bytes) -> bool:
    return False


def test_times_are_set_and_do_not_count(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", a__b="x")
    first = seal(root, time=1000)
    for path in (root, root / "a", root / "a/b"):
        assert path.stat().st_mtime == 1000
    os.utime(root / "a/b", (5, 5))
    assert seal(root, time=2000) == first


def change_content(root: Path) -> None:
    (root / "a/b").write_text("y")


def change_name(root: Path) -> None:
    (root / "a/b").rename(root / "a/c")


def change_mode(root: Path) -> None:
    (root / "a/b").chmod(0o755)


def change_folder(root: Path) -> None:
    (root / "empty").mkdir()


def change_to_link(root: Path) -> None:
    (root / "a/b").unlink()
    (root / "a/b").symlink_to("x")


def change_to_hard_link(root: Path) -> None:
    (root / "copy").unlink()
    os.link(root / "a/b", root / "copy")


@pytest.mark.parametrize(
    "change",
    [change_content, change_name, change_mode, change_folder, change_to_link, change_to_hard_link],
)
def test_what_a_build_can_see_counts(tmp_path: Path, change: object) -> None:
    root = tree(tmp_path / "t", a__b="x", copy="x")
    before = seal(root, time=0)
    assert callable(change)
    change(root)
    assert seal(root, time=0) != before


@needs_root
def test_owners_count(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", a="x")
    before = seal(root, time=0)
    os.chown(root / "a", 5, 7)
    assert seal(root, time=0) != before


def test_a_level_tree_does_not_depend_on_umask(tmp_path: Path) -> None:
    one, other = tree(tmp_path / "1", a="x", b__c="y"), tree(tmp_path / "2", a="x", b__c="y")
    (one / "a").chmod(0o600)
    (other / "a").chmod(0o664)
    (one / "b").chmod(0o2700)
    (one / "b/c").chmod(0o6711)
    (other / "b/c").chmod(0o755)
    level(one)
    level(other)
    assert seal(one, time=0) == seal(other, time=0)
    assert (one / "b/c").stat().st_mode & 0o7777 == 0o755


@needs_root
def test_reading_a_folder_gives_what_a_plain_copy_has(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", a__b="x")
    (root / "link").symlink_to("a")
    plain = read_plain(root, nothing)
    level(root)
    assert seal(root, time=0) == plain


def test_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tree(tmp_path / "t") / "f")
    with pytest.raises(UnsafeContent, match="'f' is neither"):
        seal(tmp_path / "t", time=0)


entries = st.builds(
    Entry,
    path=st.binary(min_size=1, max_size=4).filter(lambda p: b"\0" not in p),
    kind=st.sampled_from([b"f", b"d", b"l"]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 3),
    gid=st.integers(0, 3),
    content=st.binary(max_size=4).filter(lambda c: b"\0" not in c),
)
trees = st.lists(entries, max_size=4, unique_by=lambda entry: entry.path)


@given(trees, st.randoms())
def test_order_never_counts(tree: list[Entry], random: object) -> None:
    assert digest_entries(tree[::-1]) == digest_entries(tree)


@given(trees, trees)
def test_different_trees_have_different_digests(one: list[Entry], other: list[Entry]) -> None:
    same = sorted(one, key=lambda e: e.path) == sorted(other, key=lambda e: e.path)
    assert (digest_entries(one) == digest_entries(other)) == same


def test_folders_unite_and_later_files_win(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", a__one="1", a__both="old", c="c")
    part = tree(tmp_path / "part", a__two="2", a__both="new", b__new="n")
    lay_over(part, root, "", "upper")
    assert (root / "a/one").read_text() == "1"
    assert (root / "a/two").read_text() == "2"
    assert (root / "a/both").read_text() == "new"
    assert (root / "b/new").read_text() == "n"


def test_a_folder_goes_where_the_link_leads(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", usr__lib__old="o")
    (root / "lib").symlink_to("usr/lib")
    part = tree(tmp_path / "part", lib__new="n")
    lay_over(part, root, "", "upper")
    assert (root / "lib").is_symlink()
    assert (root / "usr/lib/new").read_text() == "n"


def test_a_link_out_of_the_tree_leads_nowhere_else(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", x="x")
    (root / "out").symlink_to(f"../..{tmp_path}/outside")
    part = tree(tmp_path / "part", out__file="f")
    (tmp_path / "outside").mkdir()
    lay_over(part, root, "", "upper")
    assert not any((tmp_path / "outside").iterdir())


def test_a_folder_against_a_file_is_a_conflict(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", a="file")
    part = tree(tmp_path / "part", a__b="folder")
    with pytest.raises(MergeConflict, match="upper has 'a' as a folder"):
        lay_over(part, root, "", "upper")


def test_the_same_link_twice_is_no_conflict(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", usr__lib__a="a")
    part = tree(tmp_path / "part", usr__lib__b="b")
    for folder in (root, part):
        (folder / "lib").symlink_to("usr/lib")
    lay_over(part, root, "", "upper")
    assert (root / "lib/a").exists() and (root / "lib/b").exists()


def test_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UnsafeContent, match="loop"):
        resolve_inside(tmp_path, "a/x")
    assert resolve_inside(tmp_path, "../../x/./y") == "x/y"
