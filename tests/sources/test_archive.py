"""Archives: pinned, fetched, checked, and unpacked without leaving their folder."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.definitions.model import ArchiveSource
from lithify.errors import FetchError, NoSpace, PinGone, PinMismatch, SourceError, UnsafeContent
from lithify.events import FetchFinished, FetchStarted, Warned
from lithify.sources.archive import ArchiveKind, archive_pin
from lithify.sources.compose import compose
from lithify.sources.fetching import fetch_all
from lithify.sources.kinds import SourceContext, UnpackLimits
from lithify.sources.unpacking import Archive, unpack_archives
from tests.sources.archives import COMPRESSIONS, file, folder, hard_link, link, special, tar, zip_file
from tests.sources.conftest import Place, Server, fails, needs_root

KIND = ArchiveKind()
PROJECT = (
    folder("p-1.0/"),
    file("p-1.0/README", b"read me\n"),
    file("p-1.0/configure", b"#!/bin/sh\n", mode=0o755),
    folder("p-1.0/src/"),
    link("p-1.0/src/up", "../README"),
)


def unpacked(content: bytes, place: Place, tmp_path: Path, *, strip: int = 0, **changes: object) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(content)
    into = tmp_path / "into"
    into.mkdir()
    archive = Archive(path=path, name="project.tar", strip=strip)
    unpack_archives([archive], into, place(**changes))
    return into


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(compression: str, place: Place, tmp_path: Path) -> None:
    into = unpacked(tar(*PROJECT, compression=compression), place, tmp_path, strip=1)
    assert (into / "README").read_bytes() == b"read me\n"
    assert (into / "configure").stat().st_mode & 0o7777 == 0o755
    assert os.readlink(into / "src/up") == "../README"


def test_zstd(place: Place, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(tar(*PROJECT))
    try:
        packed = subprocess.run(["zstd", "-qc", str(plain)], check=True, capture_output=True).stdout
    except FileNotFoundError:
        pytest.skip("zstd is not installed")
    assert (unpacked(packed, place, tmp_path, strip=1) / "README").exists()


def test_zip(place: Place, tmp_path: Path) -> None:
    content = zip_file(
        ("p/", b"", stat.S_IFDIR | 0o755),
        ("p/run", b"x", stat.S_IFREG | 0o755),
        ("p/text", b"y", 0),
        ("p/link", b"text", stat.S_IFLNK | 0o777),
    )
    into = unpacked(content, place, tmp_path, strip=1)
    assert (into / "run").stat().st_mode & 0o777 == 0o755
    assert (into / "text").read_bytes() == b"y"
    assert os.readlink(into / "link") == "text"


@needs_root
def test_owners_and_special_bits_are_not_taken(place: Place, tmp_path: Path) -> None:
    into = unpacked(
        tar(
            file("a", mode=0o6755, uid=197611, gid=5), folder("d", mode=0o2700, uid=7), file("s", mode=0o400)
        ),
        place,
        tmp_path,
    )
    for name, mode in (("a", 0o755), ("d", 0o755), ("s", 0o644)):
        status = (into / name).stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (mode, 0, 0)


def test_hard_links_and_odd_names(place: Place, tmp_path: Path) -> None:
    latin = os.fsdecode(b"latin-\xe9")
    into = unpacked(
        tar(file("p/a"), hard_link("p/b", "p/a"), file("p/new\nline"), file(f"p/{latin}")),
        place,
        tmp_path,
        strip=1,
    )
    assert (into / "a").stat().st_ino == (into / "b").stat().st_ino
    assert (into / "new\nline").exists() and (into / latin).exists()


HOSTILE = {
    "parent": ([file("../evil")], "leads out of the archive"),
    "parent inside": ([file("a/../../evil")], "leads out of the archive"),
    "absolute": ([file("/evil")], "is an absolute path"),
    "through an absolute link": ([link("out", "/tmp"), file("out/evil")], "through a link that leads out"),
    "through a relative link": ([link("out", ".."), file("out/evil")], "through a link that leads out"),
    "through two links": (
        [link("a", "b/.."), link("b", "/"), file("a/evil")],
        "through a link that leads out",
    ),
    "folder through a link": ([link("out", "/tmp"), folder("out/evil")], "through a link that leads out"),
    "loop": ([link("a", "b"), link("b", "a"), file("a/evil")], "loop of links"),
    "hard link out": ([hard_link("evil", "/etc/passwd")], "is an absolute path"),
    "hard link up": ([hard_link("evil", "../../etc/passwd")], "leads out of the archive"),
    "hard link through a link": (
        [link("e", "/etc"), hard_link("evil", "e/passwd")],
        "through a link that leads out",
    ),
    "hard link to nothing": ([hard_link("evil", "nothing")], "which is not in the archive"),
    "character device": ([special("null", tarfile.CHRTYPE)], "is a device"),
    "block device": ([special("sda", tarfile.BLKTYPE)], "is a device"),
    "fifo": ([special("pipe", tarfile.FIFOTYPE)], "is a fifo"),
    "file below a file": ([file("a"), file("a/b")], "both a file and a folder"),
    "file over a folder": ([file("a/b"), file("a")], "both a folder and a file"),
    "deep": ([file("d/" * 2500 + "f")], "too long a path"),
    "escape codes": ([file("../\x1b[31mred")], "\\x1b[31mred"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str, place: Place, tmp_path: Path) -> None:
    entries, said = HOSTILE[name]
    with fails(UnsafeContent, "project.tar", said):
        unpacked(tar(*entries), place, tmp_path)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_device_that_strip_would_hide_is_refused(place: Place, tmp_path: Path) -> None:
    with fails(UnsafeContent, "is a device"):
        unpacked(tar(special("null", tarfile.CHRTYPE)), place, tmp_path, strip=1)


def test_links_that_nothing_goes_through_are_data(place: Place, tmp_path: Path) -> None:
    into = unpacked(
        tar(link("missing", "/usr/share/automake/missing"), link("up", "../../x")), place, tmp_path
    )
    assert os.readlink(into / "missing") == "/usr/share/automake/missing"


def test_a_link_inside_is_followed(place: Place, tmp_path: Path) -> None:
    into = unpacked(tar(folder("real"), link("alias", "real"), file("alias/f")), place, tmp_path)
    assert (into / "real/f").exists()


def test_a_replaced_link_is_not_written_through(place: Place, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    into = unpacked(tar(link("a", str(victim)), file("a", b"new")), place, tmp_path)
    assert victim.read_text() == "untouched"
    assert not (into / "a").is_symlink() and (into / "a").read_bytes() == b"new"


def test_twins_are_two_files(place: Place, tmp_path: Path) -> None:
    into = unpacked(tar(file("A"), file("a"), file("\u00e9"), file("e\u0301")), place, tmp_path)
    assert len(list(into.iterdir())) == 4


def test_bombs_are_bounded(place: Place, tmp_path: Path) -> None:
    bomb = tar(file("zeros", b"\0" * (8 << 20)), compression="xz")
    with fails(UnsafeContent, "project.tar unpacks to more than", "MiB"):
        unpacked(bomb, place, tmp_path, limits=UnpackLimits(bytes=1 << 20))
    assert sum(path.stat().st_size for path in (tmp_path / "into").iterdir()) <= 2 << 20


def test_a_sparse_terabyte_is_bounded(place: Place, tmp_path: Path) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 40
    with fails(UnsafeContent, "unpacks to more than"):
        unpacked(info.tobuf(), place, tmp_path)


def test_members_are_bounded(place: Place, tmp_path: Path) -> None:
    many = tar(*(file(str(number), b"") for number in range(200)))
    with fails(UnsafeContent, "more than 100 files and folders"):
        unpacked(many, place, tmp_path, limits=UnpackLimits(members=100))


def test_a_header_that_claims_gigabytes(place: Place, tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 6 << 30
    with pytest.raises((UnsafeContent, SourceError)):
        unpacked(header.tobuf(), place, tmp_path)


def damaged() -> Iterator[tuple[str, bytes]]:
    whole = tar(*PROJECT, file("p-1.0/big", os.urandom(50_000)))
    packed = tar(*PROJECT, file("p-1.0/big", bytes(range(256)) * 400), compression="xz")
    yield "no archive", b"<html>Not found</html>" * 100
    yield "empty", b""
    yield "cut in a header", whole[:700]
    yield "cut in a file", whole[:-30_000]
    yield "garbage in the middle", whole[:1536] + b"garbage!" * 64 + whole[2048:]
    yield "cut compression", packed[: len(packed) // 2]
    yield "flipped compression", packed[:40] + bytes([packed[40] ^ 1]) + packed[41:]
    yield "zip", zip_file(("a", b"x" * 5000, 0))[:60]
    yield "lzip", b"LZIP" + bytes(100)


@pytest.mark.parametrize(
    ("name", "content"), list(damaged()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_damaged_archives(name: str, content: bytes, place: Place, tmp_path: Path) -> None:
    with fails(SourceError, "project.tar cannot be unpacked"):
        unpacked(content, place, tmp_path)


def test_strip_leaves_something(place: Place, tmp_path: Path) -> None:
    with fails(SourceError, "nothing is left of project.tar", "strip: 0"):
        unpacked(tar(file("a"), file("b")), place, tmp_path, strip=1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounts a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_while_unpacking(place: Place, tmp_path: Path, small_disk: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(tar(file("big", os.urandom(4 << 20))))
    (small_disk / "into").mkdir()
    with fails(NoSpace, "no space left in", str(small_disk), "lithify gc"):
        unpack_archives([Archive(path=path, name="a")], small_disk / "into", place())


def test_a_full_disk_while_fetching(tmp_path: Path, small_disk: Path, server: Server) -> None:
    place = Place(root=tmp_path, cache_root=small_disk / "cache")
    content = os.urandom(4 << 20)
    source = ArchiveSource(url=server.put("big.tar", content))
    pin = archive_pin(hashlib.sha256(content).hexdigest(), len(content))
    with fails(NoSpace, "no space left in"):
        KIND.fetch(source, pin, place())
    with fails(NoSpace, "no space left in"):
        KIND.pin(source, place())
    assert not list((small_disk / "cache/sources/archives").iterdir())
    place.close()


# Pinning and fetching.


@pytest.fixture
def source(server: Server) -> ArchiveSource:
    return ArchiveSource(url=server.put("p-1.0.tar.xz", tar(*PROJECT, compression="xz")))


def test_pin_then_compose(source: ArchiveSource, place: Place, server: Server, tmp_path: Path) -> None:
    context = place()
    pin = KIND.pin(source, context)
    content = (server.folder / "p-1.0.tar.xz").read_bytes()
    assert pin == archive_pin(hashlib.sha256(content).hexdigest(), len(content))
    assert KIND.is_fetched(source, pin, context)
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.append(compose([source], {source: pin}, tmp_path / name, context))
    assert digests[0] == digests[1]
    assert server.asked == ["/p-1.0.tar.xz"]


def test_the_digest_does_not_depend_on_the_cache(source: ArchiveSource, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "a-longer-path/two"):
        place = Place(root=tmp_path, cache_root=tmp_path / name)
        (tmp_path / f"{name}-into").mkdir(parents=True)
        context = place()
        digests.append(
            compose([source], {source: KIND.pin(source, context)}, tmp_path / f"{name}-into", context)
        )
        place.close()
    assert digests[0] == digests[1]


def test_events(source: ArchiveSource, place: Place, server: Server) -> None:
    pin = KIND.pin(source, place(report=lambda event: None))
    (place().cache.sources / "archives" / str(pin.digest_data["sha256"])).unlink()
    fetch_all([(source, pin)], place(), chunk="p")
    size = (server.folder / "p-1.0.tar.xz").stat().st_size
    assert place.told(FetchStarted) == [FetchStarted(source="p-1.0.tar.xz", size=size)]
    (finished,) = place.told(FetchFinished)
    assert (finished.source, finished.size) == ("p-1.0.tar.xz", size)


def test_content_that_is_not_pinned(source: ArchiveSource, context: SourceContext) -> None:
    size = 1000
    pin = KIND.pin(source, context)
    wrong = archive_pin("0" * 64, int(str(pin.fetch["size"])))
    with fails(PinMismatch, "p: ", "p-1.0.tar.xz is not what is pinned", "0" * 64, "lithify lock --update p"):
        fetch_all([(source, wrong)], context, chunk="p")
    with fails(PinMismatch, "is longer than the 10 bytes"):
        KIND.fetch(source, archive_pin("1" * 64, 10), context)
    with fails(FetchError, f"stopped after {pin.fetch['size']} of {size} bytes"):
        KIND.fetch(source, archive_pin("1" * 64, size), context)
    assert [path.name for path in (context.cache.sources / "archives").iterdir()] == [
        pin.digest_data["sha256"]
    ]


def test_a_server_that_is_down(context: SourceContext) -> None:
    source = ArchiveSource(url="http://127.0.0.1:9/x.tar")
    with fails(FetchError, "cannot fetch http://127.0.0.1:9/x.tar", "mirror"):
        KIND.fetch(source, archive_pin("1" * 64, 10), context)


def test_a_server_that_cuts_off(source: ArchiveSource, context: SourceContext, server: Server) -> None:
    pin = KIND.pin(source, context)
    kept = context.cache.sources / "archives" / str(pin.digest_data["sha256"])
    kept.unlink()
    server.cut_after["/p-1.0.tar.xz"] = 50
    with fails(FetchError, "cannot fetch", "p-1.0.tar.xz"):
        KIND.fetch(source, pin, context)
    assert not list(kept.parent.iterdir())
    with fails(FetchError, "cannot fetch"):
        KIND.pin(source, context)
    server.cut_after.clear()
    KIND.fetch(source, pin, context)
    assert kept.exists()


def test_what_a_server_says(source: ArchiveSource, context: SourceContext, server: Server) -> None:
    pin = archive_pin("1" * 64, 10)
    server.status["/p-1.0.tar.xz"] = 404
    with fails(PinGone, "is not there (HTTP status 404)", "lithify lock --update zlib"):
        fetch_all([(source, pin)], context, chunk="zlib")
    with fails(FetchError, "is not there (HTTP status 404)"):
        KIND.pin(source, context)
    server.status["/p-1.0.tar.xz"] = 403
    with fails(FetchError, "was refused (HTTP status 403)"):
        KIND.fetch(source, pin, context)
    server.asked.clear()
    server.status["/p-1.0.tar.xz"] = 503
    with fails(FetchError, "has a fault (HTTP status 503)"):
        KIND.fetch(source, pin, context)
    assert len(server.asked) == 2


def test_a_mirror_is_asked_instead(
    source: ArchiveSource, place: Place, server: Server, tmp_path: Path
) -> None:
    pin = KIND.pin(source, place())
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "p-1.0.tar.xz").write_bytes((server.folder / "p-1.0.tar.xz").read_bytes())
    server.asked.clear()
    other = Place(root=tmp_path, cache_root=tmp_path / "other-cache")
    context = other(mirrors=((f"{server.url}/", f"file://{mirror}/"),))
    KIND.fetch(source, pin, context)
    assert server.asked == []
    (mirror / "p-1.0.tar.xz").unlink()
    (context.cache.sources / "archives" / str(pin.digest_data["sha256"])).unlink()
    with fails(PinGone, "is not there"):
        KIND.fetch(source, pin, context)
    other.close()


def test_a_damaged_file_in_the_cache_is_fetched_again(
    source: ArchiveSource, place: Place, server: Server, tmp_path: Path
) -> None:
    context = place()
    pin = KIND.pin(source, context)
    kept = context.cache.sources / "archives" / str(pin.digest_data["sha256"])
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    (tmp_path / "into").mkdir()
    KIND.unpack(source, pin, tmp_path / "into", context)
    assert (tmp_path / "into/README").exists()
    assert [event.text for event in place.told(Warned)] == [
        "p-1.0.tar.xz was damaged in the cache and is fetched again"
    ]


def test_a_file_url_is_no_archive(context: SourceContext, tmp_path: Path) -> None:
    with fails(SourceError, "cannot be downloaded", "https://"):
        KIND.pin(ArchiveSource(url=f"file://{tmp_path}/x"), context)


def test_lines_of_the_lock() -> None:
    pin = archive_pin("a" * 64, 5)
    lines = [line.split() for line in KIND.write_pin(pin)]
    assert KIND.read_pin(lines) == pin
    for bad in ([], lines[:1], [["sha256", "xyz"], ["size", "5"]], [["sha256", "a" * 64], ["size", "-5"]]):
        with pytest.raises(ValueError, match="an archive has"):
            KIND.read_pin(bad)


def test_a_tar_made_by_tar(place: Place, tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "deep").mkdir(parents=True)
    (top / ("n" * 150)).write_text("long")
    (top / "deep/sparse").write_bytes(b"")
    os.truncate(top / "deep/sparse", 1 << 20)
    made = subprocess.run(
        ["tar", "-C", str(tmp_path), "-cSf", "-", "top"], check=True, capture_output=True
    ).stdout
    into = unpacked(made, place, tmp_path, strip=1)
    assert (into / ("n" * 150)).read_text() == "long"
    assert (into / "deep/sparse").stat().st_size == 1 << 20
    assert io.BytesIO(made).read(1)
