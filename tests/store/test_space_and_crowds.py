"""A full file system, and many processes on one store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lithify.cache import CacheFolder, open_cache
from lithify.errors import HostError, NoSpace
from lithify.store.garbage import collect
from lithify.store.reading import Repository
from lithify.store.verifying import verify
from lithify.store.writing import Store
from tests import stuck
from tests.inside import PROJECT, folder_of, run_inside
from tests.store.test_writing import commit, fsck
from tests.store.trees import File, make_folder


def fill_a_small_file_system(folder: str) -> str:
    """Commit more than a file system of 24 MB holds, by content and by metadata; return why it could not be tried."""
    top = Path(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", folder], check=True)
    try:
        cache = open_cache(top / "cache")
    except HostError as error:
        return error.message  # kernels before 6.6 keep no user attributes on a tmpfs
    for reserve in (1 << 20, 8 << 20):
        store = Store(cache, min_free=reserve)
        old = commit(store, make_folder(cache.staging / "old", {"a": File(b"x")}), ("d/old",))
        free = os.statvfs(cache.root).f_bavail
        place = make_folder(cache.staging / "big", {})
        try:
            for number in range(11):
                (place / f"f{number}").write_bytes(os.urandom(1 << 20))
            for count in range(3):
                commit(store, make_folder(cache.staging / f"big{count}", {}), (f"d/small{count}",))
                with store.transaction() as transaction:
                    for _ in range(20):
                        transaction.write_file(os.urandom(1 << 20))
                    transaction.commit(transaction.take(place), {}, ["d/big"])
            raise AssertionError("everything fitted")
        except NoSpace as error:
            assert "lithify gc" in error.hints[0], error.hints
            assert "MiB free" in error.message, error.message
        subprocess.run(["rm", "-rf", str(place)], check=True)
        assert store.reading.ref("d/big") is None
        assert store.reading.ref("d/old") == old
        assert fsck(cache) == ""
        assert os.statvfs(cache.root).f_bavail > free - 1000, "a failed transaction keeps its space"
        collect(store, keep_ref=lambda *_: True)
        assert commit(store, make_folder(cache.staging / "new", {"b": File(b"y")}), ("d/new",))
        assert verify(Repository(cache.ostree)).damaged == ()
    return ""


@pytest.mark.slow
def test_a_full_file_system_is_said_and_leaves_all_as_it_was() -> None:
    with folder_of(None) as folder:
        why_not = run_inside(fill_a_small_file_system, str(folder))
    if why_not:
        pytest.skip(why_not)


CROWD = """
import os, sys
from pathlib import Path
from lithify.cache import open_cache
from lithify.store.writing import Store
from lithify.store.garbage import collect
from tests.store.test_writing import commit
from tests.store.trees import File, make_folder
top, what, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store(open_cache(top / "cache"), sync=False, min_free=1 << 20)
if what == "collect":
    while not (top / "done").exists():
        collect(store, keep_ref=lambda name, _: not name.startswith("drop/"))
        print("collected", flush=True)
else:
    for number in range(rounds):
        # every round takes up what the last one left behind, just when it may be collected
        spec = {f"shared{n}": File(b"s%d" % n) for n in range(30)} | {what: File(b"%d" % number)}
        place = make_folder(store.cache.staging / what, spec)
        commit(store, place, (f"drop/{what}",))
        if number % 5 == 0:
            place = make_folder(store.cache.staging / what, spec)
            commit(store, place, (f"keep/{what}/{number}",))
"""


@pytest.mark.slow
def test_nothing_is_lost_while_garbage_is_collected_all_the_time(cache: CacheFolder, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(PROJECT), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    def start(what: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CROWD, str(tmp_path), what, "60"],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
        )

    collector = start("collect")
    committers = [start(what) for what in ("one", "two")]
    for committer in committers:
        stuck.communicate(committer)
    (tmp_path / "done").touch()
    output, _ = stuck.communicate(collector)
    assert [process.returncode for process in (collector, *committers)] == [0, 0, 0]
    assert output.count("collected") >= 3
    repository = Repository(cache.ostree)
    assert len(repository.refs("keep")) == 24
    assert verify(repository).damaged == ()
    assert fsck(cache) == ""
