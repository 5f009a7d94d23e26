"""Hostile results of builds: DESTDIRs and the upper layers of integration commands, taken into a store and out again."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from lithify.cache import open_cache
from lithify.staging.capture import capture_destdir, capture_upper
from lithify.staging.folders import plain_folder
from lithify.store.checkout import check_out
from lithify.store.writing import Store
from tests.hostile.bench import Case, Cases, Scene
from tests.staging.areas import tree_of

Make = Callable[[Path, Scene], object]


def captured(make: Make, *, upper: bool = False) -> Callable[[Scene], object]:
    """Return a case's act: a DESTDIR (or an upper layer) is captured, stored, checked out and compared."""

    def act(scene: Scene) -> None:
        cache = open_cache(scene.work / "cache")
        top = plain_folder(cache.staging / "inst")
        make(top, scene)
        manifest = (capture_upper if upper else capture_destdir)(top).manifest
        before = _compared(top)
        store = Store(cache, sync=False, min_free=1 << 20)
        with store.transaction() as transaction:
            tree = transaction.take(top, manifest)
            transaction.commit(tree, {"name": "hostile", "kind": "chunk"}, refs=["d/hostile"])
        check_out(store.reading, tree, manifest, scene.work / "out", devices=False, check=True)
        assert _compared(scene.work / "out") == before
        store.close()

    return act


def _compared(top: Path) -> dict[str, list[object]]:
    """Return a tree without which files are one: the manifest has that."""
    return {
        path: [str(item).partition(" (is ")[0] if isinstance(item, str) else item for item in entry]
        for path, entry in tree_of(top).items()
    }


def _raw(top: Path, name: bytes) -> bytes:
    return os.fsencode(top) + b"/" + name


def _write(top: Path, name: bytes, content: bytes = b"x") -> None:
    with open(_raw(top, name), "wb") as file:
        file.write(content)


def nested(top: Path, name: str, levels: int) -> None:
    """Make folders in one another."""
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


def _chain(top: Path, scene: Scene) -> None:
    for number in range(50):
        (top / f"l{number}").symlink_to(f"l{number + 1}")
    (top / "l50").symlink_to(scene.outside)


def _hard_linked(top: Path, scene: Scene) -> None:
    """A file that is one with a file of the build folder: its content is taken, and both stay apart."""
    (scene.work / "elsewhere").write_text("linked")
    os.link(scene.work / "elsewhere", top / "half")


def _many_links(top: Path, scene: Scene) -> None:
    (top / "f0").write_text("x")
    for number in range(1, 2000):
        os.link(top / "f0", top / f"f{number}")


def _attribute(name: str, value: bytes) -> Make:
    def make(top: Path, scene: Scene) -> None:
        (top / "file").write_text("x")
        os.setxattr(top / "file", name, value)

    return make


def _socket(top: Path, scene: Scene) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket"))


def _sparse(size: int) -> Make:
    def make(top: Path, scene: Scene) -> None:
        with (top / "sparse").open("wb") as file:
            file.truncate(size)

    return make


ACL = bytes.fromhex(
    "02000000 01000700ffffffff 02000500e8030000 04000500ffffffff 10000500ffffffff 20000500ffffffff"
)
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")

KEPT: dict[str, Make] = {
    "usr/lib that leads to the root": lambda top, scene: (
        (top / "usr").mkdir(),
        (top / "usr/lib").symlink_to("/"),
    ),
    "a link outside": lambda top, scene: (top / "out").symlink_to(scene.outside / "secret"),
    "a link up and out": lambda top, scene: (top / "out").symlink_to("../../../../outside/secret"),
    "50 links in a chain that leads out": _chain,
    "a link to itself": lambda top, scene: (top / "l").symlink_to("l"),
    "links in a circle": lambda top, scene: ((top / "a").symlink_to("b"), (top / "b").symlink_to("a")),
    "a link of 4,095 bytes": lambda top, scene: os.symlink("t" * 4095, top / "l"),
    "a file that is one with a file elsewhere": _hard_linked,
    "2,000 names of one file": _many_links,
    "a name with a newline": lambda top, scene: _write(top, b"a\nb"),
    "a name of escape codes": lambda top, scene: _write(top, b"\x1b]0;evil\x07\x1b[31m"),
    "a name like an option": lambda top, scene: _write(top, b"--no-preserve-root"),
    "a name of 255 bytes": lambda top, scene: _write(top, b"n" * 255),
    "a name of blanks": lambda top, scene: _write(top, b"   "),
    "a name of quotes and backslashes": lambda top, scene: _write(top, b"'\"\\$(x)`y`%s{}*?[a]"),
    "a name of three dots": lambda top, scene: _write(top, b"..."),
    "names that differ in case and in normal form": lambda top, scene: [
        _write(top, name) for name in (b"A", b"a", "\u00e9".encode(), "e\u0301".encode())
    ],
    "a name of direction marks": lambda top, scene: _write(top, "a\u202egpj.exe".encode()),
    "names of the store's own": lambda top, scene: [
        (top / "objects").mkdir(),
        _write(top, b"refs"),
        _write(top, b"x.commitpartial"),
        _write(top, b".lock"),
    ],
    "names of an overlay's own": lambda top, scene: [_write(top, b".wh.x"), _write(top, b".wh..wh..opq")],
    "a fifo": lambda top, scene: os.mkfifo(top / "pipe"),
    "a socket": _socket,
    "a device": lambda top, scene: os.mknod(top / "d", stat.S_IFCHR | 0o600, 0),
    "setuid and setgid": lambda top, scene: (_write(top, b"s"), os.chmod(top / "s", 0o6755)),
    "a mode of nothing": lambda top, scene: (_write(top, b"s"), os.chmod(top / "s", 0)),
    "a folder of mode nothing": lambda top, scene: (
        (top / "d").mkdir(),
        _write(top, b"d/f"),
        os.chmod(top / "d", 0),
    ),
    "an owner of the last id": lambda top, scene: (_write(top, b"s"), os.chown(top / "s", 65534, 65534)),
    "a capability": _attribute("security.capability", CAPABILITY),
    "an access list": _attribute("system.posix_acl_access", ACL),
    "an attribute of the user's": _attribute("user.any", b"\0\xff"),
    "an attribute of 30,000 bytes": _attribute("user.big", b"x" * 3000),
    "an attribute without a value": _attribute("user.empty", b""),
    "a sparse file of 16 MiB": _sparse(16 << 20),
    "2,000 files in one folder": lambda top, scene: [
        _write(top, b"f%d" % number, b"") for number in range(2000)
    ],
    "folders 256 deep": lambda top, scene: nested(top, "d", 256),
    "times before 1970 and after 2400": lambda top, scene: [
        _write(top, b"a"),
        os.utime(top / "a", (-(1 << 31), -(1 << 31))),
        _write(top, b"b"),
        os.utime(top / "b", (1 << 34, 1 << 34)),
    ],
    "nothing": lambda top, scene: None,
}

REFUSED: dict[str, tuple[Make, str]] = {
    "a name that is no UTF-8": (
        lambda top, scene: _write(top, b"latin-\xe9"),
        r"/latin-\xe9 has a name that is not UTF-8",
    ),
    "a name of half a pair": (
        lambda top, scene: _write(top, b"\xed\xa0\x80"),
        "has a name that is not UTF-8",
    ),
    "a link to what is no UTF-8": (
        lambda top, scene: os.symlink(b"\xff", _raw(top, b"l")),
        "which is not UTF-8",
    ),
    "folders 257 deep": (lambda top, scene: nested(top, "d", 257), "nested more than 256 deep"),
    "folders 3,000 deep": (lambda top, scene: nested(top, "d", 3000), "nested more than 256 deep"),
    "a path of 4,000 bytes": (lambda top, scene: nested(top, "n" * 250, 16), "over 3500 bytes"),
    "a sparse file of a terabyte": (_sparse(1 << 40), "more than 256 GiB"),
    "a thousand sparse files of a gigabyte": (
        lambda top, scene: [
            (_write(top, b"%d" % n, b""), os.truncate(top / str(n), 1 << 30)) for n in range(1000)
        ],
        "more than 256 GiB",
    ),
    "an opaque mark": (
        lambda top, scene: ((top / "d").mkdir(), os.setxattr(top / "d", "user.overlay.opaque", b"y")),
        "would act on a mount",
    ),
    "a redirect": (
        lambda top, scene: ((top / "d").mkdir(), os.setxattr(top / "d", "user.overlay.redirect", b"/etc")),
        "would act on a mount",
    ),
    "a whiteout that is an attribute": (_attribute("user.overlay.whiteout", b"y"), "would act on a mount"),
    "an escaped mark": (_attribute("user.overlay.overlay.opaque", b"y"), "would act on a mount"),
    "a mark of fuse-overlayfs": (_attribute("user.fuseoverlayfs.opaque", b"y"), "would act on a mount"),
    "a thousand names that are no UTF-8": (
        lambda top, scene: [_write(top, b"%d-\xff" % number) for number in range(1000)],
        "and 990 more",
    ),
}

UPPERS: dict[str, tuple[Make, str | None]] = {
    "an escaped mark": (_attribute("user.overlay.overlay.opaque", b"y"), "would act on a mount"),
    "a redirect": (
        lambda top, scene: ((top / "d").mkdir(), os.setxattr(top / "d", "user.overlay.redirect", b"/etc")),
        "would act on a mount",
    ),
    "a name that is no UTF-8": (
        lambda top, scene: _write(top, b"latin-\xe9"),
        "has a name that is not UTF-8",
    ),
    "a link to what is no UTF-8": (
        lambda top, scene: os.symlink(b"\xff", _raw(top, b"l")),
        "which is not UTF-8",
    ),
    "folders 257 deep": (lambda top, scene: nested(top, "d", 257), "nested more than 256 deep"),
    "a sparse file of a terabyte": (_sparse(1 << 40), "more than 256 GiB"),
    "a link outside": (lambda top, scene: (top / "out").symlink_to(scene.outside), None),
    "whiteouts and what is beside them": (
        lambda top, scene: (os.mknod(top / "gone", stat.S_IFCHR, 0), _write(top, b"stays")),
        None,
    ),
    "a fifo, and a socket": (lambda top, scene: (os.mkfifo(top / "p"), _socket(top, scene)), None),
    "an origin that is garbage": (_attribute("user.overlay.origin", b"\xff" * 200), None),
}


def cases() -> Iterator[tuple[str, Case]]:
    """Yield the cases, by name."""
    for name, make in KEPT.items():
        yield f"DESTDIR: {name}", Case(captured(make), inside=True)
    for name, (make, said) in REFUSED.items():
        yield f"DESTDIR: {name}", Case(captured(make), refused=said, inside=True)
    for name, (make, told) in UPPERS.items():
        yield f"upper layer: {name}", Case(captured(make, upper=True), refused=told, inside=True)


def _a_million(top: Path, scene: Scene) -> None:
    for number in range(1000):
        folder = os.open(_mkdir(top / str(number)), os.O_RDONLY)
        for name in range(1000):
            os.close(os.open(str(name), os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder))
        os.close(folder)


def _mkdir(path: Path) -> Path:
    path.mkdir()
    return path


def _crowded(top: Path, scene: Scene) -> None:
    folder = os.open(top, os.O_RDONLY)
    for name in range(300_000):
        os.close(os.open(str(name), os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder))
    os.close(folder)


def captured_alone(make: Make) -> Callable[[Scene], object]:
    """Return a case's act: a DESTDIR is captured and stored, and its number of files told; not compared."""

    def act(scene: Scene) -> None:
        cache = open_cache(scene.work / "cache")
        top = plain_folder(cache.staging / "inst")
        make(top, scene)
        done = capture_destdir(top)
        assert done.files == 1_000_000
        store = Store(cache, sync=False, min_free=1 << 20)
        with store.transaction() as transaction:
            tree = transaction.take(top, done.manifest)
        assert len(list(store.reading.dirtree(tree.dirtree).dirs)) == 1000
        store.close()

    return act


CASES: Cases = dict(cases())
LONG: Cases = {
    "DESTDIR: a million files": Case(captured_alone(_a_million), inside=True, seconds=600, megabytes=2000),
    "DESTDIR: 300,000 files in one folder": Case(
        captured(_crowded), refused="more than the store can hold", inside=True, seconds=60
    ),
}
