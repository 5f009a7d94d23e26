"""Source packages of Debian: upstream's archive, Debian's folder, Debian's patches."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from lithify.definitions.model import DebianSourcePackage
from lithify.errors import PinGone, SourceError
from lithify.sources.compose import compose
from lithify.sources.debian_host import DebianHost
from lithify.sources.debian_source import DebianSourceKind, debian_source_pin
from lithify.sources.fetching import fetch_all
from lithify.sources.kinds import SourceContext
from tests.sources.archives import file, folder, tar
from tests.sources.conftest import Place, Server, fails
from tests.sources.pool import Pool

KIND = DebianSourceKind()
SOURCE = DebianSourcePackage(package="p", suite="rock")
PLAIN = DebianSourcePackage(package="p", suite="rock", patches=False)
UPSTREAM = tar(folder("p-1/"), file("p-1/main.c", b"one\n"), file("p-1/debian/old"), compression="bzip2")
PATCH = b"--- a/main.c\n+++ b/main.c\n@@ -1 +1 @@\n-one\n+two\n"
DEBIAN = tar(
    folder("debian/"),
    file("debian/rules", b"#!/usr/bin/make -f\n", mode=0o755),
    file("debian/patches/series", b"fix.patch\n"),
    file("debian/patches/fix.patch", PATCH),
    compression="xz",
)


def laid_out(
    files: dict[str, bytes], context: SourceContext, tmp_path: Path, source: DebianSourcePackage = SOURCE
) -> Path:
    """Compose a source package whose files are in the cache already."""
    rows = []
    for name, content in sorted(files.items()):
        sha256 = hashlib.sha256(content).hexdigest()
        kept = context.cache.sources / "debian" / sha256
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(content)
        rows.append((name, sha256, len(content), f"pool/main/p/{name}"))
    into = tmp_path / "into"
    into.mkdir()
    compose([source], {source: debian_source_pin("1-1", rows)}, into, context)
    return into


def seen(into: Path) -> dict[str, str]:
    return {str(path.relative_to(into)): path.read_text() for path in into.rglob("*") if path.is_file()}


def test_quilt(context: SourceContext, tmp_path: Path) -> None:
    into = laid_out(
        {"p_1.orig.tar.bz2": UPSTREAM, "p_1-1.debian.tar.xz": DEBIAN, "p_1-1.dsc": b""}, context, tmp_path
    )
    files = seen(into)
    assert files["main.c"] == "two\n"
    assert "debian/old" not in files and "debian/rules" in files
    assert (into / "debian/rules").stat().st_mode & 0o111


def test_without_patches(context: SourceContext, tmp_path: Path) -> None:
    files = {"p_1.orig.tar.bz2": UPSTREAM, "p_1-1.debian.tar.xz": DEBIAN}
    assert seen(laid_out(files, context, tmp_path, PLAIN))["main.c"] == "one\n"


def test_components(context: SourceContext, tmp_path: Path) -> None:
    extra = tar(file("extra-2/x", b"extra"), compression="gzip")
    files = {"p_1.orig.tar.bz2": UPSTREAM, "p_1.orig-sub.tar.gz": extra, "p_1-1.debian.tar.xz": DEBIAN}
    assert seen(laid_out(files, context, tmp_path))["sub/x"] == "extra"


def test_format_one(context: SourceContext, tmp_path: Path) -> None:
    made = b"--- p-1.orig/debian/control\n+++ p-1/debian/control\n@@ -0,0 +1 @@\n+Source: p\n"
    diff = gzip.compress(PATCH.replace(b"a/", b"p-1.orig/").replace(b"b/", b"p-1/") + made, mtime=0)
    files = {"p_1.orig.tar.gz": UPSTREAM, "p_1-1.diff.gz": diff}
    found = seen(laid_out(files, context, tmp_path))
    assert found["main.c"] == "two\n" and found["debian/control"] == "Source: p\n"


@pytest.mark.parametrize("content", [tar(file("p/a"), file("p/b")), tar(file("a"), file("b"))])
def test_native_with_a_folder_around_it_or_without(
    content: bytes, context: SourceContext, tmp_path: Path
) -> None:
    assert sorted(seen(laid_out({"p_1.tar.xz": content}, context, tmp_path))) == ["a", "b"]


def test_a_patch_of_debian_that_does_not_apply(context: SourceContext, tmp_path: Path) -> None:
    other = tar(file("p-1/main.c", b"three\n"), compression="gzip")
    with fails(SourceError, "p 1-1 (Debian source): the patch fix.patch does not apply: hunk #1 of main.c"):
        laid_out({"p_1.orig.tar.gz": other, "p_1-1.debian.tar.xz": DEBIAN}, context, tmp_path)


def test_nothing_to_unpack(context: SourceContext, tmp_path: Path) -> None:
    with fails(SourceError, "has no upstream archive"):
        laid_out({"p_1-1.dsc": b"x"}, context, tmp_path)


@pytest.mark.slow
def test_pin_and_fetch(server: Server, signing_key: tuple[Path, Path], place: Place, tmp_path: Path) -> None:
    pool = Pool(server, signing_key)
    pool.add_source("p", "1-1", {"p_1.orig.tar.bz2": UPSTREAM, "p_1-1.debian.tar.xz": DEBIAN})
    host = pool.publish()
    context = place(debian_host=host, arch="amd64")
    pin = KIND.pin(SOURCE, context)
    assert KIND.parts(pin) == {"version": "1-1"}
    assert KIND.read_pin([line.split() for line in KIND.write_pin(pin)]) == pin
    with fails(SourceError, "there is no package q in rock"):
        KIND.pin(DebianSourcePackage(package="q", suite="rock"), context)
    without_apt = place(debian_host=DebianHost(archives=host.archives, keyring="/nowhere"))
    (tmp_path / "into").mkdir()
    compose([SOURCE], {SOURCE: pin}, tmp_path / "into", without_apt)
    assert (tmp_path / "into/main.c").read_text() == "two\n"
    kept = context.cache.sources / "debian"
    for path in kept.iterdir():
        path.unlink()
    (server.folder / "pool/main/p/p/p_1.orig.tar.bz2").unlink()
    with fails(PinGone, "x: ", "p_1.orig.tar.bz2", "`lithify lock --update x`"):
        fetch_all([(SOURCE, pin)], without_apt, chunk="x")


def test_lines_that_are_no_pin() -> None:
    good = [["version", "1"], ["file", "a.dsc", "0" * 64, "5", "pool/main/a/a.dsc"]]
    assert KIND.read_pin(good).digest_data == {"version": "1", "files": [["a.dsc", "0" * 64]]}
    for bad in ([], good[:1], good[1:], [good[0], ["package", *good[1][1:]]], [good[0], good[1][:-1]]):
        with pytest.raises(ValueError, match=r"\w"):
            KIND.read_pin(bad)


@pytest.mark.network
def test_a_real_source_package(place: Place, tmp_path: Path) -> None:
    source = DebianSourcePackage(package="zlib", suite="bookworm")
    context = place()
    pin = KIND.pin(source, context)
    (tmp_path / "into").mkdir()
    compose([source], {source: pin}, tmp_path / "into", context)
    assert (tmp_path / "into/zlib.h").exists() and (tmp_path / "into/debian/rules").exists()
