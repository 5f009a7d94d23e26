"""The models themselves: equal by content, hashable, and read-only."""

from __future__ import annotations

import pickle
from typing import Any, TypeVar

import pytest

from lithify.definitions.base import Definition
from lithify.definitions.context import Reading
from lithify.definitions.fields import read_definition
from lithify.definitions.flaws import Wrong
from lithify.definitions.model import (
    ArchiveSource,
    ChunkBody,
    ChunkEntry,
    DebianBinaries,
    Deployment,
    GitSource,
    LocalSource,
    StratumFile,
    place_of,
)
from lithify.definitions.scalars import sound_url
from tests.definitions.conftest import as_read

M = TypeVar("M", bound=Definition)


def _read(model: type[M], values: dict[str, Any]) -> M:
    return read_definition(model, as_read(values), Reading())


def test_equal_sources_are_one_dictionary_key() -> None:
    first = GitSource(url="upstream:zlib", ref="abc", submodules=(("a", "u"),))
    second = GitSource(url="upstream:zlib", ref="abc", submodules=(("a", "u"),))
    assert first == second
    assert {first: 1}[second] == 1
    assert first != GitSource(url="upstream:zlib", ref="abd")


def test_sources_of_different_kinds_differ() -> None:
    assert ArchiveSource(url="x") != GitSource(url="x", ref="y")
    assert LocalSource(path="a").kind == "local"
    assert LocalSource(path="a").into == ""


def test_source_survives_a_trip_to_another_process() -> None:
    source = DebianBinaries(packages=("gcc", "make"), suite="bookworm", exclude=("dpkg",))
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source
    assert hash(copy) == hash(source)
    assert place_of(copy).file == "<made in code>"


def test_models_cannot_be_changed() -> None:
    source = LocalSource(path="a")
    with pytest.raises(AttributeError):
        source.path = "b"  # type: ignore[misc]


@pytest.mark.parametrize("url", ["--upload-pack=x", "ext::sh -c x", "a\nb", " ", ""])
def test_dangerous_urls_are_refused(url: str) -> None:
    with pytest.raises(Wrong):
        _read(ArchiveSource, {"url": url})
    with pytest.raises(Wrong):
        sound_url(url)


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../b", "", "a\0b"])
def test_paths_that_leave_the_definitions_are_refused(path: str) -> None:
    with pytest.raises(Wrong):
        _read(LocalSource, {"path": path})


def test_a_git_source_has_either_ref_or_track() -> None:
    with pytest.raises(Wrong):
        GitSource(url="x")
    with pytest.raises(Wrong):
        GitSource(url="x", ref="a", track="b")


def test_what_the_file_says_is_told_from_defaults() -> None:
    entry = _read(ChunkEntry, {"name": "a", "prefix": "/usr", "ref": None})
    assert [field for field in ("name", "prefix", "ref", "build_mode") if entry.says(field)] == [
        "name",
        "prefix",
    ]
    assert entry == _read(ChunkEntry, {"name": "a"})
    assert not LocalSource(path="a").says("path")


def test_commands_are_those_given_in_the_order_of_the_steps() -> None:
    body = _read(
        ChunkBody,
        {"post-install-commands": ["c"], "build-commands": [], "configure-commands": ["a", b"\xff"]},
    )
    assert body.commands == {"configure": ("a", b"\xff"), "build": (), "post-install": ("c",)}
    assert list(body.commands) == ["configure", "build", "post-install"]


def test_fields_have_hyphens_in_text() -> None:
    stratum = _read(
        StratumFile,
        {
            "name": "s",
            "build-depends": [{"morph": "strata/base.morph"}],
            "chunks": [{"name": "libstdc++", "build-depends": ["a.b"], "build-mode": "bootstrap"}],
        },
    )
    assert stratum.build_depends is not None
    assert stratum.build_depends[0].morph == "strata/base.morph"
    assert stratum.chunks[0].build_mode == "bootstrap"
    assert stratum.chunks[0].build_depends == ("a.b",)


def test_deployment_made_in_code_has_values() -> None:
    assert Deployment(type="tar", location="x", values={"A": 1}).values == {"A": 1}
