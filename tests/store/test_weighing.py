"""What commits take on the disk, beside what `du` says."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lithify.cache import CacheFolder
from lithify.store.garbage import collect
from lithify.store.weighing import weigh
from lithify.store.writing import Store
from tests.store.test_healing import commit
from tests.store.test_layers import RICH
from tests.store.trees import File


def test_each_object_counts_once_and_says_whose_it_is(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    one = commit(store, tmp_path / "i", {**RICH, "own": File(b"o" * 100_000)}, "one")
    two = commit(store, tmp_path / "j", {**RICH, "other": File(b"p" * 50_000)}, "two")
    again = commit(store, tmp_path / "k", {**RICH, "own": File(b"o" * 100_000)}, "again")
    found = weigh(store.reading, [one, two, again])
    assert sum(found.sizes) == files_by_du(cache.ostree / "objects")
    assert found.unheld == 0

    def size(*commits: str) -> int:
        return sum(found.sizes[place] for place in {p for c in commits for p in found.objects[c]})

    assert abs(size(one) - size(two) - 50_000) < 10_000  # whole blocks are counted
    assert 0 < size(one, again) - size(one) < 10_000  # a commit object is its own
    assert size(one) < size(one, two) < size(one) + size(two)


def test_what_no_commit_holds_is_what_a_collection_frees(
    store: Store, cache: CacheFolder, tmp_path: Path
) -> None:
    kept = commit(store, tmp_path / "i", RICH, "kept")
    commit(store, tmp_path / "j", {**RICH, "gone": File(b"g" * 100_000)}, "gone")
    before = files_by_du(cache.ostree / "objects")
    unheld = weigh(store.reading, [kept]).unheld
    assert unheld > 100_000
    collect(store, keep_ref=lambda name, _: name == "d/kept")
    assert before - files_by_du(cache.ostree / "objects") == unheld
    assert weigh(store.reading, [kept]).unheld == 0


def test_a_store_that_does_not_exist_weighs_nothing(tmp_path: Path, store: Store) -> None:
    assert sum(weigh(store.reading, []).sizes) == 0


def files_by_du(folder: Path) -> int:
    """Return the bytes on the disk of all files below a folder, as `du` counts them; its folders are left out."""
    files = [str(path) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    said = subprocess.run(["du", "-c", "-k", "-P", *files], check=True, capture_output=True, text=True).stdout
    return int(said.splitlines()[-1].split()[0]) * 1024
