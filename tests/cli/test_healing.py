"""A build that comes upon damage in the store drops it, says so, and goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from lithify.cache import CacheFolder
from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program
from tests.store.test_writing import fsck

pytestmark = pytest.mark.slow


@pytest.fixture
def program() -> Iterator[Program]:
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        made = Program(folder=folder, definitions=folder / "definitions")
        made.done("build", "small")
        yield made


@pytest.mark.parametrize("kind", ["file", "dirtree"])
def test_a_build_heals_what_it_needs(program: Program, kind: str) -> None:
    """The library's object goes; it is in the library's commit and in the system's. What both lead to is made anew."""
    repository = Repository(program.cache / "ostree")
    before = repository.refs("d")
    lib = next(c for c in before.values() if repository.commit(c).metadata["name"] == "lib")
    tree = repository.commit(lib).tree
    whole = repository.subtree(tree, "all/usr/lib")
    folder = repository.dirtree(whole.dirtree)
    checksum = whole.dirtree if kind == "dirtree" else dict(folder.files)["liblib.so.1"]
    place = program.cache / "ostree" / "objects" / checksum[:2] / f"{checksum[2:]}.{kind}"
    place.unlink()
    if kind == "file":  # nothing but a new checkout of the layer comes upon it
        for layer in (program.cache / "layers").iterdir():
            layer.rename(layer.with_name(f".damaged-{layer.name}"))
    main = program.definitions / "app" / "main"
    main.write_text("#!/bin/sh\n# changed\n")
    said = program.done("build", "small")
    assert f"the store is damaged: {kind} {checksum}" in said.stderr
    assert "made anew" in said.stderr
    main.write_text("#!/bin/sh\n")
    program.done("build", "small")
    after = Repository(program.cache / "ostree")
    assert before.keys() <= after.refs("d").keys()
    assert place.exists()
    assert fsck_of(program) == ""


def test_a_damaged_commit_is_healed_though_it_is_the_first_that_is_looked_at(program: Program) -> None:
    repository = Repository(program.cache / "ostree")
    before = repository.refs("d")
    commit = next(c for c in before.values() if repository.commit(c).metadata["name"] == "small")
    place = program.cache / "ostree" / "objects" / commit[:2] / f"{commit[2:]}.commit"
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.unlink()
    place.write_bytes(content)
    shutil.rmtree(program.cache / "standing")
    said = program.done("build", "small")
    assert f"the store is damaged: commit {commit} is not what its checksum says" in said.stderr
    assert Repository(program.cache / "ostree").refs("d").keys() == before.keys()
    assert fsck_of(program) == ""


def test_a_store_whose_configuration_is_lost_is_an_error_that_says_what_helps(program: Program) -> None:
    """As a loss of power leaves it where nothing is synced; on a cache that is synced it does not come to this."""
    (program.cache / "ostree" / "config").write_bytes(bytes(32))
    (program.definitions / "app" / "main").write_text("#!/bin/sh\n# changed\n")
    said = program.run("build", "small")
    assert said.status == 1
    assert "ostree/config is damaged" in said.stderr
    assert "lithify gc --all" in said.stderr
    program.done("gc", "--all")
    program.done("build", "small")


def fsck_of(program: Program) -> str:
    return fsck(CacheFolder(program.cache))
