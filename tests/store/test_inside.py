"""The store in the namespace: the same content for root and ordinary users, readable without it, and real mounts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lithify.cache import open_cache
from lithify.store.content import content_digest
from lithify.store.manifest import Device, manifest_of
from lithify.store.writing import Store
from tests.inside import PROJECT, folder_of, make_ordinary_user, run_inside
from tests.store.test_layers import RICH, stacked
from tests.store.trees import Dir, File, Spec, Symlink, make_folder, read_folder


def overlay_mounts_show_the_merge(folder: str) -> list[bool]:
    """Mount resolved stacks by the kernel, in a namespace, and compare with a checkout of the merge."""
    top = Path(folder)
    store = Store(open_cache(top / "cache"), sync=False, min_free=1 << 20)
    cases: list[list[Spec]] = [
        [RICH, {"a": File(b"new"), "d": Dir(0o755), "d/more": File(b"m", uid=9)}, {"t/u": Symlink("x")}],
        [
            {"lib": Symlink("usr/lib"), "usr/lib": Dir(0o711)},
            {"lib": Dir(0o700), "lib/x": File(b"x")},
            {"lib/x": File()},
        ],
        [{"lib": Dir(0o700), "lib/x": File(b"x")}, {"lib": Symlink("/usr/lib")}, {"usr/lib/y": File(b"y")}],
    ]
    same = []
    for number, specs in enumerate(cases):
        place = top / str(number)
        place.mkdir()
        _, resolved, result = stacked(store, place, *specs)
        (place / "mount").mkdir()
        lowers = ":".join(str(layer.path) for layer in reversed(resolved))
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lowers}", str(place / "mount")],
            env={
                **os.environ,
                "LIBMOUNT_FORCE_MOUNT2": "always",
            },  # the other call takes no more than 256 bytes
            check=True,
        )
        same.append(read_folder(place / "mount") == read_folder(result))
        subprocess.run(["umount", str(place / "mount")], check=True)
    return same


def commit_rich(folder: str) -> list[str]:
    """Commit a tree with every kind of owner, mode and attribute; return what identifies it."""
    top = Path(folder)
    store = Store(open_cache(top / "cache"), min_free=1 << 20)
    place = make_folder(store.cache.staging / "inst", {**RICH, "ping": File(b"x", 0o755)})
    subprocess.run(["setcap", "cap_net_raw+ep", str(place / "ping")], check=True)
    manifest = manifest_of([Device(path="dev/null", type="c", mode=0o666, major=1, minor=3)])
    with store.transaction() as transaction:
        tree = transaction.take(place, manifest)
        commit = transaction.commit(tree, {"name": "rich"}, ["d/1"], timestamp=1)
    return [commit, content_digest(tree, manifest)]


READ = """
import sys
from pathlib import Path
from lithify.store.manifest import Manifest
from lithify.store.reading import Repository
repository = Repository(Path(sys.argv[1]))
commit = repository.commit(repository.ref("d/1"))
print(commit.checksum, commit.metadata["name"], len(repository.paths(commit.tree, Manifest())))
slow = {"gi", "pydantic", "yaml", "asyncio", "subprocess"} & sys.modules.keys()
assert not slow, slow
"""


def read_without_namespace(folder: Path, user: str | None) -> str:
    return subprocess.run(
        [sys.executable, "-c", READ, str(folder / "cache" / "ostree")],
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        user=user,
    ).stdout


@pytest.mark.slow
def test_root_and_an_ordinary_user_get_the_same_content_under_any_umask() -> None:
    user = make_ordinary_user()
    results = []
    for who, umask in ((None, 0o022), (user, 0o077), (user, 0o000)):
        with folder_of(who) as folder:
            os.chmod(folder, 0o2777)
            results.append(run_inside(commit_rich, str(folder), user=who, umask=umask))
            assert read_without_namespace(folder, who).split() == [results[-1][0], "rich", "9"]
    assert results[0] == results[1] == results[2]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["root", "user"])
def test_the_kernels_overlay_of_a_resolved_stack_is_the_merge(who: str) -> None:
    """``root`` is whoever runs the tests, be it an ordinary user."""
    user = make_ordinary_user() if who == "user" else None
    with folder_of(user) as folder:
        assert run_inside(overlay_mounts_show_the_merge, str(folder), user=user) == [True, True, True]


def run_the_store_tests(folder: str) -> str:
    """Run the fast tests of the store as the namespace's root; return what failed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider"),
            *("-c", str(PROJECT / "pyproject.toml"), f"--rootdir={PROJECT}", f"--basetemp={folder}/tests"),
            str(PROJECT / "tests" / "store"),
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout[-8000:]


@pytest.mark.slow
def test_an_ordinary_user_passes_the_stores_own_tests() -> None:
    user = make_ordinary_user() if os.geteuid() == 0 else None
    with folder_of(user) as folder:
        assert run_inside(run_the_store_tests, str(folder), user=user) == ""
