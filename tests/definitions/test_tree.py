"""Trees: roots, names, links between files, and every fault in one run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lithify.definitions.links import declared_sources
from lithify.definitions.model import GitSource, LocalSource, place_of
from lithify.definitions.root import find_root
from lithify.definitions.tree import Definitions, load
from lithify.definitions.validation import validate
from lithify.errors import DefinitionErrors, LithifyError
from tests.definitions.conftest import MakeTree, told

NO_COMMANDS = "a chunk with build-system: import takes no commands, since there is no shell to run them with"

SOUND = {
    "VERSION": "version: 9\n",
    "chunks/zlib.morph": """
        name: zlib
        kind: chunk
        sources: [{kind: local, path: files}]
        build-system: make
    """,
    "files/x": "x",
    "strata/base.morph": """
        name: base
        kind: stratum
        chunks:
        - {name: zlib, morph: chunks/zlib.morph}
        - {name: own, repo: "upstream:own", ref: abc, build-system: manual, build-depends: [zlib]}
    """,
    "strata/top.morph": """
        name: top
        kind: stratum
        build-depends: [{morph: strata/base.morph}]
        chunks:
        - {name: copy, build-system: import, sources: [{kind: local, path: files}]}
    """,
    "systems/small.morph": """
        name: small
        kind: system
        arch: x86_64
        strata:
        - {name: base, morph: strata/base.morph}
        - {morph: strata/top.morph, artifacts: [top-runtime]}
    """,
    "clusters/small.morph": """
        name: small
        kind: cluster
        systems:
        - {morph: systems/small.morph, deploy: {tar: {type: tar, location: x.tar}}}
    """,
}


def test_a_sound_tree_has_no_faults(tree: MakeTree) -> None:
    assert validate(tree(SOUND)) == ()


def test_files_are_read_when_asked_for(tree: MakeTree) -> None:
    definitions = load(tree({**SOUND, "strata/broken.morph": "["}))
    system = definitions.system("systems/small.morph")
    base, top = (definitions.selected(selection) for selection in system.strata)
    assert definitions.loaded("strata/base.morph") is definitions.loaded("strata/base.morph")
    found = definitions.chunk_of(base.chunks[0])
    assert found.file == "chunks/zlib.morph"
    assert found.body is not None
    assert found.body.build_system == "make"
    inline = definitions.chunk_of(top.chunks[0])
    assert inline.file == "copy.morph"
    assert inline.body is top.chunks[0]


def test_sources_come_from_entry_or_file_and_know_their_place(tree: MakeTree) -> None:
    definitions = load(tree(SOUND))
    zlib, own = definitions.stratum("strata/base.morph").chunks
    (local,) = declared_sources(zlib, definitions.chunk_of(zlib).body)
    assert local == LocalSource(path="files")
    assert place_of(local).file == "chunks/zlib.morph"
    (git,) = declared_sources(own, definitions.chunk_of(own).body)
    assert git == GitSource(url="upstream:own", ref="abc")
    assert place_of(git).file == "strata/base.morph"


def test_names_as_users_give_them(tree: MakeTree, tmp_path: Path) -> None:
    root = tree({**SOUND, "bare.morph": "name: bare\nkind: chunk\n"})
    definitions = load(root)
    assert definitions.locate("systems/small.morph") == "systems/small.morph"
    assert definitions.locate("bare") == definitions.locate("bare.morph") == "bare.morph"
    assert definitions.locate("small.morph", cwd=root / "systems") == "systems/small.morph"
    assert definitions.locate(str(root / "systems/small.morph")) == "systems/small.morph"
    assert definitions.locate("../systems/small.morph", cwd=root / "strata") == "systems/small.morph"
    assert definitions.locate("zlib") == "chunks/zlib.morph"
    assert definitions.system("small").name == "small"
    assert definitions.cluster("small").kind == "cluster"
    (tmp_path / "outside.morph").write_text("name: x\nkind: chunk\n")
    for name in ("../outside.morph", str(tmp_path / "outside.morph"), "/etc/passwd", ""):
        with pytest.raises(LithifyError):
            definitions.locate(name, cwd=root)


def test_an_unknown_name_gets_the_nearest_ones(tree: MakeTree) -> None:
    definitions = load(tree(SOUND))
    with pytest.raises(LithifyError) as caught:
        definitions.system("systems/smal.morph")
    assert caught.value.message == 'no definition "systems/smal.morph"'
    assert caught.value.hints[0].startswith("did you mean systems/small.morph")
    with pytest.raises(LithifyError) as caught:
        definitions.locate("small")
    assert caught.value.message == '"small" is the name of several files'


def test_a_file_of_another_kind(tree: MakeTree) -> None:
    definitions = load(tree(SOUND))
    with pytest.raises(DefinitionErrors) as caught:
        definitions.system("strata/base.morph")
    assert caught.value.message == '"strata/base.morph" is a stratum, not a system'


def test_every_broken_link_is_told_in_one_run(tree: MakeTree) -> None:
    root = tree(
        {
            **SOUND,
            "clusters/small.morph": """
                name: small
                kind: cluster
                systems:
                - morph: systems/smal.morph
                  deploy: {a: {}}
                  subsystems:
                  - {morph: strata/base.morph, deploy: {a: {}}}
                  - {morph: systems/small.morph}
            """,
            "systems/small.morph": """
                name: small
                kind: system
                arch: x86-64
                strata:
                - {name: bas, morph: strata/base.morph}
                - {morph: strata/top.morph}
                - {morph: strata/top.morph}
                - {morph: strata/tpo.morph}
            """,
            "strata/top.morph": """
                name: top
                kind: stratum
                build-depends:
                - morph: strata/base.morph
                - morph: strata/top.morph
                - morph: chunks/zlib.morph
                chunks:
                - {name: a, morph: chunks/gone.morph}
                - {name: b, morph: chunks/zlib.morph, sources: [{kind: local, path: files}]}
                - {name: c, morph: chunks/bare.morph}
                - {name: d, build-system: mak, repo: r, ref: s}
                - {name: d, build-system: import, sources: [{kind: patch, path: gone}], build-commands: [x]}
                - {name: e, morph: chunks/zlib.morph, build-system: make}
                - {name: f, repo: r, sources: [{kind: local, path: files}], build-depends: [a, z]}
            """,
            "chunks/bare.morph": "name: bare\nkind: chunk\n",
        }
    )
    assert told(validate(root)) == [
        'clusters/small.morph:4:10: error: no file "systems/smal.morph"',
        'clusters/small.morph:7:13: error: "strata/base.morph" is a stratum, not a system',
        'clusters/small.morph:7:41: error: deployment "a" stands twice in cluster small',
        'clusters/small.morph:8:5: error: system "systems/small.morph" of cluster small has no deployment',
        "strata/top.morph:5:10: error: stratum top build-depends on itself",
        'strata/top.morph:6:10: error: "chunks/zlib.morph" is a chunk, not a stratum',
        'strata/top.morph:8:20: error: no file "chunks/gone.morph"',
        'strata/top.morph:9:10: warning: chunk "b" is named "zlib" in its file; the entry\'s name counts',
        'strata/top.morph:9:39: error: chunk "b" has its sources twice: in the stratum and in its file',
        'strata/top.morph:10:3: error: chunk "c" has no sources',
        'strata/top.morph:10:10: warning: chunk "c" is named "bare" in its file; the entry\'s name counts',
        'strata/top.morph:11:27: error: undefined build system "mak"',
        'strata/top.morph:12:10: error: chunk "d" stands twice in stratum top',
        'strata/top.morph:12:65: error: no file or folder "gone" in the definitions',
        f"strata/top.morph:12:73: error: {NO_COMMANDS}",
        'strata/top.morph:13:10: warning: chunk "e" is named "zlib" in its file; the entry\'s name counts',
        'strata/top.morph:13:39: error: conflicting fields: chunk "e" has both "morph" and "build-system"',
        'strata/top.morph:14:3: error: chunk "f" has no build-system defined, and no chunk .morph',
        'strata/top.morph:14:13: error: chunk "f" has both "sources" and "repo"',
        'strata/top.morph:14:80: error: chunk "f" build-depends on "z", which is not in stratum top',
        'systems/small.morph:3:7: error: unknown arch "x86-64" in system small',
        'systems/small.morph:5:10: error: stratum "bas" is named "base" in its file',
        'systems/small.morph:7:11: error: stratum "strata/top.morph" stands twice in system small',
        'systems/small.morph:8:11: error: no file "strata/tpo.morph"',
    ]


def test_import_with_commands_says_what_to_do(tree: MakeTree) -> None:
    text = "name: x\nkind: chunk\nbuild-system: import\nsources: []\npost-install-commands: [ln -s a b]\n"
    (fault,) = validate(tree({"VERSION": "version: 9\n", "x.morph": text}))
    assert fault.place.line == 5
    assert "in a second chunk that build-depends on this one" in fault.hint
    assert fault.related[0][0].line == 3


def test_a_stratum_without_chunks(tree: MakeTree) -> None:
    root = tree({"VERSION": "version: 9\n", "s.morph": "name: s\nkind: stratum\nchunks: []\n"})
    assert told(validate(root)) == ["s.morph:3:1: error: stratum s has no chunks"]


def test_what_is_broken_hides_nothing_else(tree: MakeTree) -> None:
    definitions = load(tree({**SOUND, "chunks/zlib.morph": "name: zlib\nkind: chunk\nfoo: 1\n"}))
    base = definitions.selected(definitions.system("small").strata[0])
    with pytest.raises(DefinitionErrors) as caught:
        definitions.chunk_of(base.chunks[0])
    assert told(caught.value.faults) == ['chunks/zlib.morph:3:1: error: unknown field "foo" in a chunk']
    assert definitions.chunk_of(base.chunks[1]).body is base.chunks[1]


def test_chunk_files_of_formats_0_and_1_may_be_in_their_repository(tree: MakeTree) -> None:
    stratum = """
        name: s
        kind: stratum
        chunks:
        - {name: a, repo: r, ref: x, morph: a.morph, build-mode: bootstrap}
        - {name: b, repo: r, ref: x}
        - {name: c, repo: r, ref: x}
    """
    definitions = load(tree({"s.morph": stratum, "c.morph": "name: c\nkind: chunk\n"}))
    assert definitions.format.number == 0
    a, b, c = (definitions.chunk_of(entry) for entry in definitions.stratum("s").chunks)
    assert (a.file, a.body) == ("a.morph", None)
    assert (b.file, b.body) == ("b.morph", None)
    assert c.body is not None
    chunk = definitions.chunk_from("a.morph", b"name: a\nkind: chunk\nbuild-system: autotools\n")
    assert chunk.build_system == "autotools"
    with pytest.raises(DefinitionErrors):
        definitions.chunk_from("a.morph", b"name: a\nkind: stratum\nchunks: []\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 12\n", "VERSION:1:10: error: format 12 is not known to this version of lithify"),
        ("version: '8'\n", 'VERSION:1:10: error: "version" must be a whole number, not "8"'),
        ("version: 0x8\n", 'VERSION:1:10: error: "version" must be a whole number, not "0x8"'),
        ("version: -1\n", 'VERSION:1:10: error: "version" must be a whole number, not "-1"'),
        ("8\n", "VERSION:1:1: error: the file must hold a mapping"),
        ("verion: 8\n", 'VERSION:1:1: error: missing field "version"'),
        ("", "VERSION:1:1: error: the file is empty"),
    ],
)
def test_a_broken_version_is_the_only_fault(tree: MakeTree, text: str, expected: str) -> None:
    root = tree({"VERSION": text, "x.morph": "["})
    assert told(validate(root)) == [expected]
    with pytest.raises(DefinitionErrors):
        load(root)


def test_a_broken_defaults_file_is_one_fault_among_others(tree: MakeTree) -> None:
    root = tree({**SOUND, "DEFAULTS": "build-system: {}\n", "x.morph": "["})
    faults = told(validate(root))
    assert faults[0] == 'DEFAULTS:1:1: error: unknown field "build-system" in a DEFAULTS file'
    assert faults[1].startswith("x.morph:2:1: error: did not find expected node content")
    with pytest.raises(DefinitionErrors):
        _ = load(root).defaults


def test_import_cannot_be_redefined(tree: MakeTree) -> None:
    root = tree({"VERSION": "version: 9\n", "DEFAULTS": "build-systems: {import: {}}\n"})
    assert "cannot be defined anew" in told(validate(root))[0]


def test_files_that_lead_out_of_the_tree_are_not_read(tree: MakeTree, tmp_path: Path) -> None:
    (tmp_path / "secret.morph").write_text("name: secret\nkind: chunk\n")
    root = tree({"VERSION": "version: 9\n", "inside/x.morph": "name: x\nkind: chunk\n"})
    (root / "link.morph").symlink_to(tmp_path / "secret.morph")
    (root / "folder").symlink_to(tmp_path)
    (root / "good.morph").symlink_to("inside/x.morph")
    (root / "loop.morph").symlink_to("loop.morph")
    (root / "gone.morph").symlink_to("nowhere")
    os.mkfifo(root / "fifo.morph")
    (root / "dir.morph").mkdir()
    definitions = load(root)
    assert definitions.chunk("good.morph").name == "x"
    assert definitions.loaded("folder/secret.morph") is not None
    with pytest.raises(DefinitionErrors):
        definitions.chunk("folder/secret.morph")
    assert told(validate(root)) == [
        "fifo.morph:1:1: error: cannot be read: fifo.morph is not a regular file",
        "link.morph:1:1: error: cannot be read: link.morph leads out of the definitions",
        "loop.morph:1:1: error: cannot be read: Too many levels of symbolic links",
    ]


def test_hidden_folders_and_other_trees_are_left_out(tree: MakeTree) -> None:
    root = tree(
        {
            **SOUND,
            ".git/x.morph": "[",
            "examples/other/VERSION": "version: 8\n",
            "examples/other/x.morph": "[",
        }
    )
    assert validate(root) == ()


def test_the_root_is_the_nearest_folder_with_a_version(tmp_path: Path) -> None:
    inner = tmp_path / "work/definitions/strata"
    inner.mkdir(parents=True)
    (tmp_path / "VERSION").write_text("version: 8\n")
    assert find_root(inner) == tmp_path
    (tmp_path / "work/.git").mkdir()
    assert find_root(inner) == tmp_path / "work"
    (tmp_path / "work/definitions/VERSION").write_text("version: 9\n")
    assert find_root(inner) == tmp_path / "work/definitions"
    (tmp_path / "VERSION").unlink()
    with pytest.raises(LithifyError) as caught:
        find_root(tmp_path / "elsewhere")
    assert "no definitions at or above" in caught.value.message


def test_files_of_a_commit_are_read_like_those_on_disk() -> None:
    class Commit:
        files: dict[str, bytes] = {"VERSION": b"version: 9\n", "x.morph": b"name: x\nkind: chunk\n"}  # noqa: RUF012
        unreadable: dict[str, str] = {}  # noqa: RUF012

        def read(self, name: str) -> bytes:
            if name not in self.files:
                raise FileNotFoundError(name)
            return self.files[name]

        def exists(self, name: str) -> bool:
            return name in self.files

        def names(self) -> list[str]:
            return [name for name in self.files if name.endswith(".morph")]

    definitions = load(Path("/nowhere"), read=Commit())
    assert isinstance(definitions, Definitions)
    assert definitions.chunk("x").name == "x"
    assert validate(Path("/nowhere"), read=Commit()) == ()
