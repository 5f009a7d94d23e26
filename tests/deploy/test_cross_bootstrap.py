"""A system for an architecture that nothing can be built on: the tarball, and that it builds the rest by itself."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.definitions.model import GitSource, LocalSource
from lithify.definitions.tree import load
from lithify.deploy.native_bootstrap import build_scripts, driver_script, native_chunks, source_name
from lithify.errors import Place
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.graph.model import Chunk
from lithify.graph.resolve import resolve
from tests.cli.test_commits import commit, git
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program, write_files
from tests.staging.stacks import BUSYBOX, need_static_shell

APPLETS = "sh cat chmod cp cpio find grep ldconfig ln mkdir nproc rm tar touch wc"
FILES = {
    "VERSION": "version: 8\n",
    "DEFAULTS": "build-systems:\n  manual: {}\n",
    "strata/base.morph": """\
name: base
kind: stratum
chunks:
- name: stage1
  morph: chunks/stage1.morph
  repo: upstream:shell
  ref: main
  build-mode: bootstrap
  build-depends: []
- name: tools
  morph: chunks/tools.morph
  repo: upstream:shell
  ref: main
  build-mode: bootstrap
  prefix: /tools
  build-depends: [stage1]
- name: files
  morph: chunks/files.morph
  repo: upstream:lib
  ref: {lib}
  build-depends: [stage1, tools]
""",
    "chunks/stage1.morph": f"""\
name: stage1
kind: chunk
install-commands:
- mkdir -p "$DESTDIR/usr/bin" "$DESTDIR/etc" && ln -s usr/bin "$DESTDIR/bin"
- cp busybox "$DESTDIR/usr/bin/busybox"
- for name in {APPLETS}; do ln -s busybox "$DESTDIR/usr/bin/$name"; done
- echo "$MORPH_ARCH $TARGET_STAGE1" >"$DESTDIR/etc/made-for"
""",
    "chunks/tools.morph": """\
name: tools
kind: chunk
install-commands:
- mkdir -p "$DESTDIR$PREFIX/bin"
- printf '#!/bin/sh\\necho "greetings from $0"\\n' >"$DESTDIR$PREFIX/bin/greet"
- chmod 755 "$DESTDIR$PREFIX/bin/greet"
""",
    "chunks/files.morph": """\
name: files
kind: chunk
build-commands:
- |
  cat text >"it's made"
  echo "$MAKEFLAGS"
install-commands:
- mkdir -p "$DESTDIR/bin" "$DESTDIR$PREFIX/lib" && cp "it's made" "$DESTDIR$PREFIX/lib/text"
- greet >"$DESTDIR/bin/greeting"
strip-commands:
- "false"
""",
    "strata/work.morph": """\
name: work
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: app
  morph: chunks/app.morph
  repo: upstream:lib
  ref: {lib}
  build-depends: []
- name: more
  morph: chunks/more.morph
  repo: upstream:lib
  ref: {lib}
  build-depends: [app]
""",
    "chunks/app.morph": """\
name: app
kind: chunk
max-jobs: 3
build-commands:
- echo "$MAKEFLAGS" >jobs
install-commands:
- mkdir -p "$DESTDIR$PREFIX/share"
- cat /usr/lib/text jobs >"$DESTDIR$PREFIX/share/app"
- echo "$MORPH_ARCH $TARGET $PWD $DESTDIR" >>"$DESTDIR$PREFIX/share/app"
""",
    "chunks/more.morph": """\
name: more
kind: chunk
install-commands:
- test ! -e /fails
- mkdir -p "$DESTDIR$PREFIX/share" && wc -l </usr/share/app >"$DESTDIR$PREFIX/share/more"
""",
    "systems/other.morph": """\
name: other
kind: system
arch: testarch
strata:
- name: base
  morph: strata/base.morph
- name: work
  morph: strata/work.morph
""",
    "strata/plain.morph": """\
name: plain
kind: stratum
chunks:
- {name: app, morph: chunks/app.morph, repo: "upstream:lib", ref: main, build-mode: test, build-depends: []}
""",
    "systems/plain.morph": """\
name: plain
kind: system
arch: testarch
strata:
- name: plain
  morph: strata/plain.morph
""",
    "strata/above.morph": """\
name: above
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- {name: late, morph: chunks/app.morph, repo: "upstream:lib", ref: main, build-mode: bootstrap, build-depends: []}
- {name: app, morph: chunks/app.morph, repo: "upstream:lib", ref: main, build-depends: [late]}
""",
    "systems/above.morph": """\
name: above
kind: system
arch: testarch
strata:
- name: above
  morph: strata/above.morph
""",
}


def definitions_in(folder: Path) -> Path:
    """Write repositories and definitions, and return the root of these."""
    shell = write_files(folder / "upstream/shell", {"README": "a shell\n"})
    shutil.copy(BUSYBOX, shell / "busybox")
    library = write_files(folder / "upstream/lib", {"text": "the text\n"})
    for repository in (shell, library):
        git(repository, "init", "-q")
        commit(repository)
    ref = git(library, "rev-parse", "HEAD").strip()
    return written(folder / "definitions", ref)


def written(root: Path, ref: str) -> Path:
    return write_files(root, {name: text.replace("{lib}", ref) for name, text in FILES.items()})


def program_in(folder: Path, user: str | None = None) -> Program:
    need_static_shell()
    definitions = definitions_in(folder)
    alias = f"upstream=file://{folder}/upstream/%s#ssh://git@git.example.com/%s"
    return Program(folder=folder, definitions=definitions, user=user, settings=("--repo-alias", alias))


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with folder_of(None) as folder:
        yield program_in(folder)


def chunk(*sources: GitSource | LocalSource) -> Chunk:
    return Chunk(name="gtk+", stratum="s", file="x", place=Place("x"), arch="testarch", sources=sources)


def test_sources_are_named_by_repository_and_ref() -> None:
    one = GitSource(url="upstream:gnome/gtk+", ref="v1.0/x")
    assert source_name(chunk(one)) == "upstream_gnome_gtk+__v1.0_x"
    assert source_name(chunk(GitSource(url="git://h/r", track="v*"))) == "git___h_r__v_"
    assert source_name(chunk(one, LocalSource(path="x"))) == "gtk+__sources"


def test_scripts_do_what_a_build_does(tmp_path: Path) -> None:
    graph = resolve(load(written(tmp_path, ref="v1")), "systems/other.morph")
    assert [one.name for one in native_chunks(graph)] == ["files", "app", "more"]
    scripts = build_scripts(graph, {"files": "lib", "app": "lib", "more": "lib"})
    text = scripts["files"].decode()
    assert "sh -x -e -c 'greet >\"$DESTDIR/bin/greeting\"' </dev/null\n" in text
    assert 'cat text >"it\'"\'"\'s made"\n' in text
    assert "false" not in text
    assert "export PATH=/usr/bin:/tools/bin:/sbin:/usr/sbin:/bin:/tools/sbin\n" in text
    assert "MAKEFLAGS=-j3 sh" in scripts["app"].decode()
    assert driver_script(graph).endswith("build_chunk more\necho 'Complete: other is built'\n")
    for script in (*scripts.values(), driver_script(graph).encode()):
        subprocess.run(["sh", "-n"], input=script, check=True)


def tree_of(tarball: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["tar", "-xpzf", str(tarball), "-C", str(folder)], check=True)
    return folder


def bootstrap(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run ``/native-bootstrap`` where nothing but the tree is there."""
    line = ["bwrap", "--unshare-all", "--uid", "0", "--gid", "0", "--clearenv", "--setenv", "JOBS", "5"]
    line += ["--bind", str(tree), "/", "--dev", "/dev", "--proc", "/proc", "/native-bootstrap"]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_tarball_builds_the_rest_where_nothing_else_is(program: Program, tmp_path: Path) -> None:
    said = program.done("cross-bootstrap", "testarch", "other", "--output", str(tmp_path / "x.tar.gz"))
    assert said.stdout == f"{tmp_path}/x.tar.gz\n"
    tree = tree_of(tmp_path / "x.tar.gz", tmp_path / "tree")
    assert (tree / "etc/made-for").read_text() == "testarch testarch-bootstrap-linux-gnu\n"
    ref = git(program.folder / "upstream/lib", "rev-parse", "HEAD").strip()
    assert sorted(path.name for path in (tree / "src").iterdir()) == [
        "build-app",
        "build-files",
        "build-more",
        f"upstream_lib__{ref}",
    ]
    (tree / "fails").touch()
    failed = bootstrap(tree)
    assert failed.returncode == 1
    assert "native-bootstrap: more failed; mend it and run /native-bootstrap again\n" in failed.stderr
    (tree / "fails").unlink()
    done = bootstrap(tree)
    assert done.returncode == 0, done.stderr
    assert "files is built already\napp is built already\nBuilding more\n" in done.stdout
    assert done.stdout.endswith("Installing more\nComplete: other is built\n")
    assert (tree / "usr/share/app").read_text() == (
        "the text\n-j3\ntestarch testarch-baserock-linux-gnu /app.build /app.inst\n"
    )
    assert (tree / "usr/share/more").read_text() == "3\n"
    assert (tree / "bin").is_symlink(), "a link to a folder stays"
    assert (tree / "usr/bin/greeting").read_text() == "greetings from /tools/bin/greet\n"
    assert "echo -j5" in failed.stderr or "-j5\n" in failed.stdout
    assert not [path for path in tree.iterdir() if path.suffix in (".build", ".inst")]


@pytest.mark.slow
def test_it_is_the_same_for_an_ordinary_user_and_no_system_is_stored(
    program: Program, tmp_path: Path
) -> None:
    first = tmp_path / "first.tar.gz"
    program.done("cross-bootstrap", "testarch", "systems/other.morph", "--output", str(first))
    with tarfile.open(first) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, SOURCE_DATE_EPOCH)}
    cached = program.done("list-artifacts", "--cached").stdout
    assert ".chunk.stage1" in cached
    assert ".system." not in cached
    user = make_ordinary_user()
    with folder_of(user) as folder:
        other = program_in(folder, user)
        subprocess.run(["chown", "-R", f"{user}:", str(folder)], check=True)
        said = other.done("-C", str(other.definitions), "cross-bootstrap", "testarch", "other")
        made = other.definitions / "other-testarch-bootstrap.tar.gz"
        assert said.stdout == f"{made}\n"
        assert made.stat().st_uid != 0
        assert [path.name for path in other.definitions.iterdir() if path.name.startswith(".")] == []
        assert _without_refs(made) == _without_refs(first)


def _without_refs(tarball: Path) -> list[tuple[str, int, int]]:
    """Return names, modes and sizes; a commit has the time at which the test made it."""
    with tarfile.open(tarball) as tar:
        return [
            ("/".join(part.partition("__")[0] for part in one.name.split("/")), one.mode, one.size)
            for one in tar
            if not one.name.startswith("./src/build-")
        ]


@pytest.mark.slow
def test_twice_it_is_the_same(program: Program, tmp_path: Path) -> None:
    for name in ("one", "two"):
        program.done("cross-bootstrap", "testarch", "other", "--output", str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sparc", "other"), 'Unsupported architecture "sparc"\nhint: there are: armv5l,'),
        (("testarhc", "other"), 'Unsupported architecture "testarhc"\nhint: did you mean testarch?'),
        (("ppc64", "other"), "the architecture of other is testarch, not ppc64"),
        (("testarch", "plain"), "plain: nothing to cross-compile: it has no chunks in bootstrap mode"),
        (
            ("testarch", "above"),
            "late cannot be cross-built: it is built on files, which is not in bootstrap mode",
        ),
        (("testarch", "nothing"), "nothing"),
        (("testarch", "other", "--output", "no/such/x"), "there is no folder"),
        (("testarch", "other", "--output", "."), "is no file, and is not replaced"),
    ],
)
def test_what_cannot_be_is_said(program: Program, arguments: tuple[str, ...], said: str) -> None:
    found = program.run("cross-bootstrap", *arguments)
    assert (found.status, found.stdout) == (1, "")
    assert said in found.stderr
    assert "Traceback" not in found.stderr
