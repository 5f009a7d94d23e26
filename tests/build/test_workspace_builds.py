"""Systems built with open workspaces: incrementally, apart from clean builds, for root and for ordinary users alike."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec import Struct, field

from lithify.store.reading import Repository
from tests import stuck
from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program, write_files
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow

WORK = """\
name: work
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: lib
  morph: chunks/lib.morph
- name: app
  morph: chunks/app.morph
  build-depends: [lib]
"""
LIB = """\
name: lib
kind: chunk
sources:
- kind: git
  url: file://%s
  ref: main
environment: {FLAVOUR: plain}
configure-commands:
- echo configured >>/lib.build/configured
build-commands:
- cat source >library
install-commands:
- mkdir -p "$DESTDIR/usr/lib" && cp library "$DESTDIR/usr/lib/liblib.so.1"
- mkdir -p "$DESTDIR/usr/share" && cp configured "$DESTDIR/usr/share/configured"
"""
PROJECT = """\
OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
program: $(OBJECTS)
\tgcc -o $@ $^
%.o: %.c all.h
\tgcc -O0 -c -o $@ $<
"""
BIG = """\
name: base
kind: stratum
chunks:
- name: big
  build-mode: bootstrap
  sources:
  - {kind: git, url: "file://%s", ref: main}
  configure-commands: ['test -e all.h && echo "#define FLAVOUR 1" >flavour.h']
  build-commands: [make]
  install-commands: ['mkdir -p "$DESTDIR/usr/bin" && cp program "$DESTDIR/usr/bin/"']
"""
FILES = 200
CLUSTER = """\
name: c
kind: cluster
systems:
- morph: systems/small.morph
  deploy:
    tar: {type: tar, location: small.tar}
"""


class Place(Struct, frozen=True, kw_only=True):
    program: Program
    upstream: Path
    clean: Mapping[str, str] = field(default_factory=dict)
    """The keys of the chunks before a workspace was open."""

    @property
    def workspace(self) -> Path:
        return self.program.folder / "ws"

    def edit(self, name: str, text: str) -> None:
        """Change a file as an editor does, whose file is the user's."""
        path = self.workspace / name
        path.write_text(text)
        if self.program.user is not None:
            entry = pwd.getpwnam(self.program.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def log(self, name: str) -> str:
        return self.program.done("log", name).stdout

    def keys(self) -> dict[str, str]:
        said = json.loads(self.program.done("show", "small", "--json").stdout)
        return {row["name"]: row["key"] for row in said["chunks"]}

    def state(self, name: str) -> str:
        said = json.loads(self.program.done("show", "small", "--json").stdout)
        rows = [*said["chunks"], said["system"]]
        return str(next(row["state"] for row in rows if row["name"] == name))


def git(folder: Path, *words: str) -> None:
    line = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", *words]
    subprocess.run(line, cwd=folder, check=True, capture_output=True)


def committed(folder: Path) -> Path:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture(params=["root", "ordinary user"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A built system of which ``lib`` is made from a git repository."""
    need_static_shell()
    user = make_ordinary_user() if request.param == "ordinary user" else None
    with folder_of(user) as folder:
        tree = small_tree(folder / "definitions")
        upstream = committed(
            write_files(folder / "upstream", {"source": "the library\n", ".gitignore": "*.o\n"})
        )
        write_files(tree, {"strata/work.morph": WORK, "chunks/lib.morph": LIB % upstream})
        if user is not None:
            subprocess.run(["chown", "-R", f"{user}:", tree, upstream], check=True)
        program = Program(folder=folder, definitions=tree, user=user)
        program.done("lock")
        program.done("build", "small")
        clean = Place(program=program, upstream=upstream).keys()
        program.done("workspace", "open", "lib", str(folder / "ws"))
        yield Place(program=program, upstream=upstream, clean=clean)


def test_an_untouched_workspace_is_the_clean_build(place: Place) -> None:
    said = place.program.done("build", "small")
    assert "from workspaces: lib" in said.stderr
    assert "lib: inputs unchanged, an earlier build is taken" in said.stderr
    assert "app: inputs unchanged, an earlier build is taken" in said.stderr


def test_edit_build_close(place: Place) -> None:
    program, folder = place.program, place.workspace
    clean = place.clean
    place.edit("source", "edited\n")
    place.edit("junk.o", "ignored by git\n")
    program.done("build", "small")
    log = place.log("lib")
    assert "goes on" not in log
    assert "CONFIGURE-COMMANDS" in log
    place.edit("source", "edited again\n")
    program.done("build", "small")
    assert "goes on, 1 file changed since the last build" in place.log("lib")
    assert "CONFIGURE-COMMANDS" not in place.log("lib")
    out = folder.parent / "out.tar"
    program.done("checkout", "small", str(out), "--tar")
    held = subprocess.run(["tar", "-xOf", out, "./usr/bin/app"], check=True, capture_output=True).stdout
    assert held.endswith(b"edited again\n"), "what is built on the workspace has what is in it"
    owner = pwd.getpwnam(program.user).pw_uid if program.user else 0
    assert {path.lstat().st_uid for path in folder.rglob("*")} == {owner}, "its files are the user's own"
    assert not (folder / "library").exists(), "what a build makes is not put into the workspace"
    write_files(program.definitions, {"clusters/c.morph": CLUSTER})
    deployed = program.done("deploy", "clusters/c.morph", "tar").stderr
    assert "tar: what is deployed is built on open workspaces: lib" in deployed
    kept = place.keys()
    assert {name for name in kept if kept[name] != clean[name]} == {"lib", "app"}
    assert program.run("workspace", "close", "lib").status == 1
    program.done("workspace", "close", "lib", "--force")
    assert place.keys() == clean
    assert place.state("small") == "cached", "the clean build is still there, and is what counts again"
    assert not any((program.cache / "workspaces").iterdir()), "nothing is kept of a closed one"


def test_a_clean_build_never_finds_what_a_workspace_made(place: Place) -> None:
    """The very content that a workspace had becomes the declared one: it is built once more, for itself."""
    program = place.program
    place.edit("source", "to be upstream\n")
    program.done("build", "small")
    subprocess.run(
        ["chown", "-R", "0:0", place.upstream, place.workspace], check=True
    )  # git asks whose it is
    git(place.workspace, "commit", "-qam", "second")
    git(place.upstream, "fetch", "-q", str(place.workspace), "HEAD")
    git(place.upstream, "checkout", "-q", "-B", "main", "FETCH_HEAD")
    if program.user:
        subprocess.run(["chown", "-R", f"{program.user}:", place.upstream, place.workspace], check=True)
    program.done("workspace", "close", "lib", "--force")
    program.done("lock", "--update", "lib")
    said = program.done("build", "small").stderr
    assert "] lib: built" in said
    assert "] app: built" in said
    repository = Repository(program.cache / "ostree")
    for name, commit in repository.refs("d").items():
        assert name[2:] == repository.commit(commit).metadata["definition-key"]
    clean = [repository.commit(commit).metadata for commit in repository.refs("b").values()]
    marked = {one["build-key"] for one in clean if "workspaces" in one}
    assert marked == {one["build-key"] for one in clean if "workspaces" in one["build-inputs"]["inputs"]}
    assert program.done("fsck").stdout


def test_configure_runs_again_where_it_must(place: Place) -> None:
    program = place.program
    place.edit("source", "one\n")
    program.done("build", "small")
    chunk = program.definitions / "chunks/lib.morph"
    chunk.write_text(chunk.read_text().replace("echo configured", "echo configured otherwise"))
    program.done("build", "small")
    log = place.log("lib")
    assert "from nothing: commands, environment or dependencies are others" in log
    assert "+ echo configured otherwise" in log
    # a dependency that comes out otherwise
    (program.definitions / "shell/bin/another").symlink_to("busybox")
    program.done("build", "small")
    assert "from nothing: commands, environment or dependencies are others" in place.log("lib")
    chunk.write_text(chunk.read_text().replace("cp library", "cp -p library"))
    program.done("build", "small")
    assert "goes on, 0 files changed" in place.log("lib"), "install-commands take out of the folder only"
    program.done("workspace", "reset", "lib")
    place.edit("source", "two\n")
    program.done("build", "small")
    assert "from nothing: nothing is built yet" in place.log("lib")


def test_a_failure_goes_on_where_it_stopped(place: Place) -> None:
    program = place.program
    chunk = program.definitions / "chunks/lib.morph"
    chunk.write_text(
        chunk.read_text().replace("- cat source >library", '- grep -v "^#error" source >library')
    )
    place.edit("source", "#error\n")
    said = program.run("build", "small", "lib")
    assert said.status == 1
    assert "lithify shell lib --failed" in said.stderr
    inside = program.run("shell", "lib", "--failed", "--", "cat", "source", "configured")
    assert inside.stdout == "#error\nconfigured\n"
    place.edit("source", "#error\nmended\n")
    program.done("build", "small", "lib")
    assert "goes on, 1 file changed since the last build" in place.log("lib")


def interrupted(place: Place, file: str) -> None:
    """Build ``lib``, interrupt it once when its build step has made a file, and wait for its end."""
    child = place.program.start("build", "small", "lib")
    deadline = time.monotonic() + 60
    while not list(place.program.cache.glob(f"workspaces/*/build/{file}")):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.05)
    child.terminate()
    stuck.communicate(child)
    assert child.returncode == 130


def test_a_build_that_is_interrupted_goes_on(place: Place) -> None:
    program = place.program
    chunk = program.definitions / "chunks/lib.morph"
    slow = "- cat source >library && touch begun && { grep fast source || sh -c 'sleep 60' && touch ended; }"
    chunk.write_text(chunk.read_text().replace("- cat source >library", slow))
    place.edit("source", "slow\n")
    interrupted(place, "begun")
    assert not list(program.cache.glob("workspaces/*/build/ended"))
    place.edit("source", "fast\n")
    program.done("build", "small", "lib")
    assert "goes on, 1 file changed" in place.log("lib")


def test_a_build_that_is_cut_off_begins_from_nothing(place: Place) -> None:
    program = place.program
    chunk = program.definitions / "chunks/lib.morph"
    deaf = "- cat source >library && touch begun && sh -c 'trap \"\" TERM; sleep 60; sleep 60; true'"
    chunk.write_text(chunk.read_text().replace("- cat source >library", deaf))
    place.edit("source", "slow\n")
    interrupted(place, "begun")
    chunk.write_text(chunk.read_text().replace(deaf, "- cat source >library"))
    place.edit("source", "fast\n")
    program.done("build", "small", "lib")
    assert "from nothing: the last build was cut off" in place.log("lib")
    assert program.run("workspace", "list").stdout.startswith("lib  ")


def test_a_build_folder_that_plays_tricks_is_made_anew(place: Place) -> None:
    """A build puts a link in place of a folder of the source: nothing is written through it."""
    program = place.program
    outside = program.folder / "outside"
    outside.mkdir(mode=0o777)
    (place.workspace / "sub").mkdir()
    place.edit("sub/file", "one\n")
    if program.user:
        shutil.chown(outside, program.user)
        shutil.chown(place.workspace / "sub", program.user)
    chunk = program.definitions / "chunks/lib.morph"
    trick = f"- cat source >library && rm -r sub && ln -s {outside} sub"
    chunk.write_text(chunk.read_text().replace("- cat source >library", trick))
    program.done("build", "small", "lib")
    place.edit("sub/file", "two\n")
    program.done("build", "small", "lib")
    assert "something else in place of a folder" in place.log("lib")
    assert list(outside.iterdir()) == []


def test_an_edit_of_one_file_compiles_one_file() -> None:
    """200 files of C with make and gcc, which are the host's: the chunk is one of bootstrap mode."""
    for tool in ("gcc", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    need_static_shell()
    with folder_of(None) as folder:
        tree = small_tree(folder / "definitions")
        sources = {
            f"f{n}.c": f'#include "all.h"\nint f{n}(void) {{ return {n}; }}\n' for n in range(1, FILES)
        }
        main = {"main.c": "int main(void) { return 0; }\n", "all.h": "/* nothing */\n", "Makefile": PROJECT}
        upstream = committed(write_files(folder / "upstream", {**sources, **main}))
        write_files(
            tree,
            {
                "strata/base.morph": BIG % upstream
                + (tree / "strata/base.morph").read_text().partition("chunks:\n")[2]
            },
        )
        program = Program(folder=folder, definitions=tree)
        place = Place(program=program, upstream=upstream)
        program.done("lock")
        program.done("workspace", "open", "big", str(place.workspace))

        def compiled() -> list[str]:
            program.done("build", "small", "big")
            lines = place.log("big").splitlines()
            return [line.rpartition(" ")[2] for line in lines if line.startswith("gcc -O0 -c")]

        # one interruption: make removes what the compiler was at, and goes on with the rest
        child = program.start("build", "small", "big")
        deadline = time.monotonic() + 120
        while len(list(program.cache.glob("workspaces/*/build/*.o"))) < 10:
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.05)
        child.terminate()
        stuck.communicate(child)
        made = len(list(program.cache.glob("workspaces/*/build/*.o")))
        assert len(compiled()) == FILES - made
        place.edit("f7.c", "int f7(void) { return 8; }\n")
        assert compiled() == ["f7.c"]
        place.edit("new.c", "int fresh(void) { return 1; }\n")
        place.edit("f8.c", (place.workspace / "f8.c").read_text())  # the same content once more
        assert compiled() == ["new.c"]
        place.edit("all.h", "/* something */\n")
        assert len(compiled()) == FILES + 1
        stratum = tree / "strata/base.morph"
        stratum.write_text(stratum.read_text().replace("FLAVOUR 1", "FLAVOUR 2"))
        assert len(compiled()) == FILES + 1, "another configure command: configured and compiled anew"
        assert "FLAVOUR 2" in place.log("big")


@pytest.fixture
def plain() -> Iterator[Place]:
    """Definitions of which nothing is built yet, for root alone."""
    need_static_shell()
    with folder_of(None) as folder:
        tree = small_tree(folder / "definitions")
        upstream = committed(write_files(folder / "upstream", {"source": "the library\n"}))
        write_files(tree, {"strata/work.morph": WORK, "chunks/lib.morph": LIB % upstream})
        yield Place(program=Program(folder=folder, definitions=tree), upstream=upstream)


PATCH = """\
--- a/source
+++ b/source
@@ -1 +1 @@
-the library
+the patched library
"""


def change(place: Place, old: str, new: str) -> None:
    """Change the definition of ``lib``."""
    path = place.program.definitions / "chunks/lib.morph"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_the_definitions_lay_over_a_repository_is_one_commit(plain: Place) -> None:
    change(
        plain,
        "  ref: main\n",
        "  ref: main\n- {kind: patch, path: fix.patch}\n- {kind: local, path: lib, into: own}\n",
    )
    write_files(plain.program.definitions, {"fix.patch": PATCH})
    plain.program.done("lock")
    plain.program.done("build", "small", "lib")
    plain.program.done("workspace", "open", "lib", str(plain.workspace))
    log = subprocess.run(
        ["git", "log", "--format=%s"], cwd=plain.workspace, check=True, capture_output=True, text=True
    ).stdout
    assert log == "lib: what the definitions lay over it: fix.patch, lib\nfirst\n"
    assert (plain.workspace / "source").read_text() == "the patched library\n"
    assert (plain.workspace / "own/source").exists()
    assert plain.program.done("workspace", "list").stdout.endswith("  clean\n")
    assert "an earlier build is taken" in plain.program.done("build", "small", "lib").stderr
    plain.program.done("workspace", "close", "lib")


def test_sources_that_are_no_clone_get_a_history(plain: Place) -> None:
    change(plain, "  ref: main\n", "  ref: main\n  into: below\n")
    change(plain, "cat source", "cat below/source")
    plain.program.done("lock")
    plain.program.done("build", "small", "lib")
    plain.program.done("workspace", "open", "lib", str(plain.workspace))
    assert (plain.workspace / "below/source").read_text() == "the library\n"
    assert "an earlier build is taken" in plain.program.done("build", "small", "lib").stderr
    plain.program.done("workspace", "close", "lib")
    assert not plain.workspace.exists()


def test_a_chunk_that_sees_git_sees_the_workspace_s(plain: Place) -> None:
    change(plain, "build-commands:", "keep-git: yes\nbuild-commands:\n- cat .git/HEAD >>library.git")
    change(plain, "cp library", "cp library.git")
    plain.program.done("lock")
    plain.program.done("build", "small", "lib")
    plain.program.done("workspace", "open", "lib", str(plain.workspace))
    said = plain.program.done("build", "small", "lib").stderr
    assert "an earlier build is taken" not in said
    assert "lib: from its workspace, from nothing" in said
    key = plain.keys()["lib"]
    git(plain.workspace, "commit", "--allow-empty", "-q", "-m", "second")
    assert plain.keys()["lib"] != key, "the commit is an input here"
    assert "0 files changed" in plain.program.done("build", "small", "lib").stderr


def test_an_import_takes_the_files_themselves(plain: Place) -> None:
    chunk = (
        'name: lib\nkind: chunk\nbuild-system: import\nsources:\n- {kind: git, url: "file://%s", ref: main}\n'
    )
    (plain.program.definitions / "chunks/lib.morph").write_text(chunk % plain.upstream)
    plain.program.done("lock")
    plain.program.done("workspace", "open", "lib", str(plain.workspace))
    plain.edit("another", "file\n")
    plain.program.done("build", "small", "lib")
    listed = plain.program.done("list-files", plain.keys()["lib"][:12]).stdout
    assert "another\n" in listed
    assert ".git" not in listed


def test_gc_keeps_what_is_open_and_what_is_clean(plain: Place) -> None:
    program = plain.program
    program.done("lock")
    program.done("build", "small")
    clean = plain.keys()["lib"]
    program.done("workspace", "open", "lib", str(plain.workspace))
    for text in ("one\n", "two\n"):
        plain.edit("source", text)
        program.done("build", "small")
    kept = {*program.cache.joinpath("workspaces").iterdir()}
    program.done("gc", "--gc-keep", "0")
    stored = program.done("list-artifacts", "--cached").stdout
    assert plain.keys()["lib"] in stored
    assert clean in stored
    assert stored.count(".chunk.lib-libs") == 2, "that of the edit before is gone"
    assert {*program.cache.joinpath("workspaces").iterdir()} == kept
    plain.edit("source", "three\n")
    assert "1 file changed" in program.done("build", "small").stderr, "its build folder is still there"
    (program.definitions / ".lithify/workspaces.json").unlink()
    program.done("gc", "--gc-keep", "0")
    assert not [*program.cache.joinpath("workspaces").iterdir()]
    assert plain.state("small") == "cached"


def test_what_fails_to_open_leaves_nothing(plain: Place) -> None:
    change(plain, "  ref: main\n", "  ref: main\n- {kind: patch, path: fix.patch}\n")
    write_files(plain.program.definitions, {"fix.patch": PATCH.replace("-the library", "-something else")})
    plain.program.done("lock")
    said = plain.program.run("workspace", "open", "lib", str(plain.workspace))
    assert said.status == 1
    assert "fix.patch" in said.stderr
    assert not plain.workspace.exists()
    assert plain.program.done("workspace", "list").stdout == "no workspace is open\n"
