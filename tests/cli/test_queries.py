"""Queries that need no source: their results, their errors, their exit statuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lithify.staging.architecture import host_architecture
from tests.cli.transcript import TREE, Typist, expected, typist_on


@pytest.fixture
def typist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typist:
    return typist_on(tmp_path, TREE, capsys)


def printed(transcript: str) -> str:
    """Return what a command that succeeded printed on stdout; it must have said nothing else."""
    lines = transcript.splitlines()
    assert lines[-1] == "[0]", transcript
    assert not any(line.startswith("! ") for line in lines), transcript
    return "\n".join(lines[1:-1])


def test_a_graph_is_text_for_graphviz(typist: Typist) -> None:
    assert typist.type("graph small --strata") == expected(
        r"""
        $ lithify graph small --strata
        digraph "small" {
          graph [rankdir=LR, ranksep=1, nodesep=0.1, fontname="sans"];
          node [fontname="sans", fontsize=11, height=0.25];
          edge [color="#555555", arrowsize=0.6];
          "system:small" [label="small", shape=octagon];
          "stratum:base" [label="base\n1 chunk", shape=box, style=filled, fillcolor="#dde8f5"];
          "stratum:work" [label="work\n2 chunks", shape=box, style=filled, fillcolor="#dde8f5"];
          "system:small" -> "stratum:base";
          "system:small" -> "stratum:work";
          "stratum:work" -> "stratum:base" [style=bold, color=black];
        }
        [0]
        """
    )


def test_all_edges_are_drawn_only_when_asked_for(typist: Typist) -> None:
    edge = '"chunk:app" -> "chunk:libc"'
    assert edge not in typist.type("graph small")
    assert edge in typist.type("graph small --all-edges")


def test_a_graph_is_json(typist: Typist) -> None:
    value = json.loads(printed(typist.type("graph systems/small.morph --json")))
    assert value["system"] == "small"
    assert {"from": "chunk:app", "to": "chunk:zlib", "why": "declared"} in value["edges"]
    assert printed(typist.type("graph small --format json")) == printed(typist.type("graph small --json"))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_a_graph_is_drawn_into_a_file(typist: Typist) -> None:
    assert printed(typist.type("graph small --format svg --output picture.svg")) == ""
    # The file's name is from the folder in which the command was started.
    assert (typist.definitions / "picture.svg").read_bytes().rstrip().endswith(b"</svg>")


def test_systems_are_named_as_from_where_the_user_stands(typist: Typist) -> None:
    first = printed(typist.type("graph small"))
    assert printed(typist.type("graph small.morph", below="systems")) == first
    assert printed(typist.type("graph systems/small.morph", below="strata")) == first
    assert printed(typist.type(f"graph {typist.definitions}/systems/small.morph")) == first


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("graph smal", 1, ['no definition "smal"', "did you mean systems/small.morph?"]),
        ("graph small --format png", 2, ["there is no format png", "there are dot, svg, json"]),
        ("graph", 2, ["missing argument SYSTEM", "`lithify graph --help` shows how it is used"]),
        ("graph small base", 2, ["one system at a time, not small, base"]),
        ("graph --repo . small", 2, ["--repo and --ref are given both or neither"]),
        ("show-dependencies", 2, ["missing argument SYSTEM..."]),
        ("why-depends zlib app", 1, ["zlib does not need app in systems/small.morph"]),
        ("why-depends app zlip", 1, ["no system has a chunk or stratum zlip", "did you mean zlib?"]),
        ("why-depends small app zlip", 1, ["small has no chunk or stratum zlip", "did you mean zlib?"]),
        ("why-depends app", 2, ["two names are needed, not 1", "[SYSTEM] A B"]),
        ("get-chunk-details zlb", 1, ["chunk zlb not found", 'did you mean "zlib"?']),
        ("get-chunk-details base zlib", 1, ["chunk zlib not found in stratum base"]),
        ("get-chunk-details bas zlib", 1, ["there is no stratum bas", 'did you mean "base"?']),
        ("get-chunk-details a b c", 2, ["too many arguments: a b c"]),
        ("expand-repo", 2, ["missing argument URL..."]),
        ("schema chunky", 2, ["there is no schema of chunky", 'did you mean "chunk"?']),
        ("schema --format 12", 2, ["there is no format 12", "there are 0 to 9"]),
        ("diff main", 2, ["missing argument TO"]),
        ("diff main other", 1, [". is no git repository"]),
    ],
)
def test_wrong_use_and_unknown_names(typist: Typist, line: str, status: int, error: list[str]) -> None:
    lines = typist.type(line).splitlines()
    assert lines[-1] == f"[{status}]"
    assert all(one.startswith("! ") for one in lines[1:-1])
    assert lines[1] == f"! ERROR: {error[0]}"
    if len(error) > 1:
        assert lines[2] == f"! hint: {error[1]}"


def test_dependencies_have_the_form_that_scripts_read(typist: Typist) -> None:
    lines = printed(typist.type("show-dependencies small")).splitlines()
    assert lines[0] == "dependency graph for FOLDER/definitions||systems/small.morph:"
    app = lines.index("  upstream:app|1123456789abcdef0123456789abcdef01234567|app.morph|app|app-bins")
    zlib = "upstream:zlib|0123456789abcdef0123456789abcdef01234567|zlib.morph|zlib|zlib"
    assert lines[app + 1] == f"    -> {zlib}-bins"
    assert lines[app + 7] == "    -> FOLDER/definitions||strata/base.morph|base-devel|base-devel"
    assert lines[-1] == "    -> FOLDER/definitions||strata/work.morph|work-runtime|work-runtime"


def test_dependencies_of_several_systems(typist: Typist) -> None:
    text = printed(typist.type("show-dependencies small systems/small.morph"))
    assert text.count("dependency graph for ") == 2
    value = json.loads(printed(typist.type("show-dependencies small --json")))
    assert value[0]["artifacts"][-1] == {
        "kind": "system",
        "source": "small",
        "artifact": "small-rootfs",
        "depends": [
            {"kind": "stratum", "source": stratum, "artifact": f"{stratum}-{part}"}
            for stratum in ("base", "work")
            for part in ("devel", "runtime")
        ],
    }


def test_paths_from_one_thing_to_another(typist: Typist) -> None:
    assert typist.type("why-depends small app libc") == expected(
        """
        $ lithify why-depends small app libc
        app -> stratum base -> libc
        app -> zlib -> stratum base -> libc
        [0]
        """
    )
    assert printed(typist.type("why-depends app libc")) == printed(typist.type("why-depends small app libc"))
    assert printed(typist.type("why-depends small zlib")) == "system small -> stratum work -> zlib"
    assert printed(typist.type("why-depends app strata/base.morph")).startswith("app -> stratum base")
    assert typist.type("why-depends app libc --limit 1") == expected(
        """
        $ lithify why-depends app libc --limit 1
        app -> stratum base -> libc
        ! there are more than 1 paths; --limit shows more
        [0]
        """
    )


def test_paths_that_differ_by_system_ask_for_the_system(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TREE["strata/work.morph"].replace("  build-depends:\n  - zlib\n", "")
    files = {
        **TREE,
        "strata/other.morph": text.replace("name: work", "name: other").replace("app.git", "other.git"),
        "systems/other.morph": TREE["systems/small.morph"]
        .replace("name: small", "name: other")
        .replace("work", "other"),
    }
    typist = typist_on(tmp_path, files, capsys)
    assert typist.type("why-depends app libc") == expected(
        """
        $ lithify why-depends app libc
        ! ERROR: app needs libc in other ways in each of: systems/other.morph, systems/small.morph
        ! hint: name the system before them
        [1]
        """
    )
    assert printed(typist.type("why-depends other app libc")) == "app -> stratum base -> libc"


def test_details_of_a_chunk(typist: Typist) -> None:
    assert typist.type("get-chunk-details zlib") == expected(
        """
        $ lithify get-chunk-details zlib
        In stratum work:
          Chunk: zlib
          Repository: git://git.example.com/delta/zlib
          Ref: 0123456789abcdef0123456789abcdef01234567
        [0]
        """
    )
    assert printed(typist.type("get-chunk-details strata/work.morph zlib")).startswith("In stratum work:")
    assert json.loads(printed(typist.type("get-chunk-details work zlib --json"))) == [
        {
            "stratum": "work",
            "file": "strata/work.morph",
            "chunk": "zlib",
            "sources": [
                {
                    "kind": "git",
                    "repo": "git://git.example.com/delta/zlib",
                    "ref": "0123456789abcdef0123456789abcdef01234567",
                }
            ],
        }
    ]


def test_details_of_a_chunk_from_other_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stratum = """\
name: base
kind: stratum
chunks:
- name: tools
  build-system: import
  sources:
  - {kind: archive, url: https://example.com/tools.tar.gz}
"""
    typist = typist_on(tmp_path, {**TREE, "strata/base.morph": stratum}, capsys)
    assert "  Source: archive url=https://example.com/tools.tar.gz" in typist.type("get-chunk-details tools")


def test_a_chunk_that_is_broken_is_sent_to_validate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = {
        "VERSION": "version: 9\n",
        "strata/base.morph": "name: base\nkind: stratum\nchunks:\n- {name: zlib, morph: chunks/zlib.morph}\n",
        "chunks/zlib.morph": "nmae: zlib\nkind: chunk\n",
        "systems/small.morph": "name: small\nkind: system\narch: x86_64\nstrata:\n- {morph: strata/base.morph}\n",
    }
    typist = typist_on(tmp_path, tree, capsys)
    for line in ("why zlib", "log zlib"):
        assert typist.type(line).splitlines()[1:] == [
            '! ERROR: zlib: missing field "name"',
            "! hint: `lithify validate` tells where",
            "[1]",
        ]


def test_repositories_are_expanded_by_the_aliases_in_force(typist: Typist) -> None:
    line = "expand-repo --repo-alias mine=ftp://x/%s#ssh://y/%s,plain=git://z/#ssh://z/ upstream:zlib mine:a plain:b"
    assert typist.type(line) == expected(
        f"""
        $ lithify {line}
        Original: upstream:zlib
        Pull: git://git.example.com/delta/zlib
        Push: ssh://git@git.example.com/delta/zlib

        Original: mine:a
        Pull: ftp://x/a
        Push: ssh://y/a

        Original: plain:b
        Pull: git://z/b
        Push: ssh://z/b

        [0]
        """
    )


@pytest.mark.parametrize("repo", ["unknown:x", "https://example.com/x.git", "broken:x", "plain"])
def test_what_is_no_alias_is_a_url(typist: Typist, repo: str) -> None:
    text = printed(typist.type(f"expand-repo --repo-alias broken=only {repo}"))
    assert text == f"Original: {repo}\nPull: {repo}\nPush: {repo}\n"


def test_settings_with_their_values(typist: Typist) -> None:
    lines = printed(typist.type("show-config --max-jobs 3")).splitlines()
    assert "max-jobs = 3" in lines
    assert "tempdir = " in lines
    assert "fsync = yes" in lines
    assert "cachedir = FOLDER/cache" in lines
    assert all(" = " in line for line in lines)


def test_settings_with_the_aliases_that_follow(typist: Typist) -> None:
    line = "show-config --processed --trove-id me=path#git#ssh --repo-alias upstream=mine#mine"
    (aliases,) = (one for one in printed(typist.type(line)).splitlines() if one.startswith("repo-alias = "))
    assert aliases.removeprefix("repo-alias = ").split(", ") == [
        "baserock=git://git.example.com/baserock/%s#ssh://git@git.example.com/baserock/%s",
        "upstream=mine#mine",
        "me=git://git.example.com/path/%s#ssh://git@git.example.com/path/%s",
    ]


def test_settings_with_where_they_come_from(typist: Typist) -> None:
    config = typist.folder / "my.conf"
    config.write_text("[config]\njobs = 7\nmirror = debian=http://deb.example.com\n")
    text = printed(typist.type(f"show-config --origins --max-jobs 3 --config {config}"))
    assert "# FOLDER/my.conf\njobs = 7" in text
    assert "# FOLDER/my.conf\nmirror = debian=http://deb.example.com" in text
    assert "# option\nmax-jobs = 3" in text
    assert "# environment\ncachedir = FOLDER/cache" in text
    assert "# default\nfsync = yes" in text
    value = json.loads(printed(typist.type(f"show-config --json --config {config}")))
    assert value["jobs"] == {"value": 7, "origin": "FOLDER/my.conf"}
    assert value["mirror"]["value"] == ["debian=http://deb.example.com"]


def test_schemas(typist: Typist) -> None:
    chunk = json.loads(printed(typist.type("schema chunk")))
    assert chunk["title"] == "lithify chunk, format 9"
    assert json.loads(printed(typist.type("schema chunk --format 8")))["title"].endswith("format 8")
    (typist.definitions / "VERSION").write_text("version: 7\n")
    whole = json.loads(printed(typist.type("schema")))
    assert whole["title"] == "lithify definitions, format 7"


@pytest.mark.parametrize(
    "line", ["print-architecture", "show-config", "expand-repo upstream:x", "schema", "schema chunk", "help"]
)
def test_outside_of_a_tree_nothing_is_said_beside_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    typist = Typist(folder=tmp_path, capsys=capsys)
    typist.definitions.mkdir()
    assert printed(typist.type(f"{line} --debug")) != ""


def test_the_architecture_is_one_word_on_one_line(typist: Typist) -> None:
    assert printed(typist.type("print-architecture")) == host_architecture()


def test_a_query_makes_no_cache(typist: Typist) -> None:
    for line in ("graph small", "show-dependencies small", "why-depends small zlib", "validate"):
        typist.type(line)
    assert [path.name for path in typist.folder.iterdir()] == ["definitions"]
