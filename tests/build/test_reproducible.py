"""Nothing of who builds, where, when and on which machine gets into a build that does not ask for it by name."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct, field

from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import PROJECT, write_files

pytestmark = pytest.mark.slow

PROBE = """\
name: probe
kind: chunk
sources:
- kind: local
  path: probe
configure-commands:
- mkdir seen
- export -p >seen/environment
- umask >seen/umask
- ulimit -a >seen/limits
- pwd >seen/folder
- busybox id >seen/id
- cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname >seen/host-name
- busybox tty >seen/terminal || true
- grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Umask)' /proc/self/status >seen/status
- busybox ps -o user,comm >seen/processes
- busybox ls -l /proc/self/fd | busybox awk '{print $9, $11}' | grep -v '/proc/' | sed 's/[[].*//' >seen/descriptors || true
- find . | sort | busybox xargs busybox stat -c '%n %f %u %g %h %Y' | grep -v -e seen -e '^[.] ' >seen/sources
- find / -xdev -path /proc -prune -o -path /dev -prune -o -path /tmp -prune -o -print | sort >seen/root
- find / -maxdepth 1 | sort | busybox xargs busybox stat -c '%n %f %u %g' | grep -v '^/proc ' >seen/top
- ls /dev /dev/shm /tmp /proc/sys/fs/mqueue /dev/mqueue >seen/folders 2>&1 || true
- cat /proc/net/dev >seen/network || true
install-commands:
- mkdir -p "$DESTDIR/usr/share/probe" && touch "$DESTDIR/usr/share/probe/empty"
- find "$DESTDIR" | sort | busybox xargs busybox stat -c '%n %f %u %g' >seen/destdir
- mkdir -p "$DESTDIR/usr/share/leaks" && busybox uname -r >"$DESTDIR/usr/share/leaks/kernel"
- busybox find . -maxdepth 1 | grep / >"$DESTDIR/usr/share/leaks/order"
- busybox nproc >"$DESTDIR/usr/share/leaks/processors"
- busybox date +%s >"$DESTDIR/usr/share/leaks/time"
- cp -R seen "$DESTDIR/usr/share/probe/"
"""
"""Records all that it can see. What is below ``leaks`` is what no sandbox of ours hides; the manual lists it."""


class Circumstances(Struct, frozen=True, kw_only=True):
    """Who builds, where, and on what kind of machine."""

    name: str
    user: str | None = None
    host_name: str = ""
    umask: int = 0o022
    environment: dict[str, str] = field(default_factory=dict)
    processors: str = ""
    kernel: bool = False
    """Whether ``uname`` gives another version of the kernel."""
    tempdir: str = ""
    """Another one than in the folder: on another kind of file system, folders are listed in another order."""
    reversed: bool = False
    """Whether folders of ``tempdir`` are listed from their end, by disorderfs."""
    seen: frozenset[str] = frozenset()
    """The files below ``leaks`` that must differ: a circumstance that nobody can see varies nothing."""


_MANY = frozenset({"processors"} if len(os.sched_getaffinity(0)) > 1 else ())
BASE = Circumstances(name="root")
OTHERS = (
    Circumstances(name="again"),
    Circumstances(name="an ordinary user", user="ordinary"),
    Circumstances(name="another host name", host_name="elsewhere"),
    Circumstances(name="another umask", umask=0o077),
    Circumstances(
        name="another locale and environment",
        environment={
            "LC_ALL": "tr_TR.UTF-8",
            "LANG": "de_DE.UTF-8",
            "TZ": "Asia/Tokyo",
            "HOME": "/nonexistent",
            "USER": "somebody",
            "CFLAGS": "-O0",
            "SOURCE_DATE_EPOCH": "1",
            "MAKEFLAGS": "-j77",
        },
    ),
    Circumstances(name="one processor", processors="0", seen=_MANY),
    Circumstances(name="another version of the kernel", kernel=True, seen=frozenset({"kernel"})),
    Circumstances(name="another kind of file system", tempdir="/dev/shm"),
    Circumstances(name="another order of folders", reversed=True, seen=frozenset({"order"})),
    Circumstances(
        name="all of it at once",
        user="ordinary",
        host_name="elsewhere",
        umask=0o027,
        environment={"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"},
        processors="0",
        kernel=True,
        tempdir="/dev/shm",
        seen=_MANY | {"kernel", "time"},
    ),
)


@contextmanager
def built(circumstances: Circumstances) -> Iterator[Path]:
    """Yield the cache in which the tree with the probe was built."""
    user = make_ordinary_user() if circumstances.user else None
    with folder_of(user) as folder:
        definitions = small_tree(folder / "definitions")
        stratum = definitions / "strata" / "work.morph"
        stratum.write_text(stratum.read_text() + "- name: probe\n  morph: chunks/probe.morph\n")
        files = {f"probe/{name}": name for name in ("zeta", "alpha", "Beta", "_x", "sub/one", "sub/two")}
        write_files(definitions, {"chunks/probe.morph": PROBE, **files})
        if user is not None:
            subprocess.run(["chown", "-R", user, folder], check=True)
        with _tempdir(circumstances, folder, user) as tempdir:
            done = _run(circumstances, folder, tempdir, user)
        assert done.returncode == 0, done.stderr
        yield folder / "cache"


@contextmanager
def _tempdir(circumstances: Circumstances, folder: Path, user: str | None) -> Iterator[Path]:
    place = (
        Path(circumstances.tempdir, f"lithify-test-{os.getpid()}")
        if circumstances.tempdir
        else folder / "tmp"
    )
    place.mkdir()
    if circumstances.reversed:
        below = place.with_name("below")
        below.mkdir()
        subprocess.run(
            ["disorderfs", "--quiet", "--multi-user=yes", "--reverse-dirents=yes", below, place], check=True
        )
    try:
        if user is not None:
            subprocess.run(["chown", user, place], check=True)
        yield place
    finally:
        if circumstances.reversed:
            subprocess.run(["umount", "-l", place], check=True)
        subprocess.run(["rm", "-rf", place], check=True)


def _run(
    circumstances: Circumstances, folder: Path, tempdir: Path, user: str | None
) -> subprocess.CompletedProcess[str]:
    before: list[str] = []
    if circumstances.host_name:
        before += ["unshare", "--uts", "sh", "-ec", f'hostname {circumstances.host_name}; exec "$@"', "sh"]
    if circumstances.processors:
        before += ["taskset", "-c", circumstances.processors]
    if circumstances.kernel:
        before += ["setarch", "--uname-2.6"]
    if user is not None:
        entry = pwd.getpwnam(user)
        before += ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LITHIFY_CACHEDIR": str(folder / "cache"),
        "LITHIFY_TEMPDIR": str(tempdir),
        "LITHIFY_MAX_JOBS": "2",
        **circumstances.environment,
    }
    line = [*before, sys.executable, "-m", "lithify", "--no-default-configs", "build", "small"]
    return subprocess.run(
        line,
        cwd=folder / "definitions",
        env=environment,
        umask=circumstances.umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def contents(cache: Path) -> dict[str, str]:
    """Return the content of each chunk, and of each file that the probe wrote."""
    repository = Repository(cache / "ostree")
    found = {}
    for commit in map(repository.commit, repository.refs("d").values()):
        said = commit.metadata
        if said["name"] not in ("probe", "small"):  # the system holds the probe
            found[said["name"]] = said["content"]
        if said["name"] == "probe":
            seen = repository.subtree(commit.tree, "all/usr/share/probe")
            found["probe"] = f"{seen.dirtree} {seen.dirmeta}"
            folder = repository.dirtree(repository.subtree(seen, "seen").dirtree)
            for name, checksum in folder.files:
                found[f"probe: {name}"] = repository.file_path(checksum).read_text(errors="replace")
    return found


def leaks(cache: Path) -> dict[str, str]:
    """Return what the probe wrote down of that which differs from machine to machine."""
    repository = Repository(cache / "ostree")
    commits = map(repository.commit, repository.refs("d").values())
    probe = next(commit for commit in commits if commit.metadata["name"] == "probe")
    folder = repository.dirtree(repository.subtree(probe.tree, "all/usr/share/leaks").dirtree)
    return {name: repository.file_path(checksum).read_text() for name, checksum in folder.files}


@pytest.fixture(scope="module")
def reference() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    with built(BASE) as cache:
        yield contents(cache), leaks(cache)


def test_the_probe_sees_what_it_looks_at(reference: tuple[dict[str, str], dict[str, str]]) -> None:
    seen, leaked = reference
    assert seen["probe: umask"] == "0022\n"
    assert "uid=0" in seen["probe: id"]
    assert "alpha" in seen["probe: sources"]
    assert "export SOURCE_DATE_EPOCH=" in seen["probe: environment"]
    assert "elsewhere" not in seen["probe: host-name"]
    assert sorted(leaked["order"].split()) == ["./Beta", "./_x", "./alpha", "./seen", "./sub", "./zeta"]


@pytest.mark.parametrize("circumstances", OTHERS, ids=lambda one: one.name)
def test_no_circumstance_leaks_in(
    reference: tuple[dict[str, str], dict[str, str]], circumstances: Circumstances
) -> None:
    if circumstances.reversed and (shutil.which("disorderfs") is None or os.geteuid() != 0):
        pytest.skip("needs root and disorderfs")
    with built(circumstances) as cache:
        assert contents(cache) == reference[0]
        there = leaks(cache)
        assert circumstances.seen <= {name for name in there if there[name] != reference[1][name]}
