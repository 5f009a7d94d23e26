"""The merge: its laws, its rules for links and manifests, and its result against real union checkouts."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.cache import CacheFolder, open_cache
from lithify.errors import MergeConflict, UnsafeContent
from lithify.store.checkout import check_out
from lithify.store.folders import EMPTY_TREE
from lithify.store.gvariant import Tree
from lithify.store.manifest import Device, Manifest, manifest_of
from lithify.store.merge import Merged, Overlap, Part, merge
from lithify.store.writing import Store
from tests.store.trees import (
    Dir,
    File,
    Memory,
    Node,
    Spec,
    Symlink,
    file_paths,
    files,
    folders,
    make_folder,
    plain_specs,
    read_folder,
    specs,
)


def merged(memory: Memory, *trees: Tree | tuple[Tree, Manifest]) -> Merged:
    parts = []
    for number, tree in enumerate(trees):
        tree, manifest = tree if isinstance(tree, tuple) else (tree, Manifest())
        parts.append(Part(name=f"part{number}", tree=tree, manifest=manifest))
    result = merge(memory, parts)
    memory.write(result)
    return result


def united(*parts: Spec) -> dict[str, Node]:
    """Lay plain data over one another: what the merge must give where no folder meets anything else."""
    result: dict[str, Node] = {}
    for part in parts:
        for path in part:
            for end, character in enumerate(path):
                if character == "/":
                    result.setdefault(path[:end], Dir())
        result.update(part)
    return result


plain_parts = st.lists(plain_specs(), min_size=1, max_size=4)


@given(plain_parts)
def test_the_merge_is_the_union_of_the_parts_and_the_last_wins(parts: list[Spec]) -> None:
    memory = Memory()
    # a folder that a part does not name is plain, and counts as described: so each part names all that it has
    named = [united(part) for part in parts]
    result = merged(memory, *(memory.tree(part) for part in named))
    assert result.tree == memory.tree(united(*named))
    assert result.manifest == Manifest()


@given(plain_parts)
def test_overlaps_are_the_files_that_differ(parts: list[Spec]) -> None:
    memory = Memory()
    expected = []
    seen: dict[str, tuple[Node, int]] = {}
    for number, part in enumerate(parts):
        for path, node in part.items():
            if isinstance(node, Dir):
                continue
            if path in seen and seen[path][0] == node:
                continue  # equal files are no conflict, and stay the first's
            if path in seen:
                expected.append(Overlap(path=path, first=f"part{seen[path][1]}", second=f"part{number}"))
            seen[path] = (node, number)
    result = merged(memory, *(memory.tree(part) for part in parts))
    assert list(result.overlaps) == sorted(expected)


nodes = (
    files
    | folders
    | st.builds(Symlink, st.sampled_from(["a", "b/x", "/usr/lib", "..", "lib", "../usr", "none"]))
)
any_parts = st.lists(specs(nodes), min_size=1, max_size=4)


@settings(max_examples=100)
@given(any_parts)
def test_empty_is_the_unit(parts: list[Spec]) -> None:
    memory = Memory()
    trees = [memory.tree(part) for part in parts]
    try:
        alone = merged(memory, *trees).tree
    except MergeConflict:
        return
    memory.tree({})
    assert merged(memory, EMPTY_TREE, *trees).tree == alone
    assert merged(memory, *trees, EMPTY_TREE).tree == alone
    assert merged(memory, trees[0]).tree == trees[0]
    assert merged(memory).tree == EMPTY_TREE


@given(specs(nodes))
def test_a_tree_merged_with_itself_is_itself(part: Spec) -> None:
    memory = Memory()
    tree = memory.tree(part)
    result = merged(memory, tree, tree, tree)
    assert (result.tree, result.overlaps) == (tree, ())


@given(plain_parts, st.data())
def test_merging_some_parts_first_changes_nothing(parts: list[Spec], data: st.DataObject) -> None:
    memory = Memory()
    trees = [memory.tree(part) for part in parts]
    start = data.draw(st.integers(0, len(trees) - 1))
    end = data.draw(st.integers(start + 1, len(trees)))
    inner = merged(memory, *trees[start:end]).tree
    assert merged(memory, *trees[:start], inner, *trees[end:]).tree == merged(memory, *trees).tree


@settings(max_examples=100)
@given(any_parts)
def test_no_folder_of_the_result_lies_on_a_link_and_nothing_is_lost(parts: list[Spec]) -> None:
    memory = Memory()
    trees = [memory.tree(part) for part in parts]
    try:
        result = merged(memory, *trees)
    except MergeConflict:
        return
    leaves = memory.leaves(result.tree)
    assert not any(other.startswith(f"{path}/") for path in leaves for other in leaves)
    wanted = {leaf for tree in trees for leaf in memory.leaves(tree).values()}
    replaced = len(result.overlaps)
    assert len(wanted - set(leaves.values())) <= replaced


def test_a_folder_that_only_one_part_has_is_not_opened() -> None:
    memory = Memory()
    one = memory.tree({f"usr/share/one/{n}/{m}": File() for n in range(5) for m in range(5)})
    two = memory.tree({f"usr/share/two/{n}/{m}": File() for n in range(5) for m in range(5)})
    memory.opened = 0
    merged(memory, one, two)
    assert memory.opened == 2 * len(["/", "usr", "usr/share"])


def test_equal_folders_are_one_and_not_opened() -> None:
    memory = Memory()
    tree = memory.tree({"usr/a": File(), "usr/b/c": File(b"x")})
    memory.opened = 0
    merged(memory, tree, tree)
    assert memory.opened == 0


@pytest.mark.parametrize("link_first", [True, False])
@pytest.mark.parametrize("target", ["usr/lib", "/usr/lib", "./usr//lib/", "usr/../usr/lib", "/../usr/lib"])
def test_content_goes_where_a_link_leads_whichever_comes_later(link_first: bool, target: str) -> None:
    memory = Memory()
    base = memory.tree({"lib": Symlink(target), "usr/lib": Dir(0o711), "usr/lib/libc.so": File(b"c")})
    chunk = memory.tree({"lib": Dir(0o700), "lib/modules/a.ko": File(b"k"), "lib/x": File(b"x")})
    result = merged(memory, *((base, chunk) if link_first else (chunk, base)))
    assert result.tree == memory.tree(
        {
            "lib": Symlink(target),
            "usr/lib": Dir(0o711),
            "usr/lib/libc.so": File(b"c"),
            "usr/lib/modules/a.ko": File(b"k"),
            "usr/lib/x": File(b"x"),
        }
    )
    assert result.overlaps == ()


def test_links_lead_over_links_of_other_parts() -> None:
    memory = Memory()
    result = merged(
        memory,
        memory.tree({"lib": Symlink("/a/lib")}),
        memory.tree({"a": Symlink("b")}),
        memory.tree({"b/lib/there": File()}),
        memory.tree({"lib/x": File(b"x")}),
        memory.tree({"a/y": File(b"y")}),
    )
    assert set(memory.leaves(result.tree)) == {"lib", "a", "b/lib/there", "b/lib/x", "b/y"}


def test_a_link_that_dangles_gets_its_folder() -> None:
    memory = Memory()
    result = merged(
        memory,
        memory.tree({"var/run": Symlink("/run")}),
        memory.tree({"var/run": Dir(0o711), "var/run/d/x": File()}),
    )
    assert result.tree == memory.tree({"var/run": Symlink("/run"), "run": Dir(0o711), "run/d/x": File()})


def test_what_lies_at_both_names_is_an_overlap() -> None:
    memory = Memory()
    result = merged(
        memory,
        memory.tree({"lib": Symlink("usr/lib"), "usr/lib/x": File(b"base")}),
        memory.tree({"lib/x": File(b"chunk")}),
    )
    assert result.overlaps == (Overlap(path="usr/lib/x", first="part0", second="part1"),)
    assert memory.leaves(result.tree)["usr/lib/x"] == memory.leaf(File(b"chunk"))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_folder_against_a_file_names_both_and_the_path(order: tuple[int, int]) -> None:
    memory = Memory()
    trees = [memory.tree({"etc/x": File(b"f")}), memory.tree({"etc/x/y": File(b"g")})]
    parts = [Part(name=("filer", "folderer")[n], tree=trees[n]) for n in order]
    with pytest.raises(MergeConflict, match=r"/etc/x: folderer has a folder there, and filer has a file"):
        merge(memory, parts)


@pytest.mark.parametrize(
    ("links", "why"),
    [
        ({"lib": Symlink("lib")}, "40 symlinks"),
        ({"lib": Symlink("lib/x")}, "40 symlinks"),
        ({"lib": Symlink("m"), "m": Symlink("lib")}, "40 symlinks"),
        ({"lib": Symlink("f/x"), "f": File()}, "/f is no folder"),
        ({"lib": Symlink("f"), "f": File()}, "/f is no folder"),
    ],
)
def test_a_link_behind_which_no_folder_can_be_is_a_conflict(links: Spec, why: str) -> None:
    memory = Memory()
    with pytest.raises(
        MergeConflict, match=rf"/lib: part0 has a folder there, and part1 has a symlink .*{why}"
    ):
        merged(memory, memory.tree({"lib/x": File()}), memory.tree(links))


def test_a_link_is_followed_40_times_and_not_41() -> None:
    memory = Memory()
    for count in (40, 41):
        chain: dict[str, Node] = {f"l{n}": Symlink(f"l{n + 1}") for n in range(count)}
        chain[f"l{count}/there"] = File()
        parts = (memory.tree(chain), memory.tree({"l0/x": File()}))
        if count == 40:
            assert "l40/x" in memory.leaves(merged(memory, *parts).tree)
        else:
            with pytest.raises(MergeConflict):
                merged(memory, *parts)


def test_a_file_that_replaces_the_link_is_what_counts() -> None:
    memory = Memory()
    with pytest.raises(MergeConflict, match="part1 has a file"):
        merged(
            memory,
            memory.tree({"lib": Symlink("usr/lib")}),
            memory.tree({"lib": File()}),
            memory.tree({"lib/x": File()}),
        )


CONSOLE = Device(path="dev/console", type="c", mode=0o600, major=5, minor=1)
NULL = Device(path="dev/console", type="c", mode=0o666, major=1, minor=3)


def test_a_later_device_wins_and_is_an_overlap() -> None:
    memory = Memory()
    tree = memory.tree({"dev": Dir()})
    result = merged(memory, (tree, manifest_of([CONSOLE])), (tree, manifest_of([NULL])))
    assert result.manifest == manifest_of([NULL])
    assert result.overlaps == (Overlap(path="dev/console", first="part0", second="part1"),)
    assert merged(memory, (tree, manifest_of([NULL])), (tree, manifest_of([NULL]))).overlaps == ()


def test_a_device_and_a_file_replace_each_other() -> None:
    memory = Memory()
    plain = memory.tree({"dev": Dir()})
    file = memory.tree({"dev/console": File(b"x")})
    over = merged(memory, file, (plain, manifest_of([CONSOLE])))
    assert (over.tree, over.manifest) == (plain, manifest_of([CONSOLE]))
    under = merged(memory, (plain, manifest_of([CONSOLE])), file)
    assert (under.tree, under.manifest) == (file, Manifest())
    assert len(over.overlaps) == len(under.overlaps) == 1


def test_a_device_against_a_folder_is_a_conflict() -> None:
    memory = Memory()
    plain = memory.tree({"dev": Dir()})
    with pytest.raises(
        MergeConflict, match=r"/dev/console: part1 has a folder there, and part0 has a device"
    ):
        merged(memory, (plain, manifest_of([CONSOLE])), memory.tree({"dev/console/x": File()}))


def test_devices_and_links_go_where_links_lead() -> None:
    memory = Memory()
    base = memory.tree({"lib": Symlink("usr/lib"), "usr/lib": Dir()})
    manifest = manifest_of(
        [Device(path="lib/d/null", type="c", mode=0o666, major=1, minor=3)], [["lib/a", "b"]]
    )
    chunk = memory.tree({"lib/a": File(b"x"), "b": File(b"x")}, manifest)
    result = merged(memory, base, (chunk, manifest))
    assert [device.path for device in result.manifest.devices] == ["usr/lib/d/null"]
    assert result.manifest.links == (("b", "usr/lib/a"),)
    assert set(memory.leaves(result.tree)) == {"lib", "usr/lib/a", "b"}


def test_the_folder_of_a_device_is_made_without_saying_what_it_is() -> None:
    memory = Memory()
    base = memory.tree({"dev": Dir(0o711)})
    result = merged(memory, base, (EMPTY_TREE, manifest_of([CONSOLE])))
    assert result.tree == base
    alone = merged(memory, (EMPTY_TREE, manifest_of([CONSOLE])))
    assert alone.tree == memory.tree({"dev": Dir()})


def test_a_group_of_links_shrinks_where_a_later_part_has_a_member() -> None:
    memory = Memory()
    spec = {"a": File(b"x"), "b": File(b"x"), "c": File(b"x")}
    linked = (memory.tree(spec), manifest_of(links=[["a", "b", "c"]]))
    other = memory.tree({"b": File(b"other")})
    assert merged(memory, linked, other).manifest.links == (("a", "c"),)
    equal = merged(memory, linked, memory.tree({"b": File(b"x"), "c": File(b"x")}))
    assert (equal.manifest.links, equal.overlaps) == ((), ())
    assert merged(memory, memory.tree(spec), linked).manifest.links == (("a", "b", "c"),)
    assert merged(memory, linked, memory.tree(spec)).manifest.links == ()


def test_groups_of_two_parts_stay_two() -> None:
    memory = Memory()
    one = (memory.tree({"a": File(b"x"), "b": File(b"x")}), manifest_of(links=[["a", "b"]]))
    two = (memory.tree({"c": File(b"x"), "d": File(b"x")}), manifest_of(links=[["c", "d"]]))
    assert merged(memory, one, two).manifest.links == (("a", "b"), ("c", "d"))


linked_parts = st.tuples(
    plain_specs(),
    st.sampled_from([b"one", b"two"]),
    st.sets(st.sampled_from(["p", "q", "usr/r"]), max_size=3),
)


@given(st.lists(linked_parts, min_size=1, max_size=3), st.integers(0, 2))
def test_merging_some_parts_first_keeps_the_manifest_too(
    described: list[tuple[Spec, bytes, set[str]]], cut: int
) -> None:
    specs = [{**spec, **{path: File(content) for path in group}} for spec, content, group in described]
    memory = Memory()
    parts = [
        (memory.tree(spec), manifest_of(links=[sorted(group)] if len(group) > 1 else []))
        for spec, (_, _, group) in zip(specs, described, strict=True)
    ]
    whole = merged(memory, *parts)
    first = merged(memory, *parts[: cut + 1])
    again = merged(memory, (first.tree, first.manifest), *parts[cut + 1 :])
    assert (again.tree, again.manifest) == (whole.tree, whole.manifest)
    for group in whole.manifest.links:
        leaves = memory.leaves(whole.tree)
        assert len({leaves[path] for path in group}) == 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[CacheFolder, Store]:
    cache = open_cache(tmp_path_factory.mktemp("union") / "cache")
    return cache, Store(cache, sync=False, min_free=1 << 20)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(parts=st.lists(st.dictionaries(file_paths, files, max_size=5), min_size=1, max_size=3))
def test_a_real_union_checkout_of_ostree_commits_to_the_same_tree(
    shared: tuple[CacheFolder, Store], parts: list[Spec], tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache, store = shared
    place = tmp_path_factory.mktemp("parts")
    with store.transaction() as transaction:
        trees = [transaction.take(make_folder(place / f"p{n}", part)) for n, part in enumerate(parts)]
        commits = [transaction.commit(tree, {}, [f"p/{n}"]) for n, tree in enumerate(trees)]
    for commit in commits:
        subprocess.run(
            ["ostree", f"--repo={cache.ostree}", "checkout", "--union", commit, str(place / "union")],
            check=True,
        )
    with store.transaction() as transaction:
        taken = transaction.take(place / "union")
    result = merge(store.reading, [Part(name=str(n), tree=tree) for n, tree in enumerate(trees)])
    assert result.tree == taken


merged_usr: Spec = {
    "bin": Symlink("usr/bin"),
    "lib": Symlink("usr/lib"),
    "usr/bin": Dir(),
    "usr/lib": Dir(),
    "usr/lib/x": File(b"base"),
    "a": Symlink("b/x"),
    "b": Dir(),
    "b/x": Symlink("../usr/deep"),
    "usr/deep": Dir(),
}
below_links = st.dictionaries(
    st.sampled_from(["lib/x", "lib/y/z", "bin/a", "a/k", "b/x/m", "usr/lib/x", "usr/deep/m", "etc/x"]),
    files,
    max_size=6,
).filter(
    # one part with both names of a file has no order in which tar must find them
    lambda part: not {"lib/x", "usr/lib/x"} <= part.keys() and not {"b/x/m", "usr/deep/m"} <= part.keys()
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(parts=st.lists(below_links, min_size=1, max_size=3))
def test_unpacking_one_after_another_with_tar_gives_the_same(
    shared: tuple[CacheFolder, Store], parts: list[Spec], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """``tar --keep-directory-symlink`` follows links as dpkg does, in the kernel."""
    _, store = shared
    place = tmp_path_factory.mktemp("parts")
    (place / "root").mkdir(mode=0o755)
    with store.transaction() as transaction:
        trees = []
        for number, part in enumerate([merged_usr, *parts]):
            folder = make_folder(place / f"p{number}", part)
            packed = subprocess.run(
                ["tar", "-C", str(folder), "-c", "."], check=True, capture_output=True
            ).stdout
            subprocess.run(
                ["tar", "-C", str(place / "root"), "-x", "-p", "--keep-directory-symlink", "--mtime=@0"],
                input=packed,
                check=True,
                stderr=subprocess.DEVNULL,
            )
            trees.append(transaction.take(folder))
        result = merge(transaction.reading, [Part(name=str(n), tree=tree) for n, tree in enumerate(trees)])
        transaction.write(result)
        check_out(transaction.reading, result.tree, result.manifest, place / "out")
    assert read_folder(place / "out") == read_folder(place / "root")


def test_a_tree_too_deep_to_walk_is_refused_without_a_traceback() -> None:
    with pytest.raises(UnsafeContent, match="nested more than"):
        Memory().tree({"/".join("d" * 300): File()})
