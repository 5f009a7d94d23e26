"""The objects' bytes: what libostree writes is what we read, and the other way round."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lithify.store.gobject import GLib
from lithify.store.gvariant import (
    CommitObject,
    Dirmeta,
    Dirtree,
    Tree,
    decode_commit,
    decode_dirmeta,
    decode_dirtree,
    encode_commit,
    encode_dirmeta,
    encode_dirtree,
    encode_xattrs,
)

names = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1, max_size=255
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)
checksums = st.binary(min_size=32, max_size=32).map(bytes.hex)


@st.composite
def dirtrees(draw: st.DrawFn, most: int = 40) -> Dirtree:
    all_names = sorted(draw(st.sets(names, max_size=most)))
    files, dirs = [], []
    for name in all_names:
        if draw(st.booleans()):
            files.append((name, draw(checksums)))
        else:
            dirs.append((name, draw(checksums), draw(checksums)))
    return Dirtree(tuple(files), tuple(dirs))


def glib_bytes(signature: str, value: Any) -> bytes:
    return bytes(GLib.Variant(signature, value).get_data_as_bytes().get_data())


def glib_dirtree(folder: Dirtree) -> bytes:
    files = [(name, bytes.fromhex(checksum)) for name, checksum in folder.files]
    dirs = [(name, bytes.fromhex(tree), bytes.fromhex(meta)) for name, tree, meta in folder.dirs]
    return glib_bytes("(a(say)a(sayay))", (files, dirs))


@given(dirtrees())
@example(Dirtree())
@example(Dirtree(files=(("n" * 255, "00" * 32),)))
@example(Dirtree(dirs=(("n" * 255, "00" * 32, "11" * 32),)))
@example(Dirtree(files=tuple((f"{n:05}", "ab" * 32) for n in range(3000))))
@settings(deadline=None)
def test_a_folder_has_the_bytes_that_glib_gives_it(folder: Dirtree) -> None:
    data = encode_dirtree(folder)
    assert data == glib_dirtree(folder)
    assert decode_dirtree(data) == folder


def test_a_folder_of_many_names_is_read_back() -> None:
    """Offsets of four bytes begin at 64 KiB."""
    folder = Dirtree(
        files=tuple((f"{n:06}", hashlib.sha256(str(n).encode()).hexdigest()) for n in range(20_000))
    )
    assert decode_dirtree(encode_dirtree(folder)) == folder


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 0o7777),
    st.dictionaries(
        st.binary(min_size=1).filter(lambda name: 0 not in name), st.binary(max_size=300), max_size=4
    ),
)
def test_a_folders_metadata_has_the_bytes_that_glib_gives_it(
    uid: int, gid: int, mode: int, xattrs: dict[bytes, bytes]
) -> None:
    meta = Dirmeta(uid=uid, gid=gid, mode=0o40000 | mode, xattrs=tuple(sorted(xattrs.items())))
    data = encode_dirmeta(meta)
    assert decode_dirmeta(data) == meta
    assert data[12:] == glib_bytes("a(ayay)", [(name + b"\0", value) for name, value in meta.xattrs])
    assert encode_xattrs(meta.xattrs) == data[12:]


@given(st.binary(max_size=400))
@example(b"\0\1")
@example(b"\0\0")
@example(b"\0\0\0")
@example(b"")
def test_arbitrary_bytes_are_a_fault_and_nothing_else(data: bytes) -> None:
    for decode in (decode_dirtree, decode_dirmeta, decode_commit):
        try:
            decode(data)
        except ValueError:
            pass


@given(dirtrees(most=6), st.data())
def test_a_changed_byte_never_gives_a_name_that_leads_out(folder: Dirtree, data: st.DataObject) -> None:
    encoded = bytearray(encode_dirtree(folder))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    try:
        found = decode_dirtree(bytes(encoded))
    except ValueError:
        return
    assert not any("/" in name or name in ("", ".", "..") for name, *_ in (*found.files, *found.dirs))


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "a\0b"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    for folder in (Dirtree(files=((name, "00" * 32),)), Dirtree(dirs=((name, "00" * 32, "00" * 32),))):
        with pytest.raises(ValueError, match=r"name|text"):
            decode_dirtree(encode_dirtree(folder))


@pytest.mark.parametrize(
    "folder",
    [
        Dirtree(files=(("a", "00" * 32), ("a", "11" * 32))),
        Dirtree(files=(("a", "00" * 32),), dirs=(("a", "00" * 32, "00" * 32),)),
    ],
)
def test_a_name_that_stands_twice_is_refused(folder: Dirtree) -> None:
    with pytest.raises(ValueError, match=r"sorted|twice"):
        decode_dirtree(encode_dirtree(folder))


def test_names_out_of_order_are_refused() -> None:
    data = glib_bytes("(a(say)a(sayay))", ([("b", bytes(32)), ("a", bytes(32))], []))
    with pytest.raises(ValueError, match="not sorted"):
        decode_dirtree(data)


@settings(max_examples=30, deadline=None)
@given(
    text=st.text(st.characters(blacklist_categories=["Cs"]), max_size=300),
    subject=st.text("ab ä", max_size=9),
)
def test_a_commit_is_read_as_glib_writes_it(text: str, subject: str) -> None:
    text = text.replace("\0", "")
    data = glib_bytes(
        "(a{sv}aya(say)sstayay)",
        (
            {
                "lithify": GLib.Variant("s", text),
                "number": GLib.Variant("t", 5),
                "ostree.ref-binding": GLib.Variant("as", ["d/1", "b/2"]),
                "z": GLib.Variant("ay", b"xyz"),
            },
            b"",
            [],
            subject,
            "body",
            int.from_bytes((1234567890).to_bytes(8, "big"), "little"),
            b"\1" * 32,
            b"\2" * 32,
        ),
    )
    commit = decode_commit(data)
    assert commit.metadata == {"lithify": text, "ostree.ref-binding": ("d/1", "b/2")}
    assert (commit.subject, commit.timestamp) == (subject, 1234567890)
    assert (commit.tree.dirtree, commit.tree.dirmeta) == ("01" * 32, "02" * 32)


def test_loading_libostree_and_opening_a_store_starts_no_thread(tmp_path: Path) -> None:
    """A namespace can only be entered while there is one thread; asked of a process that has no other reason for one."""
    program = (
        "import os, sys; from pathlib import Path\n"
        "from lithify.cache import open_cache; from lithify.store.writing import Store\n"
        "Store(open_cache(Path(sys.argv[1]) / 'cache')).repo(); print(len(os.listdir('/proc/self/task')))\n"
    )
    asked = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert asked.stdout == "1\n", asked.stderr


@settings(max_examples=200, deadline=None)
@given(
    length=st.one_of(st.integers(0, 400), st.integers(64_900, 65_600)),
    refs=st.lists(st.text("dä/1", max_size=90), max_size=5),
    subject=st.text("ab ä", max_size=40),
    timestamp=st.integers(0, 1 << 40),
)
def test_a_commit_is_written_as_glib_writes_it(
    length: int, refs: list[str], subject: str, timestamp: int
) -> None:
    """Of every length at which offsets become wider."""
    commit = CommitObject(
        metadata={"lithify": "x" * length, "ostree.ref-binding": tuple(refs)},
        subject=subject,
        timestamp=timestamp,
        tree=Tree("01" * 32, "02" * 32),
    )
    data = encode_commit(commit)
    assert data == glib_bytes(
        "(a{sv}aya(say)sstayay)",
        (
            {"lithify": GLib.Variant("s", "x" * length), "ostree.ref-binding": GLib.Variant("as", refs)},
            b"",
            [],
            subject,
            "",
            int.from_bytes(timestamp.to_bytes(8, "big"), "little"),
            b"\1" * 32,
            b"\2" * 32,
        ),
    )
    assert decode_commit(data) == commit
