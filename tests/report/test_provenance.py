"""Provenance statements: every kind of source is named with its digest, in the published form."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from lithify.build.metadata import source_records
from lithify.definitions.model import (
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    Source,
    WorkspaceSource,
)
from lithify.errors import LithifyError
from lithify.graph.pins import Pin, git_pin
from lithify.report.provenance import provenance
from lithify.sources.archive import archive_pin
from lithify.sources.debian import debian_pin
from lithify.sources.kinds import KINDS
from lithify.store.gvariant import Tree
from lithify.store.reading import Commit
from tests.report.slsa import SCHEMA

SUM = "ab" * 32
SHA1 = "cd" * 20
PINNED: dict[str, tuple[Source, Pin, list[dict[str, Any]]]] = {
    "git": (
        GitSource(url="https://git.example.com/x.git", ref=SHA1),
        git_pin(SHA1, fetch={"tree": "ef" * 20}),
        [
            {
                "uri": f"git+https://git.example.com/x.git@{SHA1}",
                "digest": {"gitCommit": SHA1, "gitTree": "ef" * 20},
            }
        ],
    ),
    "archive": (
        ArchiveSource(url="https://example.com/a b.tar.gz"),
        archive_pin(SUM, 17),
        [{"uri": "https://example.com/a%20b.tar.gz", "digest": {"sha256": SUM}}],
    ),
    "debian": (
        DebianBinaries(packages=("libc6",), suite="bookworm"),
        debian_pin([("libstdc++6", "1:12.2+x~1", "amd64", SUM, 5, "pool/main/g/libstdc++6.deb")]),
        [
            {
                "name": "pool/main/g/libstdc++6.deb",
                "uri": "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2%2Bx~1?arch=amd64",
                "digest": {"sha256": SUM},
            }
        ],
    ),
    "debian-source": (
        DebianSourcePackage(package="zlib", suite="bookworm"),
        Pin(
            kind="debian-source",
            digest_data={"version": "1.2-1", "files": [["zlib_1.2.orig.tar.gz", SUM]]},
            fetch={"files": [["pool/main/z/zlib_1.2.orig.tar.gz", 5]]},
        ),
        [
            {
                "name": "pool/main/z/zlib_1.2.orig.tar.gz",
                "uri": "pkg:deb/debian/zlib@1.2-1?arch=source#zlib_1.2.orig.tar.gz",
                "digest": {"sha256": SUM},
            }
        ],
    ),
    "local": (
        LocalSource(path="files of mine"),
        Pin(kind="local", digest_data={"tree": SUM}),
        [{"name": "files of mine", "digest": {"lithifyTree": SUM}}],
    ),
    "workspace": (
        WorkspaceSource(path="/home/me/zlib", id="0" * 32, chunk="zlib"),
        Pin(kind="workspace", digest_data={"workspace": "0" * 32, "tree": SUM}),
        [{"name": "/home/me/zlib", "digest": {"lithifyTree": SUM}}],
    ),
    "patch": (
        PatchSource(path="fixes"),
        Pin(kind="patch", digest_data={"patches": [[1, SUM], [1, SUM]]}, fetch={"names": ["a", "b"]}),
        [{"name": name, "digest": {"sha256": SUM}} for name in ("a", "b")],
    ),
}


def commit_of(**more: Any) -> Commit:
    metadata = {
        "kind": "chunk",
        "name": "zlib",
        "arch": "x86_64",
        "definition-key": SUM,
        "definition-inputs": {"inputs": {"name": "zlib"}, "groups": []},
        "build-key": SUM,
        "build-inputs": {"inputs": {}, "groups": []},
        "content": SUM,
        "definitions-commit": "",
        "definitions-repository": "",
        "definitions-changed": [],
        "artifacts": {"zlib-libs": {"content": "12" * 32}},
        "sources": [],
        "staged": [],
        "builder": "",
        "lithify": "1.0",
        "started-at": 1_700_000_000,
        "built-at": 1_700_000_060,
        "log": "",
    }
    tree = Tree(SUM, SUM)
    return Commit(checksum="34" * 32, metadata={**metadata, **more}, tree=tree, timestamp=0)


def stated(commit: Commit, artifact: str = "") -> dict[str, Any]:
    """Return a statement, which is as it was published."""
    statement = provenance(commit, artifact)
    jsonschema.validate(statement, SCHEMA)
    return statement


def test_every_kind_of_source_is_tried() -> None:
    assert PINNED.keys() == KINDS.keys() - {"pypi"}


@pytest.mark.parametrize("kind", PINNED)
def test_each_kind_of_source_is_named_with_its_digest(kind: str) -> None:
    source, pin, expected = PINNED[kind]
    records = source_records([(source, pin)])
    definition = stated(commit_of(sources=records))["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@git.example.com/x.git", {"uri": f"git+https://me@git.example.com/x.git@{SHA1}"}),
        ("git@example.com:a/x.git", {"uri": f"git+ssh://git@example.com/a/x.git@{SHA1}"}),
        ("git://example.com/x", {"uri": f"git://example.com/x@{SHA1}"}),
        ("/srv/git/a b", {"uri": f"git+file:///srv/git/a%20b@{SHA1}"}),
        ("upstream:zlib", {"uri": f"git+upstream:zlib@{SHA1}"}),
        ("../beside", {"name": "../beside"}),
    ],
)
def test_each_way_to_name_a_repository(url: str, expected: dict[str, str]) -> None:
    records = source_records([(GitSource(url=url, ref=SHA1), git_pin(SHA1))])
    definition = stated(commit_of(sources=records))["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [{**expected, "digest": {"gitCommit": SHA1}}]


def test_the_definitions_are_named_where_they_are_known() -> None:
    known = {"definitions-commit": SHA1, "definitions-repository": "ssh://git@example.com/d.git"}
    definition = stated(commit_of(**known))["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [
        {
            "name": "definitions",
            "digest": {"gitCommit": SHA1},
            "uri": f"git+ssh://git@example.com/d.git@{SHA1}",
        }
    ]
    changed = stated(commit_of(**{**known, "definitions-repository": "", "definitions-changed": ["a.morph"]}))
    assert changed["predicate"]["buildDefinition"]["resolvedDependencies"] == [
        {
            "name": "definitions",
            "digest": {"gitCommit": SHA1},
            "annotations": {"changed": ["a.morph"]},
        }
    ]


def test_subjects_times_and_builder() -> None:
    whole = stated(commit_of(log=SUM, builder="https://ci.example.com/lithify"))
    assert whole["subject"] == [{"name": "zlib", "digest": {"sha256": "34" * 32, "lithifyContent": SUM}}]
    assert whole["predicate"]["runDetails"] == {
        "builder": {"id": "https://ci.example.com/lithify", "version": {"lithify": "1.0"}},
        "metadata": {
            "invocationId": "34" * 32,
            "startedOn": "2023-11-14T22:13:20Z",
            "finishedOn": "2023-11-14T22:14:20Z",
        },
        "byproducts": [{"name": "log", "digest": {"sha256": SUM}}],
    }
    part = stated(commit_of(), "zlib-libs")
    assert part["subject"][0]["digest"] == {"lithifyContent": "12" * 32}
    adopted = stated(commit_of(**{"content-from": "56" * 32, "adopted-at": 1_700_000_100}))
    assert adopted["predicate"]["runDetails"]["metadata"]["invocationId"] == "56" * 32
    internal = adopted["predicate"]["buildDefinition"]["internalParameters"]
    assert (internal["contentFrom"], internal["adoptedOn"]) == ("56" * 32, "2023-11-14T22:15:00Z")


def test_the_schema_refuses_what_is_wrong() -> None:
    good = stated(commit_of())
    for wrong in (
        {**good, "_type": "https://in-toto.io/Statement/v0.1"},
        {**good, "subject": [{"name": "x"}]},
        {**good, "predicate": {**good["predicate"], "runDetails": {}}},
        {name: value for name, value in good.items() if name != "predicateType"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_a_commit_of_an_older_lithify_is_told() -> None:
    commit = commit_of()
    metadata = {name: value for name, value in commit.metadata.items() if name != "started-at"}
    old = Commit(checksum=commit.checksum, metadata=metadata, tree=commit.tree, timestamp=0)
    with pytest.raises(LithifyError, match="kept no provenance"):
        provenance(old)
