"""Early cut-off stops where content is the same, and only there: each way in which it could stop too early."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from lithify.build.metadata import last_ref
from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.build.test_pipeline import built_chunks
from tests.inside import folder_of
from tests.program import Program, Said, write_files
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow

WORK = """\
name: work
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: odd
  morph: chunks/odd.morph
- name: lib
  morph: chunks/lib.morph
- name: middle
  build-system: manual
  sources: [{kind: local, path: middle}]
  install-commands: ['mkdir -p "$DESTDIR/usr/share" && cp text "$DESTDIR/usr/share/middle"']
  build-depends: [lib]
- name: app
  morph: chunks/app.morph
  build-depends: [middle, odd]
"""
"""app needs middle needs lib; app reads a file of lib, and odd has a device, hard links and an integration command."""


@pytest.fixture
def program() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        tree = small_tree(folder / "definitions")
        write_files(tree, {"strata/work.morph": WORK, "middle/text": "always the same\n"})
        program = Program(folder=folder, definitions=tree)
        program.done("build", "small")
        yield program


def change(program: Program, file: str, old: str, new: str) -> Said:
    """Change a text of the definitions, and build."""
    path = program.definitions / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return program.done("build", "small")


def reused(said: Said) -> set[str]:
    """Return the chunks whose inputs were those of an earlier build."""
    lines = [line for line in said.stderr.splitlines() if ": inputs unchanged" in line]
    return {line.split("] ")[2].split(":")[0] for line in lines} - {"small"}


def system(program: Program) -> tarfile.TarFile:
    target = program.folder / "system.tar"
    target.unlink(missing_ok=True)
    program.done("checkout", "systems/small.morph", str(target), "--tar")
    return tarfile.open(fileobj=io.BytesIO(target.read_bytes()))


def text_of(found: tarfile.TarFile, path: str) -> str:
    (member,) = [one for one in found.getmembers() if one.name.removeprefix("./") == path]
    file = found.extractfile(member)
    assert file is not None
    return file.read().decode()


def member(found: tarfile.TarFile, path: str) -> tarfile.TarInfo:
    (one,) = [one for one in found.getmembers() if one.name.removeprefix("./") == path]
    return one


def metadata(program: Program, chunk: str) -> dict[str, Any]:
    repository = Repository(program.cache / "ostree")
    commit = repository.ref(last_ref("chunk", chunk, "x86_64"))
    assert commit is not None
    return dict(repository.commit(commit).metadata)


def test_a_comment_below_rebuilds_nothing_above(program: Program) -> None:
    said = change(program, "lib/source", "# a comment", "# another one")
    assert built_chunks(said.stderr) == {"lib"}
    assert reused(said) == {"middle", "app"}


SLOW = """\
- name: slow
  build-system: manual
  sources: [{kind: local, path: middle}]
  install-commands:
  - n=0; while [ $n -lt TIMES ]; do n=$((n+1)); done; mkdir -p "$DESTDIR/etc" && echo TIMES > "$DESTDIR/etc/slow"
"""


def test_an_equal_build_needs_no_room(program: Program) -> None:
    """With one chunk at a time, what waits for an equal build does not wait for the long one that took its place."""
    write_files(program.definitions, {"strata/work.morph": WORK + SLOW.replace("TIMES", "1")})
    program.done("build", "small")
    # by its earlier time it is a short one, and the way through lib is longer
    slow = SLOW.replace("TIMES", "200000")
    write_files(program.definitions, {"strata/work.morph": WORK + slow, "lib/source": "# new\nthe library\n"})
    said = program.done("build", "small", "-j", "1", "--events", str(program.folder / "events"))
    events = [json.loads(line) for line in (program.folder / "events").read_text().splitlines()]
    ended = [
        (e["chunk"], e["outcome"]) for e in events if e["event"] == "component-finished" and "chunk" in e
    ]
    assert ended == [
        ("lib", "built"),
        ("middle", "reused"),
        ("app", "reused"),
        ("slow", "built"),
    ], said.stderr


def test_what_is_staged_below_an_equal_chunk_counts(program: Program) -> None:
    """app needs middle needs lib: lib changes, middle comes out equal, and app still sees another lib."""
    before = metadata(program, "middle")["content"]
    said = change(program, "lib/source", "the library", "the changed library")
    assert built_chunks(said.stderr) == {"lib", "middle", "app"}
    assert metadata(program, "middle")["content"] == before
    assert text_of(system(program), "usr/bin/app") == "#!/bin/sh\nthe changed library\n"


def test_a_changed_device_is_changed_content(program: Program) -> None:
    assert member(system(program), "dev/null").mode == 0o666
    said = change(program, "chunks/odd.morph", 'permissions: "666"', 'permissions: "600"')
    assert built_chunks(said.stderr) == {"odd", "app"}
    assert member(system(program), "dev/null").mode == 0o600


def test_a_changed_hard_link_is_changed_content(program: Program) -> None:
    """Two names of one file and two equal files are the same to OSTree: the manifest tells them apart."""
    assert {member(system(program), f"usr/share/odd/{name}").type for name in ("one", "hard")} == {
        tarfile.REGTYPE,
        tarfile.LNKTYPE,
    }
    said = change(program, "chunks/odd.morph", "ln one hard", "cp one hard")
    assert built_chunks(said.stderr) == {"odd", "app"}
    assert {member(system(program), f"usr/share/odd/{name}").type for name in ("one", "hard")} == {
        tarfile.REGTYPE
    }


def test_a_changed_integration_command_composes_anew_and_builds_nothing_above(program: Program) -> None:
    said = change(program, "chunks/odd.morph", "echo integrated", "echo otherwise")
    assert built_chunks(said.stderr) <= {"odd"}
    assert reused(said) >= {"app"}
    assert text_of(system(program), "etc/integrated") == "otherwise\n"


def test_a_changed_split_rule_splits_anew_and_builds_nothing_above(program: Program) -> None:
    assert "odd-special" not in program.done("list-artifacts", "small").stdout
    products = "products:\n- artifact: odd-special\n  include: [usr/share/odd/owned]\n"
    said = change(program, "chunks/odd.morph", "devices:\n", f"{products}devices:\n")
    assert built_chunks(said.stderr) <= {"odd"}
    assert reused(said) >= {"app"}
    listed = program.done("list-artifacts", "--cached", "small").stdout.split()
    (special,) = [line for line in listed if line.endswith(".odd-special")]
    files = program.done("list-files", special).stdout.splitlines()
    assert [path for path in files if path.rpartition("/")[2] == "owned"] == ["usr/share/odd/owned"]
    (misc,) = [line for line in listed if line.endswith(".odd-misc")]
    assert "usr/share/odd/owned" not in program.done("list-files", misc).stdout.splitlines()


def test_a_chunk_that_was_taken_over_says_what_it_is_itself(program: Program) -> None:
    before = metadata(program, "app")
    change(program, "lib/source", "# a comment", "# another one")
    after = metadata(program, "app")
    assert after["build-key"] == before["build-key"]
    assert after["content"] == before["content"]
    assert after["definition-key"] != before["definition-key"]
    assert after["definition-inputs"] != before["definition-inputs"]
    repository = Repository(program.cache / "ostree")
    refs = repository.refs("d")
    assert repository.commit(refs[f"d/{after['definition-key']}"]).metadata == after
    assert refs[f"d/{before['definition-key']}"] == after["content-from"]
    for ref, commit in refs.items():
        assert ref == f"d/{repository.commit(commit).metadata['definition-key']}"


def git(program: Program, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=program.folder / "project", capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_new_commit_of_the_same_tree_is_named_and_not_built(program: Program) -> None:
    write_files(program.folder / "project", {"text": "from git\n"})
    git(program, "init", "-q", "-b", "main")
    git(program, "add", "text")
    git(program, "commit", "-q", "-m", "first")
    source = f"sources: [{{kind: git, url: 'file://{program.folder}/project', track: main}}]"
    path = program.definitions / "strata/work.morph"
    path.write_text(path.read_text().replace("sources: [{kind: local, path: middle}]", source))
    program.done("lock")
    program.done("build", "small")
    first = metadata(program, "middle")
    git(program, "commit", "-q", "--allow-empty", "-m", "second")
    program.done("lock", "--update", "middle")
    said = program.done("build", "small")
    assert built_chunks(said.stderr) == set()
    assert reused(said) == {"middle", "app"}
    second = metadata(program, "middle")
    assert second["content"] == first["content"]
    assert git(program, "rev-parse", "HEAD") in json.dumps(second["sources"])
    assert git(program, "rev-parse", "HEAD~1") in json.dumps(first["sources"])
    assert git(program, "rev-parse", "HEAD~1") not in json.dumps(second["sources"])
