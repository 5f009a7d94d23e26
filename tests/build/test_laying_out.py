"""An import whose files are made as objects: the same tree as where it is laid out, captured and read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lithify.build.laying_out import LaidOut, capture
from lithify.definitions.model import LocalSource
from lithify.sources.compose import compose, known_tree_digest
from lithify.sources.context import SourceContext
from lithify.sources.local import LocalKind
from lithify.sources.spooling import Spool, spool_source
from lithify.staging.capture import capture_destdir
from lithify.store.folders import freeze
from lithify.store.ingest import PLAIN_HEADER, PROGRAM_HEADER, plain_ingest, read_folder
from tests.sources.conftest import Place, needs_root, place

__all__ = ["place"]

SOURCE = LocalSource(path="conf")
HEADERS = (PLAIN_HEADER, PROGRAM_HEADER)
INLINE, IN_A_PROCESS = 10**9, 0


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had touched the definitions for long."""
    monkeypatch.setattr("lithify.sources.folder_digests.SETTLED_NS", -(10**12))


def folder(context: SourceContext, made: Callable[[Path], None]) -> Path:
    path = context.definitions_root / "conf"
    (path / "etc/empty").mkdir(parents=True)
    made(path)
    return path


def spooled(context: SourceContext, into: Path, *sources: LocalSource) -> Spool | None:
    wanted = sources or (SOURCE,)
    pins = {source: LocalKind().pin(source, context) for source in wanted}
    into.mkdir()
    return spool_source(wanted, pins, into, context, HEADERS)


def ordinary(path: Path) -> None:
    (path / "etc/rc").write_text("#!/bin/sh\n")
    (path / "etc/rc").chmod(0o700)
    (path / "etc/motd").write_bytes(b"hello\n" * 100_000)
    (path / "etc/also").write_bytes(b"hello\n" * 100_000)
    (path / "etc/nothing").touch()
    (path / "etc/ünïcode").write_text("x")
    (path / "link").symlink_to("/etc/motd")
    os.link(path / "etc/nothing", path / "etc/linked")
    (path / ".git").mkdir()
    (path / ".git/config").write_text("no part of it")


@needs_root
@pytest.mark.parametrize("worth", [INLINE, IN_A_PROCESS])
def test_it_is_what_a_tree_of_it_would_be(
    worth: int, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lithify.sources.spooling.WORTH_A_PROCESS", worth)
    context = place()
    folder(context, ordinary)
    found = spooled(context, tmp_path / "spool")
    assert found is not None
    (tmp_path / "tree").mkdir(mode=0o755)
    pins = {SOURCE: LocalKind().pin(SOURCE, context)}
    assert compose([SOURCE], pins, tmp_path / "tree", context) == found.digest
    whole = LaidOut(build=tmp_path, destdir=tmp_path / "tree", digest="")
    alone = LaidOut(build=tmp_path, destdir=tmp_path, digest="", spool=found)
    assert capture(alone) == capture(whole)
    by_hand, at_once = read_folder(str(tmp_path / "tree")), plain_ingest(found.rows, str(found.folder))
    assert freeze(at_once.root) == freeze(by_hand.root)
    assert at_once.dirmetas == by_hand.dirmetas
    assert at_once.files.keys() == by_hand.files.keys()
    for checksum, lies in at_once.files.items():
        one, other = (os.lstat(place) for place in (lies, by_hand.files[checksum]))
        assert (one.st_mode, one.st_uid, one.st_size) == (other.st_mode, other.st_uid, other.st_size)
        assert os.path.islink(lies) or one.st_mtime_ns == 0


@needs_root
def test_its_digest_is_known_from_then_on(place: Place, tmp_path: Path) -> None:
    context = place()
    folder(context, ordinary)
    found = spooled(context, tmp_path / "spool")
    assert found is not None
    pins = {SOURCE: LocalKind().pin(SOURCE, context)}
    assert known_tree_digest([SOURCE], pins, context) == found.digest


def fifo(path: Path) -> None:
    os.mkfifo(path / "fifo")


def no_text(path: Path) -> None:
    (path / os.fsdecode(b"caf\xe9")).touch()


def leads_nowhere(path: Path) -> None:
    (path / "link").symlink_to(os.fsdecode(b"caf\xe9"))


def deep(path: Path) -> None:
    path.joinpath(*["d"] * 300).mkdir(parents=True)


@pytest.mark.parametrize("made", [no_text, leads_nowhere, deep])
@pytest.mark.parametrize("worth", [INLINE, IN_A_PROCESS])
def test_what_is_unusual_goes_the_ordinary_way(
    made: Callable[[Path], None], worth: int, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lithify.sources.spooling.WORTH_A_PROCESS", worth)
    context = place()
    folder(context, made)
    assert spooled(context, tmp_path / "spool") is None


def test_what_changed_since_it_was_pinned_goes_the_ordinary_way(place: Place, tmp_path: Path) -> None:
    context = place()
    path = folder(context, ordinary)
    pins = {SOURCE: LocalKind().pin(SOURCE, context)}
    (path / "etc/motd").write_text("changed\n")
    (tmp_path / "spool").mkdir()
    assert spool_source([SOURCE], pins, tmp_path / "spool", context, HEADERS) is None
    fifo(path)
    (tmp_path / "again").mkdir()
    assert spool_source([SOURCE], pins, tmp_path / "again", context, HEADERS) is None


def test_several_sources_or_another_place_go_the_ordinary_way(place: Place, tmp_path: Path) -> None:
    context = place()
    folder(context, ordinary)
    (place.root / "more").mkdir()
    (place.root / "file").touch()
    assert spooled(context, tmp_path / "1", SOURCE, LocalSource(path="more")) is None
    assert spooled(context, tmp_path / "2", LocalSource(path="conf", into="below")) is None
    assert spooled(context, tmp_path / "3", LocalSource(path="file")) is None


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..", ".git")
)


@needs_root
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.tuples(st.binary(max_size=40), st.booleans()), max_size=8))
def test_any_names_and_contents(
    files: dict[str, tuple[bytes, bool]], place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = place()
    own = tmp_path_factory.mktemp("own")
    source = own / "conf"
    source.mkdir()
    for name, (content, runs) in files.items():
        (source / name).write_bytes(content)
        (source / name).chmod(0o755 if runs else 0o644)
    pins = {SOURCE: LocalKind().pin(SOURCE, context_at(context, own))}
    (own / "spool").mkdir()
    found = spool_source([SOURCE], pins, own / "spool", context_at(context, own), HEADERS)
    assert found is not None
    source.chmod(0o755)
    capture_destdir(source)
    by_hand = read_folder(str(source))
    assert freeze(plain_ingest(found.rows, "").root) == freeze(by_hand.root)


def context_at(context: SourceContext, root: Path) -> SourceContext:
    return replace(context, definitions_root=root)


@pytest.mark.parametrize("size", [10, 300_000])
def test_equal_content_is_copied_once(size: int, place: Place, tmp_path: Path) -> None:
    context = place()
    path = folder(context, lambda _: None)
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (path / name).write_bytes(content * size)
        (path / f"{name}-link").symlink_to("x" if content == b"x" else "y")
    found = spooled(context, tmp_path / "spool")
    assert found is not None
    assert len(os.listdir(found.folder)) == 4
    files = plain_ingest(found.rows, str(found.folder)).files
    assert set(files.values()) == {f"{found.folder}/{name}" for name in range(4)}
