"""A folder of the definitions as a source."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.definitions.model import LocalSource
from lithify.errors import PinMismatch, SourceError, UnsafeContent
from lithify.sources.compose import compose, known_tree_digest
from lithify.sources.folder_digests import shares
from lithify.sources.local import LocalKind, pin_folders
from lithify.sources.tree import plain_digest, seal
from tests.sources.conftest import Place, fails, needs_root

KIND = LocalKind()


def folder(root: Path) -> Path:
    path = root / "conf"
    (path / "etc").mkdir(parents=True)
    (path / "etc/rc").write_text("#!/bin/sh\n")
    (path / "etc/rc").chmod(0o700)
    (path / "etc/motd").write_text("hello\n")
    (path / "link").symlink_to("/etc/motd")
    return path


def test_it_is_copied_as_a_plain_tree(place: Place, tmp_path: Path) -> None:
    folder(place.root)
    (place.root / "conf/.git").mkdir()
    (place.root / "conf/.git/config").write_text("no")
    source = LocalSource(path="conf")
    context = place()
    pins = {source: KIND.pin(source, context)}
    into = tmp_path / "into"
    into.mkdir()
    digest = compose([source], pins, into, context)
    assert digest == known_tree_digest([source], pins, context)
    assert (into / "etc/rc").stat().st_mode & 0o7777 == 0o755
    assert (into / "etc/motd").read_text() == "hello\n"
    assert os.readlink(into / "link") == "/etc/motd"
    assert not (into / ".git").exists()
    assert (into / "etc/motd").stat().st_mtime == 683074800


def test_permissions_beyond_the_exec_bit_do_not_count(place: Place) -> None:
    path = folder(place.root)
    source = LocalSource(path="conf")
    before = KIND.pin(source, place())
    (path / "etc/motd").chmod(0o600)
    assert KIND.pin(source, place()) == before
    (path / "etc/motd").chmod(0o755)
    assert KIND.pin(source, place()) != before


def test_an_edit_is_seen_at_once_and_an_old_tree_is_read_once(place: Place) -> None:
    path = folder(place.root)
    source = LocalSource(path="conf")
    context = place()
    before = KIND.pin(source, context)
    (path / "etc/motd").write_text("HELLO\n")
    assert KIND.pin(source, context) != before


def test_a_change_during_the_build_is_noticed(place: Place, tmp_path: Path) -> None:
    path = folder(place.root)
    source = LocalSource(path="conf")
    context = place()
    pin = KIND.pin(source, context)
    (path / "etc/motd").write_text("changed\n")
    (tmp_path / "into").mkdir()
    with fails(PinMismatch, "conf was changed"):
        KIND.unpack(source, pin, tmp_path / "into", context)


@needs_root
def test_what_was_read_is_not_read_again_from_the_copy(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(place.root)
    monkeypatch.setattr(
        "lithify.sources.folder_digests.SETTLED_NS", -(10**12)
    )  # as if nobody had touched it for long
    source = LocalSource(path="conf")
    context = place()
    pin = KIND.pin(source, context)
    into = tmp_path / "into"
    into.mkdir()
    read: list[bytes | Path] = []
    with monkeypatch.context() as patched:
        patched.setattr("lithify.sources.plain_tree.file_digest", read.append)
        tree = compose([source], {source: pin}, into, context)
    assert read == []
    assert tree == pin.digest_data["tree"] == seal(into, time=1)
    (path / "etc/motd").write_text("changed\n")
    (tmp_path / "again").mkdir()
    with fails(PinMismatch, "conf was changed"):
        KIND.unpack(source, pin, tmp_path / "again", context)


@needs_root
def test_below_a_folder_it_is_read_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of the part is not that of the whole."""
    folder(place.root)
    monkeypatch.setattr("lithify.sources.folder_digests.SETTLED_NS", -(10**12))
    source = LocalSource(path="conf", into="below")
    context = place()
    pins = {source: KIND.pin(source, context)}
    into = tmp_path / "into"
    into.mkdir()
    assert compose([source], pins, into, context) == seal(into, time=1) != pins[source].digest_data["tree"]


def test_a_single_file(place: Place, tmp_path: Path) -> None:
    (place.root / "one.conf").write_text("x")
    (place.root / "two.conf").write_text("y")
    source = LocalSource(path="one.conf")
    context = place()
    into = tmp_path / "into"
    into.mkdir()
    KIND.unpack(source, KIND.pin(source, context), into, context)
    assert [item.name for item in into.iterdir()] == ["one.conf"]


def test_it_stays_in_the_definitions(place: Place, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (place.root / "link").symlink_to(tmp_path / "outside")
    (place.root / "inner").mkdir()
    (place.root / "inner/link").symlink_to("../../outside")
    (place.root / "loop").symlink_to("loop")
    context = place()
    for path in ("link", "inner/link"):
        with fails(SourceError, "leaves the definitions by a link", path):
            KIND.pin(LocalSource(path=path), context)
    for path in ("../outside", "/etc", "a/../../outside"):
        source = LocalSource(path=path)
        with fails(SourceError, "leaves the definitions"):
            KIND.pin(source, context)
    with fails(SourceError, "there is no file or folder nowhere"):
        KIND.pin(LocalSource(path="nowhere"), context)
    with fails(SourceError, "loop cannot be read"):
        KIND.pin(LocalSource(path="loop"), context)


def test_a_link_within_the_definitions_is_followed(place: Place) -> None:
    folder(place.root)
    (place.root / "alias").symlink_to("conf")
    context = place()
    assert KIND.pin(LocalSource(path="alias"), context) == KIND.pin(LocalSource(path="conf"), context)


def test_special_files_are_refused(place: Place) -> None:
    folder(place.root)
    os.mkfifo(place.root / "conf/pipe")
    with fails(UnsafeContent, "conf", "'pipe' is neither"):
        KIND.pin(LocalSource(path="conf"), place())


def test_a_copy_that_finds_no_room_says_where(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(place.root)
    source = LocalSource(path="conf")
    pin = KIND.pin(source, place())
    (tmp_path / "into").mkdir()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(OSError, match=r"No space left on device: .*/into/etc/"):
        KIND.unpack(source, pin, tmp_path / "into", place())


def test_many_folders_are_read_in_several_processes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the digest that it has alone; what cannot be read is told by who reads it alone."""
    monkeypatch.setattr("lithify.sources.folder_digests.WORTH", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3))
    for number in range(7):
        (place.root / f"f{number}/a").mkdir(parents=True)
        (place.root / f"f{number}/a/new\nline").write_text("x" * number)
    os.mkfifo(place.root / "f6/pipe")
    sources = [LocalSource(path=f"f{number}") for number in range(8)]
    found = pin_folders(sources, place())
    assert list(found) == sources[:6]
    assert [pin.digest_data["tree"] for pin in found.values()] == [
        plain_digest(place.root / f"f{number}") for number in range(6)
    ]
    with fails(UnsafeContent, "the local source f6: 'pipe' is neither"):
        KIND.pin(sources[6], place())


@given(st.lists(st.integers(0, 1000), max_size=30), st.integers(1, 4))
def test_folders_are_dealt_evenly(weights: list[int], count: int) -> None:
    folders = {Path(str(number)): weight for number, weight in enumerate(weights)}
    parts = shares(folders, count)
    assert sorted(folder for part in parts for folder in part) == sorted(folders)
    totals = [sum(folders[folder] for folder in part) for part in parts]
    assert max(totals) - min(totals) <= max(weights, default=0)
