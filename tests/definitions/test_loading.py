"""A file that is wrong gets all its faults, each at its place, in the words of the language."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from lithify.definitions.formats import FORMATS
from lithify.definitions.loading import Loaded, load_defaults, load_file
from lithify.definitions.model import (
    ArchiveSource,
    ChunkFile,
    ClusterFile,
    DebianBinaries,
    DebianSourcePackage,
    GitSource,
    LocalSource,
    PatchSource,
    PypiSource,
    StratumFile,
    SystemFile,
)
from tests.definitions.conftest import told


def _load(text: str, number: int = 9) -> Loaded:
    return load_file("x.morph", textwrap.dedent(text).lstrip("\n").encode(), FORMATS[number])


def _faults(text: str, number: int = 9) -> list[str]:
    return [line.removeprefix("x.morph:") for line in told(_load(text, number).faults)]


def _hints(text: str, number: int = 9) -> list[str]:
    return [fault.hint for fault in _load(text, number).faults]


def test_a_whole_chunk() -> None:
    chunk = _load("""
        name: libstdc++
        kind: chunk
        description:
        - one
        - two
        build-system: autotools
        max-jobs: 1
        pre-configure-commands:
        - 010
        - !!binary "/w=="
        post-install-commands: []
        products:
        - artifact: libstdc++-rest
          include: [usr/.*]
        system-integration:
          libstdc++-libs:
            00-x:
            - ldconfig
        devices:
        - {type: c, filename: /dev/console, permissions: 0600, major: 5, minor: 1, uid: 0, gid: 0}
        environment: {A: 010, B: yes}
        resources: {memory: 2G, jobs: 3}
        timeout: 30m
        keep-git: yes
        licence: GPL-2.0-only
    """).file
    assert isinstance(chunk, ChunkFile)
    assert chunk.description == "one\ntwo"
    assert chunk.commands == {"pre-configure": ("010", b"\xff"), "post-install": ()}
    assert chunk.max_jobs == 1
    assert chunk.products[0].include == ("usr/.*",)
    assert chunk.system_integration == {"libstdc++-libs": {"00-x": ("ldconfig",)}}
    assert chunk.devices[0].permissions == 0o600
    assert chunk.environment == {"A": "010", "B": "yes"}
    assert (chunk.resources.memory, chunk.resources.jobs) == (2 << 30, 3)
    assert chunk.timeout == 1800.0
    assert chunk.keep_git is True
    assert chunk.compiler_cache is False


def test_every_kind_of_source() -> None:
    chunk = _load("""
        name: x
        kind: chunk
        sources:
        - {kind: git, url: "upstream:x", ref: master, submodules: {b: {url: u}, a: {url: v}}}
        - {kind: archive, url: "https://e.invalid/x.tar", strip: 0, into: below/it}
        - {kind: debian-source, package: zlib, suite: bookworm, patches: no}
        - {kind: debian, packages: [gcc, libstdc++-12-dev], suite: trixie, arch: arm64, recommends: yes}
        - {kind: pypi, project: x, version: 1.10}
        - {kind: local, path: files/x}
        - {kind: patch, path: patches/x, strip: 2}
    """).file
    assert isinstance(chunk, ChunkFile)
    assert chunk.sources == (
        GitSource(url="upstream:x", ref="master", submodules=(("a", "v"), ("b", "u"))),
        ArchiveSource(url="https://e.invalid/x.tar", strip=0, into="below/it"),
        DebianSourcePackage(package="zlib", suite="bookworm", patches=False),
        DebianBinaries(packages=("gcc", "libstdc++-12-dev"), suite="trixie", arch="arm64", recommends=True),
        PypiSource(project="x", version="1.10"),
        LocalSource(path="files/x"),
        PatchSource(path="patches/x", strip=2),
    )


def test_deployment_variables_are_what_yaml_says_they_are() -> None:
    text = """
        name: c
        kind: cluster
        systems:
        - morph: s.morph
          deploy:
            one:
              type: tar
              location: one.tar
              upgrade-type: x
              A: yes
              B: 010
              C: 12:30:45
              D: ~
              E: [1, two]
              F: 1.5
              G: {a: 0x1F}
              H: 2016-01-01
              I: "yes"
              type_of: x
    """
    file = _load(text, 8).file
    assert isinstance(file, ClusterFile)
    classic = file.systems[0].deploy["one"]
    assert (classic.type, classic.location, classic.upgrade_type) == ("tar", "one.tar", "x")
    expected: dict[str, Any] = {
        "A": True,
        "B": 8,
        "C": 45045,
        "D": None,
        "E": (1, "two"),
        "F": 1.5,
        "G": {"a": 31},
        "H": "2016-01-01",
        "I": "yes",
        "type_of": "x",
    }
    assert classic.values == expected
    file = _load(text, 9).file
    assert isinstance(file, ClusterFile)
    assert file.systems[0].deploy["one"].values == {
        **expected,
        "B": "010",
        "C": "12:30:45",
        "G": {"a": "0x1F"},
    }


def test_deployment_may_have_null_type_and_location() -> None:
    file = _load(
        "name: c\nkind: cluster\nsystems: [{morph: s, deploy: {a: {type: , location: ~}}}]\n", 8
    ).file
    assert isinstance(file, ClusterFile)
    assert file.systems[0].deploy["a"].location is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\n", '1:1: error: missing field "kind"'),
        ("name: x\nkind: chnk\n", '2:7: error: unknown kind "chnk"'),
        ("name: x\nkind: [chunk]\n", '2:7: error: "kind" must be text, not a list'),
        ("kind: chunk\n", '1:1: error: missing field "name"'),
        ("kind: chunk\nname:\n", '2:1: error: field "name" has no value'),
        ("kind: chunk\nname: [x]\n", '2:7: error: "name" must be text, not a list'),
        (
            "kind: chunk\nname: a/b\n",
            '2:7: error: "name": "a/b" is no name',
        ),
        (
            "kind: chunk\nname: x\nbuild-commands: make\n",
            '3:17: error: "build-commands" must be a list, not "make"',
        ),
        (
            "kind: chunk\nname: x\nbuild-commands:\n- make\n- {a: b}\n",
            '5:3: error: item 2 of "build-commands" must be text, not a mapping',
        ),
        ("kind: chunk\nname: x\nconfigure-comands: []\n", '3:1: error: unknown field "configure-comands" in a chunk'),
        (
            "kind: chunk\nname: x\nproducts: [{artifact: a, include: ['(']}]\n",
            '3:36: error: item 1 of "include": "(" is no regular expression: missing ), unterminated subpattern at position 0',
        ),
        (
            "kind: chunk\nname: x\nproducts: [{artifact: a, include: [], c: d}]\n",
            '3:39: error: unknown field "c" in a split rule',
        ),
        (
            "kind: chunk\nname: x\nsources: [{kind: svn}]\n",
            '3:18: error: unknown kind of source "svn"',
        ),
        ("kind: chunk\nname: x\nsources: [{url: x}]\n", '3:11: error: missing field "kind"'),
        ("kind: chunk\nname: x\nsources: [x]\n", '3:11: error: item 1 of "sources" must be a mapping, not "x"'),
        (
            "kind: chunk\nname: x\nsources: [{kind: local, path: ../x}]\n",
            '3:31: error: "path": "../x" leads out of its folder',
        ),
        (
            "kind: chunk\nname: x\nsources: [{kind: git, url: x}]\n",
            '3:11: error: item 1 of "sources" must have either "ref" or "track"',
        ),
        (
            "kind: chunk\nname: x\nsources: [{kind: archive, url: 'ext::sh -c x'}]\n",
            '3:32: error: "url": "ext::sh -c x" names a program to run, not a repository',
        ),
        (
            "kind: chunk\nname: x\nsources: [{kind: debian, packages: [], suite: x}]\n",
            '3:36: error: "packages" must not be empty',
        ),
        (
            "kind: chunk\nname: x\nsources: [{kind: debian, packages: [A_b], suite: x}]\n",
            '3:37: error: item 1 of "packages" is no such name: "A_b"',
        ),
        ("kind: chunk\nname: x\nmax-jobs: 010\n", '3:11: error: "max-jobs" must be a whole number, not "010"'),
        ("kind: chunk\nname: x\nkeep-git: maybe\n", '3:11: error: "keep-git" must be yes or no, not "maybe"'),
        (
            "kind: chunk\nname: x\nresources: {memory: big}\n",
            '3:21: error: "memory" must be a size such as 512M or 4G, not "big"',
        ),
        ("kind: chunk\nname: x\ntimeout: 0\n", '3:10: error: "timeout" must be a time such as 90s, 30m or 2h, not "0"'),
        (
            "kind: chunk\nname: x\nenvironment: {a-b: c}\n",
            '3:14: error: "environment" has "a-b", which is no name of a variable',
        ),
        (
            "kind: chunk\nname: x\ndevices: [{type: d, filename: /x, permissions: 9, major: 1, minor: 1}]\n",
            '3:18: error: "type" must be "c" or "b", not "d"',
        ),
        (
            "kind: system\nname: x\narch: x86_64\nstrata: []\n",
            '4:9: error: "strata" must not be empty',
        ),
        (
            "kind: system\nname: x\narch: x86_64\nstrata: [{morph: /etc/x}]\n",
            '4:18: error: "morph": "/etc/x" is an absolute path',
        ),
        (
            "kind: system\nname: x\narch: x86_64\nstrata: [{morph: a}]\noverlaps: {usr/*: never}\n",
            '5:11: error: "overlaps" must be warn, refuse or allow, not "never"',
        ),
        (
            "kind: stratum\nname: x\nchunks: [{name: a, repo: -x, ref: y}]\n",
            '3:26: error: "repo": "-x" would be taken for an option',
        ),
        (
            "kind: stratum\nname: x\nchunks: [{name: a, build-mode: stagin}]\n",
            '3:32: error: "build-mode" must be "staging", "bootstrap" or "test", not "stagin"',
        ),
        ("kind: cluster\nname: x\nsystems: {}\n", '3:10: error: "systems" must be a list, not a mapping'),
    ],
)  # fmt: skip
def test_faults_and_their_places(text: str, expected: str) -> None:
    assert expected in _faults(text)


def test_hints_say_what_to_do() -> None:
    assert _hints("name: x\nkind: chnk\n") == ['did you mean "chunk"?']
    assert _hints("kind: chunk\nname: x\nconfigure-comands: []\n")[0].startswith(
        'did you mean "configure-commands"'
    )
    assert _hints("kind: chunk\nname: x\nsources: [{kind: debain, packages: [x], suite: y}]\n") == [
        'did you mean "debian"?'
    ]
    assert _hints("kind: stratum\nname: x\nchunks: [{name: a, build-mode: stagin}]\n") == [
        'did you mean "staging"?'
    ]


def test_all_faults_of_a_file_are_told_at_once() -> None:
    faults = _faults("""
        name: [x]
        kind: stratum
        chunks:
        - name: a
          build-mode: no
          unpetrify: x
        - ref: [1]
        products: [{artifact: x}]
    """)
    assert faults == [
        '1:7: error: "name" must be text, not a list',
        '5:15: error: "build-mode" must be "staging", "bootstrap" or "test", not "no"',
        '7:3: error: missing field "name"',
        '7:8: error: "ref" must be text, not a list',
        '8:12: error: missing field "include"',
        '6:3: error: unknown field "unpetrify" in a chunk entry',
    ]


def test_a_great_many_faults_are_cut_off() -> None:
    loaded = load_file("x", b"name: x\nkind: stratum\nchunks: [" + b"{}," * 5000 + b"]\n", FORMATS[9])
    assert 200 <= len(loaded.faults) <= 202
    assert loaded.faults[-1].message == "the file holds too many faults to tell all of them"


def test_of_a_great_many_faults_each_says_what_it_is_about() -> None:
    text = b"name: x\nkind: chunk\nsources: [" + b"{kind: git, url: a}," * 5000 + b"]\n"
    messages = [fault.message for fault in load_file("x", text, FORMATS[9]).faults]
    assert messages == [
        *(f'item {item} of "sources" must have either "ref" or "track"' for item in range(1, 201)),
        "the file holds too many faults to tell all of them",
    ]


@pytest.mark.parametrize(("number", "severity"), [(0, "warning"), (8, "warning"), (9, "error")])
def test_keys_that_stand_twice(number: int, severity: str) -> None:
    loaded = _load("kind: chunk\nname: x\nname: y\n", number)
    (fault,) = loaded.faults
    assert fault.severity == severity
    assert fault.place.line == 3
    assert fault.related[0][0].line == 2
    assert isinstance(loaded.file, ChunkFile)
    assert loaded.file.name == "y"


def test_a_null_field_is_a_field_that_is_not_there() -> None:
    file = _load(
        "kind: stratum\nname: x\nbuild-depends: ~\nproducts:\nchunks: [{name: a, artifacts: }]\n"
    ).file
    assert isinstance(file, StratumFile)
    assert file.build_depends is None
    assert file.products == ()
    assert file.chunks[0].artifacts == {}


def test_overlaps_of_a_system() -> None:
    head = "kind: system\nname: x\narch: x86_64\nstrata: [{morph: a}]\n"
    for text, expected in (
        ("", (("**", "warn"),)),
        ("overlaps: refuse\n", (("**", "refuse"),)),
        ("overlaps: {etc/*: allow, '**': refuse}\n", (("etc/*", "allow"), ("**", "refuse"))),
    ):
        file = _load(head + text).file
        assert isinstance(file, SystemFile)
        assert file.overlaps == expected


def test_defaults_file() -> None:
    text = b"build-systems: {own: {build-commands: [make], test-commands: []}}\n"
    file, faults = load_defaults("DEFAULTS", text, FORMATS[8])
    assert told(faults) == ['DEFAULTS:1:47: error: unknown field "test-commands" in a build system']
    assert file is not None
    assert file.build_systems["own"].commands["build"] == ("make",)
