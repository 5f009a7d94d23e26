"""Whatever bytes are unpacked, the program answers, and nothing is written outside its folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithify.sources.unpacker import unpack
from tests.sources.archives import Entry, file, folder, hard_link, link, package, tar, zip_file

HONEST = [
    tar(folder("a"), file("a/b", b"text" * 500), link("c", "a/b"), hard_link("d", "a/b")),
    tar(file("x", b"y" * 3000), compression="gzip"),
    tar(file("x", b"y" * 3000), compression="xz"),
    package(file("./bin/x", b"y" * 300)),
    zip_file(("a/b", b"text" * 500, 0o100644)),
]

names = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=4).map("/".join)
entries = st.one_of(
    st.builds(file, names, st.binary(max_size=4)),
    st.builds(folder, names),
    st.builds(link, names, st.one_of(names, names.map("/".__add__))),
    st.builds(hard_link, names, names),
)


def answered(content: bytes, *, packages: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "archive").write_bytes(content)
        (root / "outside").write_text("untouched")
        (root / "into").mkdir()
        kind = "deb" if packages and content.startswith(b"!<arch>") else ""
        job = {
            "into": str(root / "into"),
            "archives": [{"path": str(root / "archive"), "name": "it", "strip": 0, "kind": kind}],
            "owners": False,
            "merged_usr": packages,
            "members": 1000,
            "bytes": 1 << 20,
        }
        answer = unpack(job)
        assert answer.get("error") in ("unsafe", "damaged", "limit", "os", None), answer
        assert sorted(path.name for path in root.iterdir()) == ["archive", "into", "outside"]
        assert (root / "outside").read_text() == "untouched"


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(HONEST),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4),
    st.integers(0, 12000),
    st.booleans(),
)
def test_damaged_bytes(content: bytes, changes: list[tuple[int, int]], cut: int, packages: bool) -> None:
    damaged = bytearray(content[:cut])
    for position, value in changes:
        if position < len(damaged):
            damaged[position] = value
    answered(bytes(damaged), packages=packages)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(entries, max_size=8), st.booleans())
def test_any_members(members: list[Entry], packages: bool) -> None:
    answered(tar(*members), packages=packages)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=700))
def test_any_bytes(content: bytes) -> None:
    answered(content, packages=True)
