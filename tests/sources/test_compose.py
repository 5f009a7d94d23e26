"""Sources laid over one another, and the fact that their tree's digest is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lithify.definitions.model import ArchiveSource, DebianBinaries, LocalSource, PatchSource, Source
from lithify.errors import HostError, MergeConflict, SourceError
from lithify.graph.pins import Pin
from lithify.sources.archive import archive_pin
from lithify.sources.compose import compose, known_tree_digest
from lithify.sources.debian import debian_pin
from lithify.sources.kinds import KINDS, SourceContext
from tests.sources.archives import file, folder, link, package
from tests.sources.conftest import Place, fails, needs_root


def pins_of(sources: list[Source], context: SourceContext) -> dict[Source, Pin]:
    return {source: KINDS[source.kind].pin(source, context) for source in sources}


def local(root: Path, name: str, into: str = "", **files: str) -> LocalSource:
    for path, content in files.items():
        target = root / name / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return LocalSource(path=name, into=into)


def made(sources: list[Source], context: SourceContext, into: Path, **options: bool) -> str:
    into.mkdir()
    return compose(sources, pins_of(sources, context), into, context, **options)


def test_order_and_into(place: Place, tmp_path: Path) -> None:
    sources: list[Source] = [
        local(place.root, "one", a="1", both="1", deep__x="1"),
        local(place.root, "two", both="2", deep__y="2"),
        local(place.root, "three", into="deep/er/est", z="3"),
    ]
    context = place()
    digest = made(sources, context, tmp_path / "into")
    found = {
        str(path.relative_to(tmp_path / "into")) for path in (tmp_path / "into").rglob("*") if path.is_file()
    }
    assert found == {"a", "both", "deep/x", "deep/y", "deep/er/est/z"}
    assert (tmp_path / "into/both").read_text() == "2"
    assert made(sources[::-1], context, tmp_path / "other") != digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "definitions", "into", "other"]


def test_a_patch_changes_what_is_there(place: Place, tmp_path: Path) -> None:
    (place.root / "x.patch").write_text("--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n")
    sources: list[Source] = [
        local(place.root, "one", into="sub", a="1\n"),
        PatchSource(path="x.patch", into="sub"),
    ]
    made(sources, place(), tmp_path / "into")
    assert (tmp_path / "into/sub/a").read_text() == "2\n"


def test_into_stays_in_the_build_folder(place: Place, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    first = local(place.root, "one", a="1")
    (place.root / "one/link").symlink_to(tmp_path / "outside")
    for into in ("../outside", "/outside"):
        second = LocalSource(kind="local", path="one", into=into)
        with fails(SourceError, "leaves the build folder"):
            made([second], place(), tmp_path / f"into-{len(into)}")
    second = LocalSource(path="one", into="link")
    made([first, second], place(), tmp_path / "into")
    assert not any((tmp_path / "outside").iterdir())
    assert (tmp_path / "into" / str(tmp_path)[1:] / "outside/a").exists()


def test_a_folder_against_a_file(place: Place, tmp_path: Path) -> None:
    sources: list[Source] = [local(place.root, "one", a="1"), local(place.root, "two", a__b="2")]
    with fails(MergeConflict, "two has 'a' as a folder", "into"):
        made(sources, place(), tmp_path / "into")
    with fails(SourceError, "into: a is a file of an earlier source"):
        made([sources[0], local(place.root, "two", into="a")], place(), tmp_path / "other")


def test_the_digest_is_a_fact_of_pins_and_layout(place: Place, tmp_path: Path) -> None:
    context = place()
    sources: list[Source] = [local(place.root, "one", a="1")]
    pins = pins_of(sources, context)
    assert known_tree_digest(sources, pins, context) is None
    digest = made(sources, context, tmp_path / "into")
    assert known_tree_digest(sources, pins, context) == digest
    moved: list[Source] = [LocalSource(path="one", into="sub")]
    assert known_tree_digest(moved, pins_of(moved, context), context) is None
    assert known_tree_digest(sources, pins, context, keep_git=True) is None
    one, two = ArchiveSource(url="https://h/a", strip=1), ArchiveSource(url="https://h/a", strip=2)
    pin = archive_pin("0" * 64, 1)
    context.facts.put("source-tree", "x", "y")
    assert known_tree_digest([one], {one: pin}, context) is None
    assert known_tree_digest([two], {two: pin}, context) is None


def test_no_sources(place: Place, tmp_path: Path) -> None:
    context = place()
    digest = made([], context, tmp_path / "into")
    assert known_tree_digest([], {}, context) == digest and len(digest) == 64


def test_without_a_sandbox(place: Place, tmp_path: Path) -> None:
    context = place(confined=None)
    kept = context.cache.sources / "archives" / hashlib.sha256(b"x").hexdigest()
    kept.parent.mkdir()
    kept.write_bytes(b"x")
    source = ArchiveSource(url="https://h/a")
    (tmp_path / "into").mkdir()
    with fails(HostError, "unpacked only by a run that has entered its namespace"):
        compose([source], {source: archive_pin(kept.name, 1)}, tmp_path / "into", context)


@needs_root
def test_a_local_folder_over_packages(place: Place, tmp_path: Path) -> None:
    content = package(folder("./"), file("./bin/sh", mode=0o4755, uid=5), link("./var/run", "/run"))
    context = place()
    sha256 = hashlib.sha256(content).hexdigest()
    (context.cache.sources / "debian").mkdir()
    (context.cache.sources / "debian" / sha256).write_bytes(content)
    packages = DebianBinaries(packages=("sh",), suite="rock")
    pin = debian_pin([("sh", "1", "amd64", sha256, len(content), "pool/main/s/sh.deb")])
    files = local(place.root, "etc", bin__own="1", var__run__pid="2")
    sources: list[Source] = [packages, files]
    pins = {packages: pin, **pins_of([files], context)}
    digests = []
    for name in ("one", "two"):
        into = tmp_path / name
        into.mkdir()
        digests.append(compose(sources, pins, into, context))
    assert digests[0] == digests[1]
    assert os.readlink(into / "bin") == "usr/bin"
    assert (into / "usr/bin/own").exists() and (into / "run/pid").exists()
    status = (into / "usr/bin/sh").stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o4755, 5), "the packages' owners stay"
    assert (into / "usr/bin/own").stat().st_uid == 0
