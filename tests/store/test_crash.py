"""Killed at any point: no ref is ever wrong, nothing that is named is damaged, and the next run finishes the work."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lithify.store
from lithify.cache import open_cache
from lithify.crash import arm
from lithify.store.damage import DamagedObject
from lithify.store.garbage import collect
from lithify.store.healing import heal
from lithify.store.reading import Repository
from lithify.store.verifying import verify
from lithify.store.writing import Store
from tests.inside import PROJECT
from tests.store.test_healing import commit
from tests.store.test_writing import fsck
from tests.store.trees import File, Spec

SPEC: Spec = {f"{n % 5}/f{n}": File(b"content %d" % n) for n in range(20)}
OLD: Spec = {"old": File(b"old"), "0/f0": SPEC["0/f0"]}

SOURCES = sorted(Path(lithify.store.__path__[0]).glob("*.py"))
POINTS = sorted(
    {point for path in SOURCES for point in re.findall(r'crash_point\("(store\.[^"]+)"\)', path.read_text())}
)
COMMITTING = [point for point in POINTS if not point.startswith(("store.heal", "store.collect"))]


def work(folder: Path, what: str) -> None:
    """Do one of the things that a process may be killed in."""
    store = Store(open_cache(folder / "cache"), min_free=1 << 20)
    if what == "commit":
        place = folder / "cache/staging/inst"
        shutil.rmtree(place, ignore_errors=True)
        commit(store, place, SPEC, "new")
    elif what == "heal":
        checksum = store.reading.dirtree(
            store.reading.commit(store.reading.refs()["d/new"]).tree.dirtree
        ).dirs[0][1]
        heal(store, [DamagedObject("dirtree", checksum, "is not what its checksum says")])
    else:
        collect(store, keep_ref=lambda name, _: name == "d/old")


def killed(folder: Path, what: str, point: str, times: int = 1) -> bool:
    """Do the work in a process of its own that kills itself at a point; return whether it came to that."""
    child = os.fork()
    if child == 0:
        left = [times]

        def stop(here: str) -> None:
            left[0] -= here == point
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        arm(stop)
        try:
            work(folder, what)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def assert_whole(folder: Path, *, before: dict[str, str], after: dict[str, str]) -> None:
    """Assert that every ref is as before or as after, that all they name is whole, and that libostree agrees."""
    cache = open_cache(folder / "cache")
    repository = Repository(cache.ostree)
    for name, checksum in repository.refs().items():
        assert checksum in (before.get(name), after.get(name))
    assert verify(repository).damaged == ()
    assert fsck(cache) == ""


def whole_result(folder: Path) -> str:
    store = Store(open_cache(folder / "cache"), min_free=1 << 20)
    return commit(store, folder / "cache/staging/other", SPEC, "new")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    return whole_result(tmp_path_factory.mktemp("expected"))


def start(folder: Path) -> dict[str, str]:
    store = Store(open_cache(folder / "cache"), min_free=1 << 20)
    return {"d/old": commit(store, folder / "cache/staging/old", OLD, "old")}


@pytest.mark.parametrize("point", COMMITTING)
def test_a_process_killed_while_committing_loses_its_own_work_at_most(
    tmp_path: Path, point: str, expected: str
) -> None:
    before = start(tmp_path)
    assert killed(tmp_path, "commit", point)
    assert_whole(tmp_path, before=before, after={"d/new": expected})
    assert Repository(tmp_path / "cache/ostree").refs()["d/old"] == before["d/old"]
    work(tmp_path, "commit")
    assert_whole(tmp_path, before={}, after={"d/new": expected, **before})
    assert Repository(tmp_path / "cache/ostree").refs() == {"d/new": expected, **before}
    store = Store(open_cache(tmp_path / "cache"), min_free=1 << 20)
    collect(store, keep_ref=lambda *_: True)
    assert [path.name for path in (tmp_path / "cache/ostree/tmp").iterdir() if "staging" in path.name] == []
    assert list((tmp_path / "cache/ostree/state").iterdir()) == []


@pytest.mark.parametrize("what", ["heal", "collect"])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in COMMITTING])
def test_a_process_killed_while_throwing_things_away_leaves_what_is_named_whole(
    tmp_path: Path, point: str, what: str, expected: str
) -> None:
    if what not in point:
        return
    before = start(tmp_path)
    work(tmp_path, "commit")
    assert killed(tmp_path, what, point)
    after = {"d/new": expected, **before}
    assert_whole(tmp_path, before={}, after=after)
    if "d/new" in Repository(tmp_path / "cache/ostree").refs():
        work(tmp_path, what)
    work(tmp_path, "commit")
    assert_whole(tmp_path, before={}, after=after)


def test_every_point_is_tried() -> None:
    assert len(POINTS) >= 15
    assert all(
        point.split(".")[1] in ("take", "taken", "commit", "ref", "heal", "collect") for point in POINTS
    )


COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

int kill_at = -1;

static void step(void) { if (kill_at > 0 && --kill_at == 0) kill(getpid(), SIGKILL); }

#define WRAP(NAME, PARAMETERS, ARGUMENTS) \
    int NAME PARAMETERS { \
        static int (*real) PARAMETERS; \
        if (!real) real = dlsym(RTLD_NEXT, #NAME); \
        step(); \
        return real ARGUMENTS; \
    }
WRAP(rename, (const char *a, const char *b), (a, b))
WRAP(renameat, (int c, const char *a, int d, const char *b), (c, a, d, b))
WRAP(linkat, (int c, const char *a, int d, const char *b, int e), (c, a, d, b, e))
WRAP(unlink, (const char *a), (a))
WRAP(unlinkat, (int c, const char *a, int d), (c, a, d))
WRAP(symlinkat, (const char *a, int c, const char *b), (a, c, b))
WRAP(mkdirat, (int c, const char *a, unsigned d), (c, a, d))
WRAP(mkdir, (const char *a, unsigned d), (a, d))
WRAP(rmdir, (const char *a), (a))
WRAP(symlink, (const char *a, const char *b), (a, b))
WRAP(fchmod, (int c, unsigned d), (c, d))

/* A file that is being written: killed before and in the middle. */
ssize_t write(int c, const void *a, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    step();
    if (kill_at == 1 && n > 1) real(c, a, n / 2);
    step();
    return real(c, a, n);
}
/* A kill loses nothing that was written: the disk itself need not be waited for. */
int fsync(int c) { step(); return 0; }
int fdatasync(int c) { step(); return 0; }
int syncfs(int c) { step(); return 0; }
"""


def kill_at_every_call(top: Path) -> int:
    """Kill a commit at every n-th call that changes the disk; return how many there were. Runs below the counter."""
    (top / "start").mkdir()
    before = start(top / "start")
    (top / "finished").mkdir()
    after = {"d/new": whole_result(top / "finished"), **before}
    step = 0
    while True:
        step += 1
        folder = top / str(step)
        shutil.copytree(top / "start", folder, symlinks=True)
        child = os.fork()
        if child == 0:
            ctypes.c_int.in_dll(ctypes.CDLL(None), "kill_at").value = step
            try:
                work(folder, "commit")
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return step
        assert_whole(folder, before=before, after=after)
        assert Repository(folder / "cache/ostree").refs()["d/old"] == before["d/old"]
        work(folder, "commit")
        assert verify(Repository(folder / "cache/ostree")).damaged == ()
        assert Repository(folder / "cache/ostree").refs() == after


@pytest.mark.slow
def test_killed_at_every_call_that_changes_the_disk(tmp_path: Path) -> None:
    """Every n-th rename, link, unlink, symlink, mkdir, write and sync of one commit of 20 files, for every n."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make the counter with")
    (tmp_path / "counter.c").write_text(COUNTER)
    counter = tmp_path / "counter.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(counter), str(tmp_path / "counter.c"), "-ldl"], check=True
    )
    program = (
        "import sys; from pathlib import Path; from tests.store.test_crash import kill_at_every_call;"
        "print(kill_at_every_call(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "LD_PRELOAD": str(counter)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 50
