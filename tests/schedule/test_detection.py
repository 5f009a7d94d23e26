"""Formats below 6: how a chunk is built is asked of its repository, and of nobody where nobody may be asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lithify.cache import open_cache
from lithify.definitions.tree import load
from lithify.facts import Facts
from lithify.graph.model import Chunk
from lithify.graph.resolve import resolve
from lithify.schedule.detection import detector
from lithify.sources.context import SourceContext
from tests.program import write_files


def repository(path: Path, files: dict[str, str]) -> Path:
    write_files(path, files)
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(path), *arguments], check=True, capture_output=True)
    return path


def tree(root: Path, version: int, repo: Path, *, more: str = "") -> Path:
    return write_files(
        root,
        {
            "VERSION": f"version: {version}\n",
            "strata/s.morph": f"""\
name: s
kind: stratum
chunks:
- name: seed
  repo: {repo}
  ref: main
  morph: seed.morph
  build-mode: bootstrap
  build-depends: []
- name: x
  repo: {repo}
  ref: main
  build-depends: []
{more}""",
            "seed.morph": "name: seed\nkind: chunk\n",
            "systems/sys.morph": "name: sys\nkind: system\narch: x86_64\nstrata:\n- name: s\n  morph: strata/s.morph\n",
        },
    )


def chunk_x(tmp_path: Path, version: int, files: dict[str, str], *, ask: bool, more: str = "") -> Chunk:
    repo = repository(tmp_path / "repo", files)
    definitions = load(tree(tmp_path / "definitions", version, repo, more=more))
    cache = open_cache(tmp_path / "cache")
    context = SourceContext(
        cache=cache, facts=Facts(cache.facts), definitions_root=definitions.root, no_git_update=not ask
    )
    graph = resolve(definitions, "sys", detect=detector(definitions, context, ask=ask))
    context.facts.close()
    return graph.chunks["x"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"configure.ac": ""}, "autotools"),
        ({"CMakeLists.txt": ""}, "cmake"),
        ({"setup.py": ""}, "python-distutils"),
        ({"Makefile.PL": ""}, "cpan"),
        ({"app.pro": ""}, "qmake"),
        ({"autogen.sh": "", "setup.py": "", "CMakeLists.txt": ""}, "autotools"),
        ({"setup.py": "", "Makefile.PL": ""}, "python-distutils"),
    ],
)
def test_the_files_of_a_source_tell_its_build_system(
    tmp_path: Path, files: dict[str, str], found: str
) -> None:
    assert chunk_x(tmp_path, 5, files, ask=True).build_system == found


def test_a_chunk_file_in_the_chunks_own_repository(tmp_path: Path) -> None:
    own = {"x.morph": "name: x\nkind: chunk\nbuild-commands:\n- echo own\n", "configure": ""}
    assert dict(chunk_x(tmp_path, 1, own, ask=True).commands)["build"] == ("echo own",)


@pytest.mark.parametrize("version", [0, 1])
def test_a_chunk_file_that_is_named_may_be_there_too(tmp_path: Path, version: int) -> None:
    own = {"sub/own.morph": "name: x\nkind: chunk\nbuild-system: cmake\n", "configure": ""}
    found = chunk_x(tmp_path, version, own, ask=True, more="  morph: sub/own.morph\n")
    assert (found.build_system, found.file) == ("cmake", "sub/own.morph")


def test_a_later_format_does_not_look_for_one(tmp_path: Path) -> None:
    own = {"x.morph": "name: x\nkind: chunk\nbuild-commands:\n- echo own\n", "configure": ""}
    assert chunk_x(tmp_path, 5, own, ask=True).build_system == "autotools"


def test_a_query_asks_nobody(tmp_path: Path) -> None:
    assert (
        chunk_x(tmp_path, 5, {"configure": ""}, ask=False).unresolved
        == "only its source can tell how it is built"
    )
