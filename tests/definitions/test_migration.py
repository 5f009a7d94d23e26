"""Each step of ``migrate``: what it changes, what it says of it, and that every chunk is built as before."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lithify.definitions.builtin import SIGNS, classic, detect_build_system
from lithify.definitions.defaults import effective_defaults
from lithify.definitions.formats import FORMATS
from lithify.definitions.loading import load_defaults
from lithify.definitions.migration.defaults_text import defaults_text
from lithify.definitions.migration.detection import DETECT, detecting
from lithify.definitions.migration.files import changed_files, read_texts, write_texts
from lithify.definitions.migration.lifting import STEPS, Lifted, lift, step
from lithify.definitions.migration.texts import Texts
from lithify.errors import LithifyError
from lithify.graph.model import SystemGraph
from lithify.graph.resolve import resolve
from lithify.graph.validation import faults_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SYSTEM = """
    name: demo
    kind: system
    arch: x86_64
    strata:
    - morph: strata/core.morph
    """


def texts(version: int | None, files: Mapping[str, str], *others: str) -> Texts:
    made = {name: textwrap.dedent(text).lstrip("\n") for name, text in files.items()}
    if version is not None:
        made["VERSION"] = f"version: {version}\n"
    return Texts(files=made, others=frozenset(others))


def stratum(chunks: str, head: str = "") -> str:
    own = textwrap.indent(textwrap.dedent(chunks).strip("\n"), "")
    return f"name: core\nkind: stratum\n{head}chunks:\n{own}\n"


def told(lifted: Lifted, *, is_open: bool) -> list[str]:
    return [
        f"{note.place.file}:{note.place.line}: {note.message}"
        for note in lifted.notes
        if note.is_open == is_open
    ]


def graph_of(tree: Texts) -> SystemGraph:
    return resolve(tree.definitions(), "systems/demo.morph")


def meaning(graph: SystemGraph) -> dict[str, Any]:
    """Return what a migration must not change, of all chunks whose build system is known."""
    return {
        "chunks": {
            name: (
                chunk.commands if not chunk.unresolved and chunk.build_system != DETECT else None,
                chunk.sources,
                chunk.build_depends,
                chunk.stratum_depends,
                chunk.build_mode,
                chunk.prefix,
                [(rule.artifact, rule.include) for rule in chunk.split_rules if rule.include],
                chunk.integration,
                chunk.devices,
                chunk.environment,
                chunk.max_jobs,
            )
            for name, chunk in graph.chunks.items()
        },
        "strata": {name: (one.build_depends, one.chunks) for name, one in graph.strata.items()},
        "system": (graph.system.arch, [(one.chunk, one.artifact) for one in graph.system.selected]),
    }


# What each step does


def test_omitted_build_depends_are_named() -> None:
    chunks = f"""
        - {{name: a, repo: x, ref: {COMMIT}, build-system: manual}}
        - name: "b 1"
          repo: x
          ref: {COMMIT}
          build-system: manual   # of b
          build-depends:

        # about c
        - name: c
          repo: x
          ref: {COMMIT}
          build-system: manual
        - {{name: d, repo: x, ref: {COMMIT}, build-depends: [a], build-system: manual}}
        """
    tree = texts(
        None,
        {"strata/core.morph": stratum(chunks, head="build-depends: []\n"), "systems/demo.morph": SYSTEM},
    )
    after = step(tree, 1).texts
    assert after.files["VERSION"] == "version: 1\n"
    entries = yaml.safe_load(after.files["strata/core.morph"])["chunks"]
    assert [entry.get("build-depends") for entry in entries] == [None, ["a"], ["a", "b 1"], ["a"]]
    assert "build-system: manual   # of b\n" in after.files["strata/core.morph"]
    assert "\n\n# about c\n- name: c\n" in after.files["strata/core.morph"]
    assert meaning(graph_of(after)) == meaning(graph_of(tree))


def test_chunk_files_in_repositories_are_listed() -> None:
    chunks = f"- {{name: a, repo: upstream:a, ref: {COMMIT}, morph: a.morph}}"
    tree = texts(1, {"strata/core.morph": stratum(chunks, head="build-depends: []\n")})
    lifted = lift(tree, 2)
    assert told(lifted, is_open=True) == [
        'strata/core.morph:5: chunk "a": its file "a.morph" is in its own repository, upstream:a'
    ]
    assert changed_files(tree, lifted.texts) == ["VERSION"]


def test_extensions_of_morph_are_listed_once() -> None:
    own = "configuration-extensions:\n- set-hostname\n- extensions/own\n"
    files = {f"systems/{name}.morph": textwrap.dedent(SYSTEM) + own for name in ("demo", "other")}
    lifted = lift(texts(4, files, "extensions/own.configure"), 5)
    missing = 'the configuration extension "set-hostname" came with morph, and the definitions do not have it'
    assert told(lifted, is_open=True) == [f"systems/demo.morph:7: {missing}"]


UNTOLD = f"""
    - name: a
      repo: upstream:a
      ref: {COMMIT}
    - name: b
      repo: upstream:b
      ref: {COMMIT}
    """


def test_what_was_looked_up_is_said() -> None:
    files = {
        "strata/core.morph": stratum(UNTOLD, head="build-depends: []\n"),
        "systems/demo.morph": SYSTEM,
        "a.morph": "name: a\nkind: chunk\nbuild-system: autotools\n",
    }
    lifted = lift(texts(5, files), 9)
    entries = yaml.safe_load(lifted.texts.files["strata/core.morph"])["chunks"]
    assert [(entry.get("morph"), entry.get("build-system")) for entry in entries] == [
        ("a.morph", None),
        (None, DETECT),
    ]
    asked = [note for note in lifted.notes if note.is_open]
    assert [(note.place.line, note.place.source_line) for note in asked] == [(9, "- name: b")]
    assert [fault for fault in faults_of(lifted.texts.definitions()) if fault.severity == "error"] == []
    before, after = graph_of(texts(5, files)), graph_of(lifted.texts)
    assert after.chunks["a"].commands == before.chunks["a"].commands
    assert dict(after.chunks["b"].commands)["strip"] == dict(after.chunks["a"].commands)["strip"]


@pytest.mark.parametrize("strips", [False, True])
def test_the_built_in_defaults_are_written_as_they_are(strips: bool) -> None:
    file, faults = load_defaults("DEFAULTS", defaults_text(classic(strips=strips)).encode(), FORMATS[7])
    assert faults == ()
    written, built_in = effective_defaults(FORMATS[7], file), classic(strips=strips)
    assert (written.chunk_rules, written.stratum_rules) == (built_in.chunk_rules, built_in.stratum_rules)
    for name, commands in built_in.build_systems.items():
        said = {step: list(own) for step, own in written.build_systems[name].items()}
        assert said == {step: list(own) for step, own in commands.items() if step != "test"}


@pytest.mark.parametrize("version", [4, 5])
def test_a_build_system_strips_where_it_did(version: int) -> None:
    chunks = f"- {{name: a, repo: upstream:a, ref: {COMMIT}, build-system: autotools, build-depends: []}}"
    tree = texts(
        version,
        {
            "strata/core.morph": stratum(chunks, head="build-depends: []\n"),
            "systems/demo.morph": SYSTEM,
        },
    )
    at_once = lift(tree).texts
    assert at_once == lift(lift(tree, 6).texts).texts
    commands = dict(graph_of(at_once).chunks["a"].commands)
    assert ("strip" in commands) == (version >= 5)
    assert meaning(graph_of(at_once)) == meaning(graph_of(tree))


def test_a_defaults_file_that_was_not_read_is_left_and_told() -> None:
    lifted = lift(texts(3, {"DEFAULTS": "build-systems: {}\n"}), 7)
    assert lifted.texts.files["DEFAULTS"] == "build-systems: {}\n"
    assert told(lifted, is_open=True) == ["DEFAULTS:1: this file was not read before, and is from now on"]


def test_old_names_and_obsolete_fields_go() -> None:
    system = """
        name: demo
        kind: system
        arch: armv7   # an old one
        system-kind: rootfs-tarball
        disk-size: 1G
        strata:
        - repo: baserock:definitions
          ref: master
          morph: strata/core.morph
        """
    core = f"""
        name: core
        kind: stratum
        build-depends: []
        chunks:
        - {{name: a, repo: upstream:a, ref: {COMMIT}, build-system: dummy, test-command: [x]}}
        """
    files = {"systems/demo.morph": system, "strata/core.morph": core}
    lifted = lift(texts(6, files))
    assert lifted.texts.files["systems/demo.morph"] == (
        "name: demo\nkind: system\narch: armv7l   # an old one\nstrata:\n- morph: strata/core.morph\n"
        "classic-os-release: yes\n"
    )
    assert "test-command" not in lifted.texts.files["strata/core.morph"]
    assert [line for line in told(lifted, is_open=False) if line.startswith("systems")] == [
        "systems/demo.morph:3: arch armv7 is called armv7l",
        'systems/demo.morph:4: field "system-kind", which was ignored, is gone',
        'systems/demo.morph:4: field "disk-size", which was ignored, is gone',
        "systems/demo.morph:1: the system says that it has morph's os-release",
        'systems/demo.morph:5: field "repo", which was ignored, is gone',
        'systems/demo.morph:5: field "ref", which was ignored, is gone',
    ]


def test_what_was_ignored_gets_no_meaning() -> None:
    chunks = f"""
        - name: a
          repo: upstream:a
          ref: {COMMIT}
          build-system: autotools
          submodules:
            lib: {{url: upstream:lib}}
          unpretrify-ref: master
          build-commands:
          - rm -rf /
          description: what it is
        """
    files = {
        "strata/core.morph": stratum(chunks, head="build-depends: []\n"),
        "systems/demo.morph": SYSTEM,
        "DEFAULTS": defaults_text(classic(strips=True)),
    }
    tree = texts(7, files)
    lifted = lift(tree)
    after = lifted.texts.files["strata/core.morph"]
    assert "  # submodules:\n  #   lib: {url: upstream:lib}\n  # unpretrify-ref: master\n" in after
    assert "  # build-commands:\n  # - rm -rf /\n  description: what it is\n" in after
    assert meaning(graph_of(lifted.texts)) == meaning(graph_of(tree))
    assert faults_of(lifted.texts.definitions()) == ()


def test_of_fields_that_stand_twice_the_last_one_stays() -> None:
    files = {
        "a.morph": "name: a\nkind: chunk\nbuild-system: cmake  # no\nbuild-system: autotools\n",
        "DEFAULTS": defaults_text(classic(strips=True)),
    }
    lifted = lift(texts(8, files))
    assert lifted.texts.files["a.morph"] == (
        "name: a\nkind: chunk\n# build-system: cmake  # no\nbuild-system: autotools\n"
    )
    assert faults_of(lifted.texts.definitions()) == ()


def test_what_is_not_pinned_is_listed() -> None:
    chunks = f"""
        - {{name: a, repo: upstream:a, ref: master, build-system: manual}}
        - {{name: b, repo: upstream:b, ref: {COMMIT}, build-system: manual}}
        """
    tree = texts(8, {"strata/core.morph": stratum(chunks), "DEFAULTS": defaults_text(classic(strips=True))})
    assert told(lift(tree), is_open=True) == [
        'strata/core.morph:4: chunk "a": its ref "master" is no commit, and not pinned yet'
    ]


def test_integration_that_never_ran_becomes_a_comment() -> None:
    chunks = f"""
        - {{name: a, repo: upstream:a, ref: {COMMIT}, morph: a.morph}}
        - {{name: b, repo: upstream:b, ref: {COMMIT}, morph: a.morph}}
        """
    files = {
        "strata/core.morph": stratum(chunks, head="build-depends: []\n"),
        "systems/demo.morph": SYSTEM,
        "a.morph": """
            name: a
            kind: chunk
            system-integration:
              c-misc:
                00-x:
                - echo x
              a-misc:
                00-x:
                - echo y
            """,
        "DEFAULTS": defaults_text(classic(strips=True)),
    }
    lifted = lift(texts(8, files))
    assert "  # c-misc:\n  #   00-x:\n  #   - echo x\n  a-misc:\n" in lifted.texts.files["a.morph"]
    assert 'no split rule of chunk "b" makes the artifact "a-misc" that has integration commands' in str(
        told(lifted, is_open=True)
    )


def test_numbers_are_written_as_they_were_read() -> None:
    cluster = """
        name: c
        kind: cluster
        systems:
        - morph: systems/demo.morph
          deploy:
            one:
              type: tar
              location: 010
              MODE: 0644
              TIME: 12:30   # twelve thirty
              LIST: [1_000, 10, '010', .inf]
              DATE: 2015-01-01
              RATE: 1.5
        """
    tree = texts(8, {"clusters/c.morph": cluster, "DEFAULTS": defaults_text(classic(strips=True))})
    lifted = lift(tree)
    after = lifted.texts.files["clusters/c.morph"]
    assert after == textwrap.dedent(cluster).lstrip("\n").replace("0644", "420").replace(
        "12:30 ", "750 "
    ).replace("1_000", "1000").replace(".inf", "inf")
    values = [
        tree.definitions().cluster("clusters/c.morph").systems[0].deploy["one"].values
        for tree in (tree, lifted.texts)
    ]
    assert {name: str(value) for name, value in values[0].items()} == {
        name: str(value).replace("'inf'", "inf") for name, value in values[1].items()
    }


def test_the_own_split_rules_hold() -> None:
    chunks = f"- {{name: a, repo: upstream:a, ref: {COMMIT}, build-system: manual}}"
    files = {
        "strata/core.morph": stratum(chunks, head="build-depends: []\n"),
        "systems/demo.morph": SYSTEM,
    }
    own = {
        "none": {},
        "one": {"DEFAULTS": "# own\nbuild-systems: {}\n"},
        "some": {
            "DEFAULTS": """
                split-rules:
                  chunk:
                    - artifact: -bins
                      include:
                        - bin/.*
                    - artifact: -misc
                      include: [.*]
                  # of strata
                  stratum:
                  - artifact: -runtime
                    include:
                    - .*
                """
        },
    }
    for defaults in own.values():
        tree = texts(8, {**files, **defaults})
        lifted = lift(tree)
        assert told(lifted, is_open=True) == []
        assert meaning(graph_of(lifted.texts))["chunks"] == meaning(graph_of(tree))["chunks"]
        chosen = [
            [(one.stratum_artifact, one.artifact) for one in graph_of(one).system.selected]
            for one in (tree, lifted.texts)
        ]
        assert set(chosen[0]) <= set(chosen[1])
        assert [fault for fault in faults_of(lifted.texts.definitions()) if fault.severity == "error"] == []


def test_a_build_system_called_import_gets_another_name() -> None:
    chunks = f"- {{name: a, repo: upstream:a, ref: {COMMIT}, build-system: import}}"
    defaults = defaults_text(classic(strips=True)).replace("  qmake:\n", "  import:\n")
    files = {
        "strata/core.morph": stratum(chunks, head="build-depends: []\n"),
        "systems/demo.morph": SYSTEM,
        "DEFAULTS": defaults,
    }
    tree = texts(8, files)
    lifted = lift(tree)
    assert meaning(graph_of(lifted.texts)) == meaning(graph_of(tree))
    assert faults_of(lifted.texts.definitions()) == ()


def test_a_broken_file_is_left_and_told() -> None:
    lifted = lift(texts(8, {"a.morph": "name: [\n", "DEFAULTS": defaults_text(classic(strips=True))}))
    assert lifted.texts.files["a.morph"] == "name: [\n"
    assert len(told(lifted, is_open=True)) == 1


def test_a_tree_in_the_goal_or_later_stays() -> None:
    tree = texts(9, {"systems/demo.morph": SYSTEM})
    assert lift(tree) == Lifted(texts=tree, notes=())
    assert lift(tree, 3) == Lifted(texts=tree, notes=())


# The build system that looks at the files


@pytest.mark.parametrize(
    "name", ["configure.in", "autogen", "setup.py", "Makefile.PL", "CMakeLists.txt", "x.pro", "x"]
)
def test_looking_when_building_does_what_was_found_by_looking(name: str, tmp_path: Path) -> None:
    """Every program that the commands call writes down its arguments."""
    systems = classic(strips=False).build_systems
    programs = ("autoreconf", "make", "python", "perl", "cmake", "qmake")
    (tmp_path / "bin").mkdir()
    for path in [*(tmp_path / "bin" / program for program in programs)]:
        path.write_text('#!/bin/sh\necho "${0##*/} $*" >>"$LOG"\n')
        path.chmod(0o755)
    found = detect_build_system([name]) or "manual"
    ran = {
        how: [_run(commands, step, name, tmp_path) for step in ("configure", "build", "install")]
        for how, commands in (("found", systems[found]), ("looks", detecting(systems, strips=False)))
    }
    assert ran["found"] == ran["looks"]
    assert any(ran["found"]) == (found != "manual")


def _run(commands: Mapping[str, Any], step: str, name: str, folder: Path) -> str:
    source, log = folder / "source", folder / "log"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for path in {name, "configure"} if name in SIGNS[0][1] else {name}:
        (source / path).write_text(f'#!/bin/sh\necho "./{path} $*" >>"$LOG"\n')
        (source / path).chmod(0o755)
    log.write_text("")
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "LOG": str(log),
        "PREFIX": "/usr",
        "DESTDIR": "/inst",
    }
    for command in commands.get(step, ()):
        subprocess.run(["sh", "-e", "-c", command], cwd=source, env=environment, check=True)
    return log.read_text()


# Laws

NAMES = st.sampled_from(["a", "b", "libstdc++", "x-1.0"])


@st.composite
def entries(draw: st.DrawFn, name: str, earlier: list[str], *, detected: bool) -> str:
    """Draw a chunk entry, laid out in one of several ways; ``detected``: it may leave out how it is built."""
    fields: dict[str, Any] = {"name": name, "repo": f"upstream:{name}", "ref": COMMIT}
    how = draw(st.sampled_from(["build-system", "morph", *(["not said"] if detected else [])]))
    if how == "build-system":
        fields["build-system"] = draw(st.sampled_from(["autotools", "manual", "cmake", "cpan"]))
    elif how == "morph":
        fields["morph"] = draw(st.sampled_from([f"chunks/{name}.morph", "lost.morph"]))
    if draw(st.booleans()):
        fields["build-depends"] = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
    if draw(st.booleans()):
        fields["build-mode"] = "bootstrap"
    if draw(st.booleans()):
        fields[draw(st.sampled_from(["unpretrify-ref", "submodules", "timeout", "sources", "keep-git"]))] = {
            "sub": {"url": "x:y"}
        }
    order = draw(st.permutations(list(fields)))
    if draw(st.booleans()):
        return "- " + yaml.dump({key: fields[key] for key in order}, default_flow_style=True, width=10000)
    text = ""
    for key in order:
        comment = draw(st.sampled_from(["", "  # why", "\n  # between\n"]))
        value = yaml.dump({key: fields[key]}, default_flow_style=False).rstrip("\n").replace("\n", "\n  ")
        text += f"  {value}{comment if not comment.startswith('  ') or chr(10) not in value else ''}\n"
    return "- " + text[2:]


@st.composite
def trees(draw: st.DrawFn) -> Texts:
    """Draw a tree of one system and one stratum, in some format before 9."""
    names = draw(st.lists(NAMES, min_size=1, unique=True))
    version = draw(st.integers(0, 8))
    chunks = "".join(
        draw(entries(name, names[:index], detected=version < 6)) for index, name in enumerate(names)
    )
    files = {
        f"chunks/{name}.morph": f"# of {name}\nname: {name}\nkind: chunk\n"
        f"build-system: {draw(st.sampled_from(['autotools', 'cmake', 'manual']))}\n"
        f"prefix: /opt\nsystem-integration:\n  {name}-misc: {{00-x: [echo x]}}\n  no-such: {{00-x: [echo y]}}\n"
        for name in names
    }
    files["strata/core.morph"] = f"name: core\nkind: stratum\nbuild-depends: []\nchunks:\n{chunks}"
    files["systems/demo.morph"] = textwrap.dedent(SYSTEM).lstrip("\n")
    if version >= 7:
        files["DEFAULTS"] = defaults_text(classic(strips=draw(st.booleans())))
    return texts(version, files)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees())
def test_every_step_keeps_what_is_known(tree: Texts) -> None:
    number = tree.definitions().format.number
    try:
        known = meaning(graph_of(tree))
    except LithifyError:
        return  # all chunks are in bootstrap mode
    at_once = lift(tree)
    while number < 9:
        number += 1
        tree = step(tree, number).texts
        assert tree.definitions().format.number == number
        if number in (5, 6):
            continue  # there, build systems strip; the next format can say that they do not
        now = meaning(graph_of(tree))
        for name, chunk in known["chunks"].items():
            assert now["chunks"][name][1:] == chunk[1:]
            if chunk[0] is not None:
                assert now["chunks"][name][0] == chunk[0]
        assert (now["strata"], now["system"]) == (known["strata"], known["system"])
    assert at_once.texts == tree
    assert lift(tree) == Lifted(texts=tree, notes=())
    for text, old in ((tree.files[name], old) for name, old in at_once.texts.files.items()):
        assert text.count("# between") == old.count("# between")
    faults = [fault for fault in faults_of(tree.definitions()) if fault.severity == "error"]
    assert all("lost.morph" in fault.message for fault in faults), faults


def test_every_format_has_its_step() -> None:
    assert sorted(STEPS) == [form.number for form in FORMATS[1:]]


# On disk


def test_files_are_written_whole_and_version_last(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "real").mkdir(parents=True)
    (root / "VERSION").write_text("# ours\nversion: 8  # soon 9\n")
    (root / "real/s.morph").write_bytes(textwrap.dedent(SYSTEM).lstrip("\n").replace("\n", "\r\n").encode())
    (root / "real/s.morph").chmod(0o600)
    (root / "s.morph").symlink_to("real/s.morph")
    (root / "bytes.morph").write_bytes(b"name: \xff\n")
    before = read_texts(root)
    after = lift(before).texts
    assert changed_files(before, after)[-1] == "VERSION"
    write_texts(root, before, after)
    assert (root / "VERSION").read_text() == "# ours\nversion: 9  # soon 9\n"
    assert (root / "real/s.morph").read_bytes().endswith(b"strata/core.morph\r\nclassic-os-release: yes\r\n")
    assert (root / "real/s.morph").stat().st_mode & 0o777 == 0o600
    assert (root / "s.morph").is_symlink()
    assert (root / "bytes.morph").read_bytes() == b"name: \xff\n"
    assert sorted(path.name for path in root.iterdir()) == [
        "DEFAULTS",
        "VERSION",
        "bytes.morph",
        "real",
        "s.morph",
    ]
    assert lift(read_texts(root)).notes == ()
