"""Hostile archives: tar, zip, Debian packages and source packages."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lithify.definitions.model import DebianSourcePackage
from lithify.sources.compose import compose
from lithify.sources.debian_source import debian_source_pin
from lithify.sources.kinds import UnpackLimits
from tests.hostile.bench import Case, Cases, Scene
from tests.hostile.sources import context, into, unpack
from tests.sources.archives import Entry, file, folder, hard_link, link, package, special, tar, zip_file
from tests.sources.test_archive import HOSTILE, damaged
from tests.sources.test_debian import HOSTILE as HOSTILE_PACKAGES

SMALL = UnpackLimits(bytes=8 << 20, members=1000)


def _refused(content: bytes, said: str, **options: object) -> Case:
    return Case(lambda scene: unpack(scene, content, **options), refused=said)  # type: ignore[arg-type]


def _kept(entries: tuple[Entry, ...], path: bytes, content: bytes | None = b"x") -> Case:
    """Return a case in which a file comes out at a path, exactly."""

    def act(scene: Scene) -> None:
        top = os.fsencode(unpack(scene, tar(*entries)))
        where = os.path.join(top, path)
        if content is None:
            assert os.path.lexists(where)
            return
        with open(where, "rb") as found:
            assert found.read() == content

    return Case(act)


def outside_link(target: str) -> Callable[[Scene], object]:
    """Return a case's act: an archive that writes through a link to the tree outside, or over a link to it."""

    def act(scene: Scene) -> None:
        unpack(scene, tar(link("out", str(scene.outside)), file(target, b"overwritten")))

    return act


def chained(depth: int) -> tuple[Entry, ...]:
    """Return links of which each leads to the next, the last one out."""
    return (*(link(f"l{n}", f"l{n + 1}") for n in range(depth)), link(f"l{depth}", "/"), file("l0/evil"))


def tar_cases() -> Iterator[tuple[str, Case]]:
    for name, (entries, said) in HOSTILE.items():
        yield f"tar: {name}", _refused(tar(*entries), said)
    for name, content in damaged():
        yield f"damaged: {name}", _refused(content, "project.tar cannot be unpacked")
    yield (
        "tar: over a file outside, through an absolute link",
        Case(outside_link("out/secret"), refused="leads out"),
    )
    yield (
        "tar: a folder outside, through an absolute link",
        Case(outside_link("out/folder/new"), refused="leads out"),
    )
    yield (
        "tar: a hard link to a link that leads out, then over it",
        Case(
            lambda scene: unpack(
                scene, tar(link("a", str(scene.outside / "secret")), hard_link("b", "a"), file("b", b"new"))
            )
        ),
    )
    for depth in (3, 30):
        yield f"tar: {depth} links in a chain that leads out", _refused(tar(*chained(depth)), "leads out")
    yield "tar: more links in a chain than are followed", _refused(tar(*chained(60)), "loop of links")
    yield "tar: . as a file", _kept((file("./"), file("a")), b"a")
    yield (
        "tar: .. behind a folder and .",
        _refused(tar(folder("a/"), file("a/./.././../evil")), "leads out of the archive"),
    )
    yield "tar: many slashes", _kept((file("a////b//c"),), b"a/b/c")
    yield "tar: a name with a newline", _kept((file("p\nq"),), b"p\nq")
    yield "tar: a name with a tab and escape codes", _kept((file("a\t\x1b[31mb"),), b"a\t\x1b[31mb")
    yield "tar: a name of arbitrary bytes", _kept((file(os.fsdecode(b"\xff\xfe\x80")),), b"\xff\xfe\x80")
    yield (
        "tar: a name like an option",
        _kept((file("--checkpoint-action=exec=sh"),), b"--checkpoint-action=exec=sh"),
    )
    yield "tar: a name of a shell's substitution", _kept((file("$(touch evil)`x`"),), b"$(touch evil)`x`")
    yield "tar: a name of 255 bytes", _kept((file("n" * 255),), b"n" * 255)
    yield "tar: a name of 256 bytes", _refused(tar(file("n" * 256)), "project.tar cannot be unpacked")
    yield "tar: a name of 4,096 bytes", _refused(tar(file("n" * 4096)), "too long a path")
    yield "tar: a symlink of 4,095 bytes", _kept((link("l", "t" * 4095),), b"l", None)
    yield (
        "tar: a symlink of 5,000 bytes",
        _refused(tar(link("l", "t" * 5000)), "project.tar cannot be unpacked"),
    )
    yield "tar: a symlink to nothing", _refused(tar(link("l", "")), "is a symlink to nothing")
    yield "tar: a symlink to itself", _kept((link("l", "l"),), b"l", None)
    yield "tar: a file of setuid root", Case(_setuid)
    yield "tar: the same file 100 times", _kept(tuple(file("a", b"%d" % n) for n in range(100)), b"a", b"99")
    yield (
        "tar: a file, then a link of its name, then a file below it",
        _refused(tar(file("a"), link("a", "/"), file("a/evil")), "leads out"),
    )
    yield (
        "tar: a folder, then a link of its name",
        _refused(tar(folder("a"), link("a", "/")), "both a folder and"),
    )
    yield "tar: a hard link to itself", _refused(tar(hard_link("a", "a")), "not in the archive")
    yield (
        "tar: a hard link to a folder",
        _refused(tar(folder("a"), hard_link("b", "a")), "not in the archive"),
    )
    yield "tar: a contiguous file", Case(lambda scene: unpack(scene, tar(special("c", tarfile.CONTTYPE))))
    yield (
        "tar: an unknown type",
        Case(lambda scene: unpack(scene, tar(special("q", b"Q"))), refused="project.tar"),
    )
    yield (
        "tar: a global header of a megabyte",
        Case(lambda scene: unpack(scene, _pax({"comment": "x" * (1 << 20)}))),
    )
    yield (
        "tar: a header that moves a file out",
        _refused(_pax({"path": "../evil"}), "leads out of the archive"),
    )
    yield "tar: a header with an absolute path", _refused(_pax({"path": "/evil"}), "is an absolute path")
    yield (
        "tar: a header with a negative size",
        Case(lambda scene: unpack(scene, _pax({"size": "-1"})), refused="a damaged one"),
    )
    yield (
        "tar: a header with a size that is none",
        Case(lambda scene: unpack(scene, _pax({"size": "many"})), refused="a damaged one"),
    )
    yield (
        "tar: a header with a size of 10^30",
        Case(lambda scene: unpack(scene, _pax({"size": "1" + "0" * 30})), refused="project.tar"),
    )
    yield (
        "tar: a sparse map without an end",
        Case(
            lambda scene: unpack(scene, _pax({"GNU.sparse.map": "0," * 100_000, "GNU.sparse.size": "1"})),
            refused="project.tar cannot be unpacked: a damaged archive",
        ),
    )
    yield (
        "tar: a sparse file of a terabyte",
        _refused(
            _pax(
                {
                    "GNU.sparse.major": "0",
                    "GNU.sparse.minor": "1",
                    "GNU.sparse.map": "0,1",
                    "GNU.sparse.size": str(1 << 40),
                    "GNU.sparse.name": "s",
                }
            ),
            "unpacks to more than",
        ),
    )
    yield (
        "tar: a header of 6 GiB",
        Case(lambda scene: unpack(scene, _long_header(6 << 30)), refused="project.tar"),
    )
    yield (
        "tar: a thousand members over the limit",
        _refused(
            tar(*(file(f"{n}", b"") for n in range(1001))), "more than 1000 files and folders", limits=SMALL
        ),
    )
    yield (
        "tar: the limit of members, of folders",
        _refused(
            tar(*(folder(f"{n}") for n in range(1001))), "more than 1000 files and folders", limits=SMALL
        ),
    )
    yield (
        "tar: nothing but what strip takes off",
        _refused(tar(file("a"), file("b")), "nothing is left", strip=1),
    )
    yield "tar: strip of a thousand", _refused(tar(file("a/b/c")), "nothing is left", strip=1000)
    zeros = tar(file("zeros", bytes(64 << 20)))
    for name, packed in (
        ("gzip", gzip.compress(zeros, 1)),
        ("bzip2", bz2.compress(zeros)),
        ("xz", lzma.compress(zeros, preset=0)),
    ):
        yield f"bomb: {name}", _refused(packed, "unpacks to more than", limits=SMALL)
    yield (
        "bomb: zstd",
        Case(lambda scene: unpack(scene, _zstd(zeros), limits=SMALL), refused="unpacks to more than"),
    )
    yield (
        "bomb: gzip within gzip",
        _refused(gzip.compress(gzip.compress(zeros, 1)), "project.tar cannot be unpacked", limits=SMALL),
    )
    yield (
        "bomb: headers alone, compressed 1,000 times",
        _refused(
            lzma.compress(tar(*(folder("d/" * 60 + str(n)) for n in range(3000)))),
            "more than 1000 files",
            limits=SMALL,
        ),
    )
    yield (
        "bomb: xz that asks for 4 GiB of memory",
        Case(lambda scene: unpack(scene, _greedy_xz()), refused="project.tar"),
    )


def _setuid(scene: Scene) -> None:
    top = unpack(scene, tar(file("a", mode=0o6755, uid=0)))
    assert (top / "a").stat().st_mode & 0o7777 == 0o755


def _pax(fields: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("inner")
        info.size = 4
        info.pax_headers = dict(fields)
        archive.addfile(info, io.BytesIO(b"text"))
    return buffer.getvalue()


def _long_header(size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = size
    return info.tobuf()


def _zstd(content: bytes) -> bytes:
    return subprocess.run(
        ["zstd", "-q", "-1", "-c"], input=content, stdout=subprocess.PIPE, check=True
    ).stdout


def _greedy_xz() -> bytes:
    """Return xz data whose dictionary is said to have 4 GiB (the byte of LZMA2's properties in the block header)."""
    data = bytearray(lzma.compress(tar(file("a")), check=lzma.CHECK_NONE))
    at = data.index(b"\x21\x01", 12)
    data[at + 2] = 40
    header = 12, 12 + (data[12] + 1) * 4
    data[header[1] - 4 : header[1]] = zlib.crc32(bytes(data[header[0] : header[1] - 4])).to_bytes(4, "little")
    return bytes(data)


def zip_cases() -> Iterator[tuple[str, Case]]:
    regular, linked = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777
    table: dict[str, tuple[tuple[tuple[str, bytes, int], ...], str]] = {
        "parent": ((("../evil", b"x", regular),), "leads out of the archive"),
        "absolute": ((("/evil", b"x", regular),), "is an absolute path"),
        "through a link": ((("out", b"/tmp", linked), ("out/evil", b"x", regular)), "leads out"),
        "through two links": (
            (("a", b"b", linked), ("b", b"..", linked), ("a/evil", b"x", regular)),
            "leads out",
        ),
        "a device": ((("sda", b"", stat.S_IFBLK | 0o666),), "is a device"),
        "a fifo": ((("pipe", b"", stat.S_IFIFO | 0o666),), "is a device"),
        "a file below a file": ((("a", b"", regular), ("a/b", b"", regular)), "both a file and a folder"),
        "a symlink to nothing": ((("l", b"", linked),), "is a symlink to nothing"),
        "a symlink of 5,000 bytes": ((("l", b"t" * 5000, linked),), "project.tar cannot be unpacked"),
        "a name of 300 bytes": ((("n" * 300, b"", regular),), "project.tar cannot be unpacked"),
    }
    for name, (entries, said) in table.items():
        yield f"zip: {name}", _refused(zip_file(*entries), said)
    yield "zip: backslashes", Case(lambda scene: unpack(scene, zip_file(("..\\..\\evil", b"x", regular))))
    yield "zip: a drive letter", Case(lambda scene: unpack(scene, zip_file(("C:/evil", b"x", regular))))
    yield "zip: setuid", Case(lambda scene: unpack(scene, zip_file(("a", b"x", stat.S_IFREG | 0o6755))))
    yield "zip: encrypted", _refused(_flagged(zip_file(("a", b"x" * 100, regular))), "is encrypted")
    yield (
        "zip: of an unknown compression",
        _refused(_method(zip_file(("a", b"x" * 100, regular)), 99), "project.tar cannot be unpacked"),
    )
    yield (
        "zip: another name in the directory than before the content",
        _refused(
            zip_file(("aaaa", b"x", regular)).replace(b"aaaa", b"../e", 1), "project.tar cannot be unpacked"
        ),
    )
    yield (
        "zip: a directory that leads nowhere",
        Case(lambda scene: unpack(scene, zip_file(("a", b"x", regular))[:-10] + bytes(10))),
    )
    yield (
        "zip: a bomb",
        _refused(zip_file(("zeros", bytes(64 << 20), regular)), "unpacks to more than", limits=SMALL),
    )
    yield (
        "zip: a size that is not the content's",
        _refused(_claims(zip_file(("a", b"x" * 5000, regular)), 10), "project.tar"),
    )
    yield "zip: the same content under 3,000 names", _refused(_overlapping(3000), "project.tar", limits=SMALL)


def _flagged(content: bytes) -> bytes:
    data = bytearray(content)
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _method(content: bytes, method: int) -> bytes:
    data = bytearray(content)
    data[8] = method
    data[data.index(b"PK\x01\x02") + 10] = method
    return bytes(data)


def _claims(content: bytes, size: int) -> bytes:
    data = bytearray(content)
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = size.to_bytes(4, "little")
    return bytes(data)


def _overlapping(number: int) -> bytes:
    """Return a zip file whose members all have the same content: small, and large when it is unpacked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", bytes(1 << 20))
        first = archive.infolist()[0]
        for index in range(1, number):
            info = zipfile.ZipInfo(str(index))
            for name in ("CRC", "compress_size", "file_size", "compress_type", "header_offset"):
                setattr(info, name, getattr(first, name))
            archive.filelist.append(info)
    return buffer.getvalue()


def package_cases() -> Iterator[tuple[str, Case]]:
    for name, (entries, said) in HOSTILE_PACKAGES.items():
        yield f"deb: {name}", _package(package(*entries), said)
    contents = {
        "empty": b"",
        "no package": b"no package",
        "no member": b"!<arch>\n",
        "a damaged header": b"!<arch>\n" + b"x" * 60,
        "cut": package()[:200],
        "without data": package(file("./a")).replace(b"data.tar", b"dada.tar"),
        "a size that is no number": package(file("./a")).replace(b"100644  4", b"100644  x", 1),
        "lzip inside": package(file("./a"), compression="plain").replace(
            b"data.tar        ", b"data.tar.lz     "
        ),
    }
    for name, content in contents.items():
        said = "" if name == "lzip inside" else "cannot be unpacked"
        yield (
            f"deb: {name}",
            _package(content, said)
            if said
            else Case(
                lambda scene, content=content: unpack(scene, content, packages=True),
                inside=True,  # type: ignore[misc]
            ),
        )
    yield (
        "deb: a link of the merged /usr is replaced",
        Case(
            lambda scene: unpack(scene, package(link("./bin", "/"), file("./bin/evil")), packages=True),
            inside=True,
        ),
    )
    yield "deb: an absolute link leads into the tree", Case(_absolute_link, inside=True)
    yield "deb: .. above the root stays in the root", Case(_above_the_root, inside=True)
    yield (
        "deb: a capability that is none",
        Case(
            lambda scene: unpack(scene, package(_capable(b"garbage")), packages=True),
            inside=True,
            refused="Invalid argument",
        ),
    )
    yield "deb: a bomb", _package(package(file("./z", bytes(64 << 20))), "unpacks to more than", limits=SMALL)


def _package(content: bytes, said: str, **changes: object) -> Case:
    return Case(lambda scene: unpack(scene, content, packages=True, **changes), refused=said, inside=True)


def _absolute_link(scene: Scene) -> None:
    top = unpack(
        scene, package(link("./out", str(scene.outside)), file("./out/secret", b"new")), packages=True
    )
    assert (top / str(scene.outside)[1:] / "secret").read_bytes() == b"new"


def _above_the_root(scene: Scene) -> None:
    top = unpack(scene, package(link("./up", "../../../.."), file("./up/evil", b"new")), packages=True)
    assert (top / "evil").read_bytes() == b"new"


def _capable(value: bytes) -> Entry:
    name, fields, content = file("./ping")
    return name, {**fields, "pax_headers": {"SCHILY.xattr.security.capability": value.decode()}}, content


UPSTREAM = tar(folder("p-1/"), file("p-1/main.c", b"one\n"))


def source_package(scene: Scene, **files: bytes) -> Path:
    """Compose a Debian source package whose files are in the cache."""
    made = context(scene)
    rows = []
    for name, content in sorted(files.items()):
        sha256 = hashlib.sha256(content).hexdigest()
        kept = made.cache.sources / "debian" / sha256
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(content)
        rows.append((name.replace("__", ".").replace("--", "-"), sha256, len(content), f"pool/{name}"))
    source = DebianSourcePackage(package="p", suite="rock")
    compose([source], {source: debian_source_pin("1-1", rows)}, into(scene), made)
    return into(scene)


def _debian(*entries: Entry, upstream: bytes = UPSTREAM) -> Callable[[Scene], object]:
    debian = tar(folder("debian/"), *entries, compression="xz")
    return lambda scene: source_package(scene, **{"p_1.orig.tar.gz": upstream, "p_1-1.debian.tar.xz": debian})


def _patches_outside(name: str, below: str) -> Callable[[Scene], object]:
    """Return a case's act: Debian's patches, or the list of them, are a link to a series that stands outside."""

    def act(scene: Scene) -> None:
        (scene.work / "elsewhere").mkdir()
        (scene.work / "elsewhere" / "series").write_text("own.patch\n")
        (scene.work / "elsewhere" / "own.patch").write_text("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n")
        _debian(link(name, f"{scene.work}/elsewhere{below}"))(scene)

    return act


def source_package_cases() -> Iterator[tuple[str, Case]]:
    evil = b"--- /dev/null\n+++ b/../../../evil\n@@ -0,0 +1 @@\n+evil\n"
    series = file("debian/patches/series", b"x.patch\n")
    yield (
        "dsc: a series that names a file elsewhere",
        Case(
            _debian(file("debian/patches/series", b"../../../../etc/passwd\n")), refused="there is no patch"
        ),
    )
    yield (
        "dsc: a patch that leads out",
        Case(_debian(series, file("debian/patches/x.patch", evil)), refused="does not apply"),
    )
    yield (
        "dsc: a patch that is a link out",
        Case(_debian(series, link("debian/patches/x.patch", "/etc/passwd")), refused="there is no patch"),
    )
    yield (
        "dsc: a folder of patches that is a link out",
        Case(_patches_outside("debian/patches", ""), refused="its patches are a symlink"),
    )
    yield (
        "dsc: a series that is a link out",
        Case(_patches_outside("debian/patches/series", "/series"), refused="its patches are a symlink"),
    )
    yield (
        "dsc: debian that is a link out",
        Case(
            lambda scene: source_package(
                scene, **{"p_1.orig.tar.gz": UPSTREAM, "p_1-1.debian.tar.xz": tar(link("debian", "/etc"))}
            ),
            refused="there is no folder debian in",
        ),
    )
    yield (
        "dsc: upstream's debian is a link out",
        Case(
            _debian(file("debian/rules"), upstream=tar(folder("p/"), link("p/debian", "/etc"), file("p/a")))
        ),
    )
    yield (
        "dsc: upstream that is one link",
        Case(_debian(file("debian/rules"), upstream=tar(link("p", "/etc")))),
    )
    yield (
        "dsc: no debian in debian.tar",
        Case(
            lambda scene: source_package(
                scene, **{"p_1.orig.tar.gz": UPSTREAM, "p_1-1.debian.tar.xz": tar(file("other"))}
            ),
            refused="there is no folder debian in",
        ),
    )
    yield (
        "dsc: files that are none",
        Case(
            lambda scene: source_package(
                scene, **{"p_1.orig.tar.gz": b"none", "p_1-1.debian.tar.xz": b"none"}
            ),
            refused="cannot be unpacked",
        ),
    )


CASES: Cases = dict([*tar_cases(), *zip_cases(), *package_cases(), *source_package_cases()])
