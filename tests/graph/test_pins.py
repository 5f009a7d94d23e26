from __future__ import annotations

import pytest

from lithify.definitions.model import (
    ArchiveSource,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    PypiSource,
    Source,
)
from lithify.graph.pins import declared_pin, declared_pins, git_pin, source_identity

URL = "https://example.org/x"
IDENTITIES: tuple[tuple[Source, str], ...] = (
    (GitSource(url=URL, ref="v1"), f"git ref=v1 url={URL}"),
    (GitSource(url=URL, track="main"), f"git track=main url={URL}"),
    (GitSource(url="a b", ref="x"), 'git ref=x url="a b"'),
    (GitSource(url=URL, ref="x", submodules=(("a", "b"),)), f"git ref=x submodules=a=b url={URL}"),
    (ArchiveSource(url=f"{URL}?a=1,2"), f'archive url="{URL}?a=1,2"'),
    (DebianSourcePackage(package="x", suite="bookworm"), "debian-source package=x suite=bookworm"),
    (DebianBinaries(packages=("a",), suite="s"), "debian packages=a suite=s"),
    (
        DebianBinaries(
            packages=("b", "a", "b"),
            suite="s",
            arch="amd64",
            dependencies=False,
            recommends=True,
            exclude=("c",),
        ),
        "debian arch=amd64 dependencies=no exclude=c packages=a,b recommends=yes suite=s",
    ),
    (PypiSource(project="x", version="1"), "pypi project=x version=1"),
    (LocalSource(path="src"), "local path=src"),
    (PatchSource(path="patches"), "patch path=patches"),
)


@pytest.mark.parametrize(("source", "identity"), IDENTITIES)
def test_the_identity_of_each_kind(source: Source, identity: str) -> None:
    assert source_identity(source) == identity


def test_identities_are_of_one_line_and_all_different() -> None:
    names = [identity for _, identity in IDENTITIES]
    assert len(set(names)) == len(names)
    assert source_identity(LocalSource(path="a b\u00fc")) == 'local path="a b\\u00fc"'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ArchiveSource(url=URL), ArchiveSource(url=URL, strip=0, into="x")),
        (
            DebianSourcePackage(package="x", suite="s"),
            DebianSourcePackage(package="x", suite="s", patches=False),
        ),
        (GitSource(url=URL, ref="x"), GitSource(url=URL, ref="x", into="sub")),
        (PatchSource(path="p"), PatchSource(path="p", strip=2)),
        (DebianBinaries(packages=("a", "b"), suite="s"), DebianBinaries(packages=("b", "a"), suite="s")),
    ],
)
def test_how_it_is_laid_out_is_no_part_of_an_identity(one: Source, other: Source) -> None:
    assert source_identity(one) == source_identity(other)


def test_one_submodule_is_never_two() -> None:
    one = GitSource(url=URL, ref="x", submodules=(("a", "b,c=d"),))
    two = GitSource(url=URL, ref="x", submodules=(("a", "b"), ("c", "d")))
    odd = GitSource(url=URL, ref="x", submodules=(("a=b", "c"),))
    even = GitSource(url=URL, ref="x", submodules=(("a", "b=c"),))
    assert len({source_identity(source) for source in (one, two, odd, even)}) == 4


def test_a_whole_commit_is_its_own_pin() -> None:
    commit = "0123456789" * 4
    named, branch = GitSource(url=URL, ref=commit), GitSource(url=URL, ref="main")
    assert declared_pin(named) == git_pin(commit)
    assert declared_pin(branch) is None
    assert declared_pin(GitSource(url=URL, ref=commit[:39])) is None
    assert declared_pins([named, branch, ArchiveSource(url=URL)]) == {named: git_pin(commit)}
