"""Format 8, as morph's users have it: git repositories and branches, a bootstrap chunk, metadata in the image."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.store.reading import Repository
from tests.build.definitions import APPLETS
from tests.inside import folder_of
from tests.program import Program, write_files
from tests.staging.stacks import BUSYBOX, need_static_shell

pytestmark = pytest.mark.slow

FILES = {
    "VERSION": "version: 8\n",
    "DEFAULTS": """\
build-systems:
  manual: {}
  make-like:
    configure-commands: []
    build-commands:
    - cat part >whole
    install-commands:
    - mkdir -p "$DESTDIR$PREFIX/lib" && cp whole "$DESTDIR$PREFIX/lib/libx.so.1"
split-rules:
  chunk:
  - artifact: -libs
    include: ['(usr/)?lib/lib[^/]*\\.so(\\.\\d+)*']
  - artifact: -misc
    include: ['.*']
  stratum:
  - artifact: -devel
    include: ['.*-devel']
  - artifact: -runtime
    include: ['.*-libs', '.*-misc']
""",
    "strata/essential.morph": """\
name: essential
kind: stratum
chunks:
- name: stage1
  repo: REPOS/shell
  ref: main
  morph: chunks/stage1.morph
  build-mode: bootstrap
  build-depends: []
- name: shell
  repo: REPOS/shell
  ref: main
  morph: chunks/shell.morph
  build-depends:
  - stage1
""",
    "chunks/stage1.morph": """\
name: stage1
kind: chunk
install-commands:
- mkdir -p "$DESTDIR" && cp -a bin "$DESTDIR"
""",
    "chunks/shell.morph": """\
name: shell
kind: chunk
install-commands:
- cp -a bin "$DESTDIR"
system-integration:
  shell-misc:
    01-stamp:
    - echo stamped >/stamp
""",
    "strata/work.morph": """\
name: work
kind: stratum
build-depends:
- morph: strata/essential.morph
chunks:
- name: x
  repo: REPOS/x
  ref: main
  unpetrify-ref: main
  build-system: make-like
""",
    "systems/classic.morph": """\
name: classic
kind: system
arch: x86_64
strata:
- name: essential
  morph: strata/essential.morph
- name: work
  morph: strata/work.morph
  artifacts:
  - work-runtime
""",
    "clusters/classic.morph": """\
name: classic
kind: cluster
systems:
- morph: systems/classic.morph
  deploy:
    classic-tar:
      type: tar
      location: classic.tar
      HOSTNAME: classic
      DISK_SIZE: 2G
""",
}


def git(repository: Path, *arguments: str) -> str:
    environment = [
        "env",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_AUTHOR_NAME=T",
        "GIT_AUTHOR_EMAIL=t@example.invalid",
    ]
    environment += ["GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.invalid"]
    done = subprocess.run(
        [*environment, "git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(path: Path) -> Path:
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    return path


def commit_all(path: Path, message: str) -> str:
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", message)
    return git(path, "rev-parse", "HEAD")


@pytest.fixture
def classic() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        shell = repository(folder / "repos" / "shell")
        (shell / "bin").mkdir()
        shutil.copy(BUSYBOX, shell / "bin" / "busybox")
        (shell / "bin" / "busybox").chmod(0o755)
        for applet in ("sh", *APPLETS.split()):
            (shell / "bin" / applet).symlink_to("busybox")
        commit_all(shell, "a shell")
        x = repository(folder / "repos" / "x")
        (x / "part").write_text("the part\n")
        commit_all(x, "a part")
        repos = str(folder / "repos")
        write_files(
            folder / "definitions", {name: text.replace("REPOS", repos) for name, text in FILES.items()}
        )
        yield Program(folder=folder, definitions=folder / "definitions")


def test_a_classic_system_is_built_as_morph_built_it(classic: Program) -> None:
    said = classic.done("build", "systems/classic.morph")
    assert "main" in said.stderr, "a ref that is a branch is said"
    assert said.stdout.endswith(".system.classic-rootfs\n")
    classic.done("deploy", "classic")
    with tarfile.open(classic.definitions / "classic.tar") as archive:
        names = {member.name for member in archive}
        meta = json.load(archive.extractfile("./baserock/x-libs.meta") or pytest.fail("no metadata"))
        stamp = archive.extractfile("./stamp")
        assert stamp is not None
        assert stamp.read() == b"stamped\n"
        os_release = archive.extractfile("./etc/os-release")
        assert os_release is not None
        assert b"Baserock" in os_release.read()
    assert {
        "./usr/lib/libx.so.1",
        "./bin/sh",
        "./baserock/classic-rootfs.meta",
        "./baserock/work-runtime.meta",
    } <= names
    assert not any("stage1" in name for name in names), "bootstrap chunks are in no system"
    assert meta["sha1"] == git(classic.folder / "repos" / "x", "rev-parse", "HEAD")
    assert meta["contents"] == ["usr", "usr/lib", "usr/lib/libx.so.1"]
    assert (meta["source-name"], meta["kind"], meta["original_ref"]) == ("x", "chunk", "main")


def test_what_was_built_with_the_hosts_tools_is_marked(classic: Program) -> None:
    """Before it starts, with --verbose, and in what each commit says of itself."""
    said = Program(folder=classic.folder, definitions=classic.definitions, settings=("--verbose",)).done(
        "build", "classic"
    )
    assert "built with this machine's own tools: stage1" in said.stderr
    repository = Repository(classic.cache / "ostree")
    commits = [repository.commit(commit).metadata for commit in set(repository.refs("last").values())]
    marked = {metadata["name"]: metadata["uses-host"] for metadata in commits if metadata["kind"] == "chunk"}
    assert marked == {"stage1": True, "shell": False, "x": False}
    for metadata in commits:
        assert metadata["sandbox-weaknesses"] == []
        assert "memory" in metadata["sandbox-limits"]
        assert bool(metadata["build-inputs"]["inputs"].get("host")) == metadata.get("uses-host", False)


def test_a_new_commit_of_the_same_tree_builds_no_chunk_again_but_changes_the_image(classic: Program) -> None:
    first = classic.done("build", "classic").stdout
    git(classic.folder / "repos" / "x", "commit", "-q", "--allow-empty", "-m", "nothing")
    again = classic.done("build", "classic")
    assert again.stdout != first
    assert "x: inputs unchanged, an earlier build is taken" in again.stderr
    assert "classic: composed" in again.stderr


def test_a_commit_on_the_branch_is_built(classic: Program) -> None:
    classic.done("build", "classic")
    x = classic.folder / "repos" / "x"
    (x / "part").write_text("another part\n")
    commit_all(x, "another")
    assert "x: built" in classic.done("build", "classic").stderr


def test_another_architecture_is_a_cross_build(classic: Program) -> None:
    system = classic.definitions / "systems" / "classic.morph"
    system.write_text(system.read_text().replace("x86_64", "armv7lhf"))
    said = classic.run("build", "classic")
    assert said.status == 1
    assert "Are you trying to cross-build?" in said.stderr
