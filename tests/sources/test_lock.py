"""The lock file, locking, and which pin a source has in a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.definitions.model import (
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PypiSource,
    Source,
)
from lithify.errors import DefinitionErrors, FetchError, SeveralFailed, SourceError, Unpinned
from lithify.events import Warned
from lithify.graph.pins import Pin, git_pin, source_identity
from lithify.sources.archive import archive_pin
from lithify.sources.debian import debian_pin
from lithify.sources.debian_source import debian_source_pin
from lithify.sources.lock import Lock, format_lock, parse_lock, read_lock, write_lock
from lithify.sources.lock_words import join_words, split_words
from lithify.sources.locking import lock_sources
from lithify.sources.pins import refuse_unpinned, resolve_pins
from tests.sources.conftest import Place, Repository, Server, fails

SHA = "0123456789abcdef" * 4
PINS: dict[Source, Pin] = {
    ArchiveSource(url="https://host/a b.tar"): archive_pin(SHA, 12),
    DebianBinaries(packages=("gcc", "make"), suite="rock", exclude=("dpkg",)): debian_pin(
        [
            ("gcc", "4:12.2", "amd64", SHA, 1, "pool/main/g/gcc.deb"),
            ("libstdc++6", "12~1", "amd64", SHA, 2, "pool/main/g/libstdc%2b%2b6.deb"),
        ]
    ),
    DebianSourcePackage(package="zlib", suite="rock"): debian_source_pin(
        "1.2-1", [("zlib_1.2-1.dsc", SHA, 3, "pool/main/z/zlib_1.2-1.dsc")]
    ),
    GitSource(url="upstream:x", track="v*"): git_pin(
        "1" * 40, fetch={"tree": "2" * 40, "submodules": [["deep/a b", "3" * 40, "4" * 40]]}
    ),
}
LOCK = Lock(pins={source_identity(source): pin for source, pin in PINS.items()})
TEXT = f"""\
# Written by `lithify lock`; what every source is pinned to. Lock format 1.

archive url="https://host/a b.tar"
  sha256 {SHA}
  size 12

debian exclude=dpkg packages=gcc,make suite=rock
  package gcc 4:12.2 amd64 {SHA} 1 pool/main/g/gcc.deb
  package libstdc++6 12~1 amd64 {SHA} 2 pool/main/g/libstdc%2b%2b6.deb

debian-source package=zlib suite=rock
  version 1.2-1
  file zlib_1.2-1.dsc {SHA} 3 pool/main/z/zlib_1.2-1.dsc

git track="v*" url=upstream:x
  commit {"1" * 40}
  tree {"2" * 40}
  submodule "deep/a b" {"3" * 40} {"4" * 40}
"""


def test_the_text() -> None:
    assert format_lock(LOCK) == TEXT
    assert parse_lock(TEXT.encode(), "lithify.lock") == LOCK
    assert all(LOCK.get(source) == pin for source, pin in PINS.items())


def test_write_and_read(tmp_path: Path) -> None:
    path = tmp_path / "lithify.lock"
    assert read_lock(path) == Lock()
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK
    before = path.stat().st_mtime_ns
    write_lock(path, LOCK)
    assert path.stat().st_mtime_ns == before and len(list(tmp_path.iterdir())) == 1
    with fails(SourceError, "cannot be written"):
        write_lock(tmp_path / "nowhere/lithify.lock", LOCK)
    with fails(SourceError, "cannot be read"):
        read_lock(tmp_path)


def test_blocks_of_two_branches_merge() -> None:
    """Each block stands by itself, in an order that no branch decides."""
    one = Lock(pins=dict(list(LOCK.pins.items())[:2]))
    assert all(block in format_lock(LOCK) for block in format_lock(one).split("\n\n")[1:])


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("  sha256 x\n", 1, "belongs to no source"),
        ("archive url=x\n  sha256 abc\n  size 1\n", 1, "an archive has"),
        ("archive url=x\n  sha256\n", 1, "an archive has"),
        ("#\n\nwater url=x\n  a b\n", 3, "unknown kind of source water"),
        ("local path=x\n  tree y\n", 1, "is not locked"),
        ("git url=x\n  commit 123\n", 1, "a git source has"),
        ('git url=x\n  submodule "open\n', 2, "a quote that does not end"),
        ("a\n<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n", 2, "a merge conflict"),
        (
            f"archive url=x\n  sha256 {SHA}\n  size 1\narchive url=x\n  sha256 {SHA}\n  size 1\n",
            4,
            "pinned already",
        ),
        ("debian packages=x suite=y\n", 1, "at least one package"),
        ("\xff", 1, "not UTF-8"),
    ],
)
def test_faults_have_places(text: str, line: int, said: str) -> None:
    with pytest.raises(DefinitionErrors) as caught:
        parse_lock(text.encode("latin-1"), "lithify.lock")
    fault = next(fault for fault in caught.value.faults if said in fault.message)
    assert (fault.place.file, fault.place.line) == ("lithify.lock", line)


def test_all_faults_are_told() -> None:
    with pytest.raises(DefinitionErrors) as caught:
        parse_lock(b"water a=b\nfire a=b\n", "lithify.lock")
    assert [fault.place.line for fault in caught.value.faults] == [1, 2]


@given(st.binary(max_size=300))
def test_any_bytes_give_a_lock_or_faults(content: bytes) -> None:
    try:
        parse_lock(content, "lithify.lock")
    except DefinitionErrors as errors:
        assert errors.faults


@given(st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=4))
def test_words(words: list[str]) -> None:
    line = join_words(*words)
    assert split_words(line) == words
    assert "\n" not in line


# Locking.


@pytest.fixture
def archive(server: Server) -> ArchiveSource:
    return ArchiveSource(url=server.put("a.tar", b"one"))


def test_locking_pins_what_is_not_pinned(
    archive: ArchiveSource, repository: Callable[..., Repository], place: Place, server: Server
) -> None:
    project = repository()
    commit = project.commit(a="1")
    git = GitSource(url=str(project.path), track="main")
    local = LocalSource(path="nothing-of-the-kind")
    pinned = GitSource(url="https://nowhere.invalid/x", ref="1" * 40)
    declared: list[tuple[str, Source]] = [
        ("x", archive),
        ("y", git),
        ("z", local),
        ("z", pinned),
        ("w", archive),
    ]
    context = place()
    lock, changes = lock_sources(declared, Lock(), context)
    assert set(lock.pins) == {source_identity(archive), source_identity(git)}
    assert [change.chunks for change in changes] == [("x", "w"), ("y",)]
    assert changes[1].parts() == (("commit", "", commit),)
    again, changes = lock_sources(declared, lock, context)
    assert again == lock and not changes and server.asked == ["/a.tar"]


def test_locking_moves_the_pins_of_named_chunks(archive: ArchiveSource, place: Place, server: Server) -> None:
    other = ArchiveSource(url=server.put("b.tar", b"b"))
    declared: list[tuple[str, Source]] = [("x", archive), ("y", other)]
    context = place()
    lock, _ = lock_sources(declared, Lock(), context)
    server.put("a.tar", b"two")
    server.put("b.tar", b"b2")
    moved, changes = lock_sources(declared, lock, context, update=["x"])
    (change,) = changes
    assert change.identity == source_identity(archive) and change.before == lock.get(archive)
    ((name, old, new),) = change.parts()
    assert name == "sha256" and old != new
    assert moved.get(other) == lock.get(other)


def test_what_nobody_declares_goes_only_if_asked(archive: ArchiveSource, place: Place) -> None:
    context = place()
    lock, changes = lock_sources([("x", archive)], LOCK, context)
    assert len(lock.pins) == 5 and len(changes) == 1
    lock, changes = lock_sources([("x", archive)], LOCK, context, drop_others=True)
    assert list(lock.pins) == [source_identity(archive)]
    assert sum(change.after is None for change in changes) == 4


def test_what_cannot_be_pinned(place: Place) -> None:
    gone = ArchiveSource(url="http://127.0.0.1:9/a")
    with fails(FetchError, "x: cannot fetch http://127.0.0.1:9/a"):
        lock_sources([("x", gone)], Lock(), place())
    pypi = PypiSource(project="p", version="1")
    with fails(SourceError, "sources of the kind pypi cannot be had yet (p 1)", "archive"):
        lock_sources([("x", pypi)], Lock(), place())
    with pytest.raises(SeveralFailed) as caught:
        lock_sources([("x", gone), ("y", pypi)], Lock(), place())
    assert [failure.message[:3] for failure in caught.value.failures] == ["x: ", "y: "]


# Pins of a run.


def test_format_nine_asks_nobody(repository: Callable[..., Repository], place: Place) -> None:
    project = repository()
    project.commit(a="1")
    (place.root / "files").mkdir()
    branch = GitSource(url=str(project.path), ref="main")
    commit = GitSource(url=str(project.path), ref="1" * 40)
    local = LocalSource(path="files")
    locked = next(iter(PINS))
    declared: dict[Source, str] = {branch: "b", commit: "c", local: "l", locked: "k"}
    pins = resolve_pins(declared, LOCK, place(), 9)
    assert set(pins) == {commit, local, locked}
    assert pins[commit] == git_pin("1" * 40) and pins[locked] == PINS[locked]
    refuse_unpinned({commit: "c"}, pins)
    with fails(Unpinned, "b: not pinned: git ref=main", "`lithify lock`"):
        refuse_unpinned(declared, pins)


def test_before_it_branches_are_looked_up(repository: Callable[..., Repository], place: Place) -> None:
    one, two = repository("one"), repository("two")
    commits = [one.commit(a="1"), two.commit(b="2")]
    declared: dict[Source, str] = {GitSource(url=str(r.path), ref="main"): r.path.name for r in (one, two)}
    pins = resolve_pins(declared, Lock(), place(), 8)
    assert [pin.digest_data["commit"] for pin in pins.values()] == commits
    assert [event.text.split(":")[0] for event in place.told(Warned)] == ["one", "two"]
    missing = GitSource(url=str(one.path), ref="nothing")
    with fails(SourceError, "has no branch, tag or commit nothing"):
        resolve_pins({missing: "m"}, Lock(), place(), 8)


def test_a_local_source_that_is_missing(place: Place) -> None:
    with fails(SourceError, "chunk: there is no file or folder nowhere"):
        resolve_pins({LocalSource(path="nowhere"): "chunk"}, Lock(), place(), 9)
