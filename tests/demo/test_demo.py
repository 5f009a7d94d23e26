"""The demo from nothing: the same for root and an ordinary user at other paths, booted by firmware, edited, built again."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.machine import booted
from tests.inside import folder_of, make_ordinary_user
from tests.program import PROJECT, Program, write_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.timeout(1800),
]  # a slow line, or a slow machine

SYSTEM, CLUSTER = "systems/demo.morph", "clusters/demo.morph"
CAP_NET_RAW = 13
COMMENT = """\
--- a/adler32.c
+++ b/adler32.c
@@ -1,3 +1,4 @@
+/* nothing but a comment */
 /* adler32.c -- compute the Adler-32 checksum of a data stream
  * Copyright (C) 1995-2011, 2016 Mark Adler
  * For conditions of distribution and use, see copyright notice in zlib.h
"""


def demo_in(folder: Path, user: str | None) -> Program:
    """Return the program on a copy of the demo's definitions, as a checkout has them."""
    definitions = folder / "definitions"
    shutil.copytree(
        PROJECT / "examples/demo",
        definitions,
        ignore=shutil.ignore_patterns("*.img", "*.tar", "*.lithify.json"),
    )
    subprocess.run(["chmod", "-R", "a+rX", str(definitions)], check=True)
    if user is not None:
        subprocess.run(["chown", "-R", user, str(definitions)], check=True)
    return Program(folder=folder, definitions=definitions, user=user)


def deploy(program: Program) -> dict[str, str]:
    """Build and deploy, and return the digests of what was made."""
    program.done("build", SYSTEM)
    program.done("deploy", CLUSTER)
    return {
        name: hashlib.sha256((program.definitions / name).read_bytes()).hexdigest()
        for name in ("demo.img", "demo.tar")
    }


@pytest.fixture(scope="module")
def demo() -> Iterator[Program]:
    """The demo, built and deployed once for all tests here."""
    with folder_of(None) as folder:
        program = demo_in(folder, None)
        deploy(program)
        yield program


def outcomes(stderr: str) -> dict[str, str]:
    """Return what became of each chunk and system that the command worked on: built, composed or reused."""
    lines = re.findall(
        r"^\[[\d:]+\] \[[0-9a-f]{8}\] (\S+): (built|composed|inputs unchanged)\b", stderr, re.MULTILINE
    )
    return {name: outcome.replace("inputs unchanged", "reused") for name, outcome in lines}


def test_a_second_build_has_nothing_to_do(demo: Program) -> None:
    assert outcomes(demo.done("build", SYSTEM).stderr) == {}
    assert demo.done("deploy", CLUSTER).stdout.count("unchanged") == 2


def test_an_ordinary_user_gets_the_same_bytes_at_another_path(demo: Program) -> None:
    user = make_ordinary_user()
    expected = {
        name: hashlib.sha256((demo.definitions / name).read_bytes()).hexdigest()
        for name in ("demo.img", "demo.tar")
    }
    with folder_of(user) as folder:
        deeper = folder / "another" / "place"
        deeper.mkdir(parents=True)
        subprocess.run(["chown", "-R", user, str(folder / "another")], check=True)
        assert deploy(demo_in(deeper, user)) == expected


def test_the_system_has_a_device_a_capability_and_owners_that_the_builder_is_not(demo: Program) -> None:
    with tarfile.open(demo.definitions / "demo.tar") as archive:
        console, spool, su, ping = (
            archive.getmember(f"./{name}")
            for name in ("dev/console", "var/spool/print", "usr/bin/su", "usr/bin/ping")
        )
    assert (console.type, console.devmajor, console.devminor) == (tarfile.CHRTYPE, 5, 1)
    assert (console.uid, console.gid, console.mode) == (0, 5, 0o620)
    assert (spool.uid, spool.gid, spool.mode) == (5, 7, 0o2770)
    assert (su.uid, su.gid, su.mode) == (0, 0, 0o4755)
    capability = ping.pax_headers["SCHILY.xattr.security.capability"].encode(errors="surrogateescape")
    magic, permitted = struct.unpack("<2I", capability[:8])
    assert (magic >> 24, permitted) == (2, 1 << CAP_NET_RAW)


@pytest.mark.boot
def test_the_image_boots_by_firmware_and_answers(demo: Program, tmp_path: Path) -> None:
    with booted(demo.definitions / "demo.img", tmp_path) as machine:
        assert re.fullmatch(r"lithify: system demo is up, content digest [0-9a-f]{64}", machine.line)
        digest = machine.line.split()[-1]
        assert f"lithify.digest={digest}" in machine.ssh("cat /proc/cmdline")
        assert machine.ssh("id -un; hostname").split() == ["root", "lithify-demo"]
        assert machine.ssh("grep ^www: /etc/passwd").startswith("www:x:100:")
        assert machine.ssh("lua -e 'print(6 * 7)'") == "42\n"
        assert "usr" in machine.ssh("tree -L 1 /")
        assert machine.ssh("grep -c libz.so.1 /etc/ld.so.cache") == "1\n"
        assert machine.ssh("stat -c '%u:%g %a' /var/spool/print /usr/bin/su") == "5:7 2770\n0:0 4755\n"
        as_www = "su -s /bin/sh www -c '{}'"
        assert machine.ssh(as_www.format('su -c "id -u"')) == "0\n"
        assert "1 packets received" in machine.ssh(as_www.format("ping -c 1 127.0.0.1"))
        assert "permission denied" in machine.ssh(as_www.format("busybox ping -c 1 127.0.0.1 2>&1 || true"))
        assert "lithify" in machine.http("/")
        assert len(digest) == 64


def test_an_edit_of_the_configuration_makes_a_new_image_and_builds_nothing_else(demo: Program) -> None:
    issue = demo.definitions / "configuration/etc/issue"
    before, image = issue.read_text(), (demo.definitions / "demo.img").read_bytes()
    try:
        issue.write_text("edited\n")
        assert outcomes(demo.done("build", SYSTEM).stderr) == {"configuration": "built", "demo": "composed"}
        demo.done("deploy", CLUSTER, "image")
        assert (demo.definitions / "demo.img").read_bytes() != image
    finally:
        issue.write_text(before)
    assert outcomes(demo.done("build", SYSTEM).stderr) == {}
    demo.done("deploy", CLUSTER)
    assert (demo.definitions / "demo.img").read_bytes() == image


def test_a_comment_in_zlib_leaves_dropbear_system_and_image_as_they_are(demo: Program) -> None:
    chunk = demo.definitions / "chunks/zlib.morph"
    before = chunk.read_text()
    patch = demo.definitions / "patches/zlib/comment.patch"
    patch.parent.mkdir()
    patch.write_text(COMMENT)
    try:
        chunk.write_text(
            before.replace("  suite: bookworm\n", "  suite: bookworm\n- kind: patch\n  path: patches/zlib\n")
        )
        done = outcomes(demo.done("build", SYSTEM).stderr)
        assert done == {"zlib": "built", "dropbear": "reused", "demo": "reused"}
        assert demo.done("deploy", CLUSTER).stdout.count("unchanged") == 2
    finally:
        chunk.write_text(before)
        shutil.rmtree(patch.parent)


CCACHED = {
    "systems/ccached.morph": "name: ccached\nkind: system\narch: x86_64\nstrata:\n- morph: strata/ccached.morph\n",
    "strata/ccached.morph": """\
name: ccached
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: ccache
  build-system: import
  sources: [{kind: debian, suite: bookworm, packages: [ccache]}]
- name: ccache-links
  build-system: manual
  sources: [{kind: local, path: toolchain-links}]
  install-commands:
  - mkdir -p "$DESTDIR/usr/lib/ccache" && ln -s ../../bin/ccache "$DESTDIR/usr/lib/ccache/gcc"
- name: zlib-cached
  morph: chunks/zlib-cached.morph
  build-depends: [ccache, ccache-links]
""",
}


def test_debians_ccache_finds_what_was_compiled_before(demo: Program) -> None:
    lock = demo.definitions / "lithify.lock"
    before = lock.read_text()
    zlib = (demo.definitions / "chunks/zlib.morph").read_text().replace("name: zlib\n", "name: zlib-cached\n")
    cached = zlib.replace("build-system: manual\n", "build-system: manual\ncompiler-cache: yes\n")
    write_files(demo.definitions, {**CCACHED, "chunks/zlib-cached.morph": cached})

    def compilations(*more: str) -> tuple[int, int]:
        said = demo.done("build", "ccached", "zlib-cached", *more).stderr
        found = re.search(r"compiler cache: (\d+) of (\d+) compilations found", said)
        assert found is not None, said
        return int(found[1]), int(found[2])

    try:
        demo.done("lock")
        hits, all_of_them = compilations()
        assert hits < all_of_them / 2
        # other flags of the strip program: all is built again, and nothing compiled again
        write_files(
            demo.definitions,
            {"chunks/zlib-cached.morph": cached.replace("--strip-unneeded", "--strip-debug")},
        )
        hits, all_of_them = compilations()
        assert hits > 20
        assert hits > all_of_them * 0.9
    finally:
        lock.write_text(before)
        for name in (*CCACHED, "chunks/zlib-cached.morph"):
            (demo.definitions / name).unlink()


def test_a_package_that_left_the_mirror_is_an_error_that_names_the_command() -> None:
    with folder_of(None) as folder:
        program = demo_in(folder, None)
        lock = program.definitions / "lithify.lock"
        lock.write_text(
            re.sub(r"libc-bin(_| )\S+?(_amd64| amd64)", r"libc-bin\g<1>2.36-9+deb12u1\2", lock.read_text())
        )
        log = folder / "log"
        said = program.run("--log", str(log), "build", SYSTEM, "ldconfig")
        assert said.status == 1
        assert "libc-bin" in said.stderr
        assert "`lithify lock --update ldconfig`" in said.stderr
        assert "`lithify lock --update" in log.read_text()  # script/demo looks for it there
