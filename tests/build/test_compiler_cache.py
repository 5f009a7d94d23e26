"""Compiler caches: one for each chunk and compiler, in no key, whatever a build leaves in it.

The ccache and the compiler of these tests are scripts: ccache's own part, what may be taken from the cache, is not ours.
Debian's ccache, with Debian's gcc, is in ``tests/demo/test_demo.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.build.compiler_cache import Usage, cache_environment, cache_name, stages_ccache, usage_of
from lithify.errors import Place
from lithify.graph.environment import chunk_environment
from lithify.graph.model import Chunk, ContentDigest
from lithify.store.survey import Survey
from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program, write_files
from tests.staging.stacks import need_static_shell


def layer(digest: str, *files: str) -> dict[ContentDigest, Survey]:
    return {
        ContentDigest(digest): Survey(fingerprint="", dirs=frozenset(), symlinks={}, files=frozenset(files))
    }


def chunk(name: str = "x", **more: object) -> Chunk:
    values = {"name": name, "stratum": "s", "file": "f", "place": Place("f"), "arch": "x86_64", **more}
    return Chunk(**values)  # type: ignore[arg-type]


GCC = layer("1" * 64, "usr/bin/x86_64-linux-gnu-gcc-12", "usr/lib/gcc/x86_64-linux-gnu/12/cc1")
LIBRARY = layer("2" * 64, "usr/lib/libz.so.1", "usr/share/cc1")
CCACHE = layer("3" * 64, "usr/bin/ccache")


def test_a_folder_is_of_one_chunk_and_one_compiler() -> None:
    names = {
        cache_name(chunk(), GCC | LIBRARY),
        cache_name(chunk("y"), GCC | LIBRARY),
        cache_name(chunk(prefix="/tools"), GCC | LIBRARY),
        cache_name(chunk(), layer("4" * 64, "usr/bin/gcc") | LIBRARY),
        cache_name(chunk(), GCC | layer("5" * 64, "bin/as")),
    }
    assert len(names) == 5


def test_another_library_is_no_other_compiler() -> None:
    assert cache_name(chunk(), GCC | LIBRARY) == cache_name(chunk(), layer("6" * 64, "usr/lib/a") | GCC)


def test_only_a_staged_ccache_counts() -> None:
    assert stages_ccache(GCC | CCACHE)
    assert not stages_ccache(GCC | LIBRARY)


@pytest.mark.parametrize("asks", [True, False])
def test_path_does_not_depend_on_the_setting(asks: bool) -> None:
    made = chunk(compiler_cache=asks)
    path = chunk_environment(made, ("/usr", "/tools"))["PATH"]
    used, unused = (cache_environment(made, path, used=used) for used in (True, False))
    assert (
        used["PATH"] == unused["PATH"] == "/usr/lib/ccache:/usr/bin:/tools/bin:/sbin:/usr/sbin:/bin:/usr/bin"
    )
    assert "CCACHE_DISABLE" in unused
    assert "CCACHE_DISABLE" not in used


def test_what_a_log_says_is_counted(tmp_path: Path) -> None:
    assert usage_of(tmp_path) is None
    log = tmp_path / "compiler-cache.log"
    log.write_bytes(
        b"# a.c\ncache_miss\n# b.c\ndirect_cache_hit\n# c.c\npreprocessed_cache_hit\n\xff\nerror\n"
    )
    assert usage_of(tmp_path) == Usage(hits=2, misses=1)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_a_log_that_a_build_replaced_is_none(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "compiler-cache.log"
    if kind == "folder":
        log.mkdir()
    elif kind == "fifo":
        os.mkfifo(log)
    else:
        log.symlink_to("/etc/passwd")
    assert usage_of(tmp_path) is None


CCACHE_SCRIPT = """\
#!/bin/sh
key=$CCACHE_DIR/$(tr -cd a-z0-9 <"$1")
if [ -z "$CCACHE_DISABLE" ] && [ -f "$key" ]; then
  cp "$key" "$2"
  echo direct_cache_hit >>"$CCACHE_STATSLOG"
  exit
fi
/usr/bin/cc "$@"
if [ -z "$CCACHE_DISABLE" ]; then
  cp "$2" "$key"
  echo cache_miss >>"$CCACHE_STATSLOG"
fi
"""
LIB = """\
name: lib
kind: chunk
compiler-cache: yes
sources:
- kind: local
  path: lib
build-commands:
- for f in *.c; do cc $f ${f%.c}.o; done
install-commands:
- mkdir -p "$DESTDIR/usr/lib" && cat *.o >"$DESTDIR/usr/lib/liblib.so.1" && echo "$PATH" >"$DESTDIR/usr/lib/path"
"""
HOSTILE = "- touch $CCACHE_DIR/kept && ln -sf /etc/passwd $CCACHE_DIR/link && chmod 000 $CCACHE_DIR\n"


@pytest.fixture
def program() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        tree = small_tree(folder / "definitions")
        write_files(
            tree,
            {
                "chunks/lib.morph": LIB,
                "lib/a.c": "a",
                "lib/b.c": "b",
                "shell/usr/bin/cc": "#!/bin/sh\n(cat $1 && echo compiled) >$2\n",
                "shell/usr/bin/ccache": CCACHE_SCRIPT,
            },
        )
        for name in ("cc", "ccache"):
            (tree / "shell/usr/bin" / name).chmod(0o755)
        (tree / "shell/usr/lib/ccache").mkdir(parents=True)
        (tree / "shell/usr/lib/ccache/cc").symlink_to("../../bin/ccache")
        yield Program(folder=folder, definitions=tree)


def built_lib(program: Program, *more: str) -> tuple[str, list[str], str]:
    """Build the chunk; return what is said of the compiler cache, the folders of it, and what was installed."""
    said = program.done("build", "small", "lib", *more)
    (artifact,) = [line for line in said.stdout.splitlines() if line.endswith(".lib-libs")]
    target = program.folder / "out"
    program.done("checkout", artifact, str(target), "--owner", "me")
    installed = "".join(path.read_text() for path in sorted(target.rglob("*")) if path.is_file())
    program.done("checkout", artifact, str(target) + ".tar", "--tar")
    told = [line for line in said.stderr.splitlines() if line.startswith("compiler cache")]
    folders = [path.name for path in (program.cache / "ccache").glob("*")]
    for path in sorted(target.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    target.rmdir()
    (program.folder / "out.tar").unlink()
    return (told or [""])[0], folders, installed


@pytest.mark.slow
def test_what_was_compiled_before_is_found(program: Program) -> None:
    told, folders, first = built_lib(program)
    assert (told, len(folders)) == ("compiler cache: 0 of 2 compilations found (0 %)", 1)
    write_files(program.definitions, {"lib/c.c": "c"})
    told, again, second = built_lib(program)
    assert (told, again) == ("compiler cache: 2 of 3 compilations found (66 %)", folders)
    assert "acompiled\nbcompiled\n" in first
    assert "acompiled\nbcompiled\nccompiled\n" in second
    shown = program.done("show", "small", "--json").stdout
    assert '"lib"' in shown


@pytest.mark.slow
def test_the_setting_changes_no_key_and_no_content(program: Program) -> None:
    told, folders, without = built_lib(program, "--no-ccache")
    assert (told, folders) == ("", [])
    program.done("gc", "--all")
    told, folders, used = built_lib(program)
    assert (told, len(folders)) == ("compiler cache: 0 of 2 compilations found (0 %)", 1)
    assert used == without


@pytest.mark.slow
def test_another_compiler_begins_with_nothing(program: Program) -> None:
    _, folders, _ = built_lib(program)
    write_files(program.definitions, {"shell/usr/bin/cc": "#!/bin/sh\n(cat $1 && echo better) >$2\n"})
    told, more, installed = built_lib(program)
    assert (told, len(more)) == ("compiler cache: 0 of 2 compilations found (0 %)", 2)
    assert set(folders) < set(more)
    assert "abetter\n" in installed


@pytest.mark.slow
def test_whatever_a_build_leaves_there_harms_nobody(program: Program) -> None:
    write_files(program.definitions, {"chunks/lib.morph": LIB + HOSTILE})
    built_lib(program)
    program.done("build", "small")
    write_files(program.definitions, {"lib/c.c": "c"})
    told, folders, _ = built_lib(program)
    assert (told, len(folders)) == ("compiler cache: 2 of 3 compilations found (66 %)", 1)
    program.done("gc", "--gc-keep", "0")
    assert list((program.cache / "ccache").iterdir()) == []


@pytest.mark.slow
def test_without_a_staged_ccache_it_is_told(program: Program) -> None:
    (program.definitions / "shell/usr/bin/ccache").unlink()
    (program.definitions / "shell/usr/lib/ccache/cc").unlink()
    said = program.done("build", "small", "lib")
    assert (
        "warning: lib: `compiler-cache: yes`, but nothing that it stages has /usr/bin/ccache" in said.stderr
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ccache") is None, reason="needs ccache")
def test_ccache_itself_notices_what_is_damaged(tmp_path: Path) -> None:
    """Why fsck leaves these folders alone: a flipped bit of an entry is noticed when it is read, and compiled again."""
    used = cache_environment(chunk(), "/usr/bin:/bin", used=True)
    folder, log = tmp_path / "cache", tmp_path / "log"
    environment = {**used, "PATH": "/usr/bin:/bin", "CCACHE_DIR": str(folder), "CCACHE_STATSLOG": str(log)}
    (tmp_path / "a.c").write_text("int f(int x) { return x + 42; }\n")

    def compiled() -> tuple[bytes, bool]:
        """Return the object file, and whether it came from the cache alone."""
        log.write_text("")
        line = ["ccache", "cc", "-c", "-o", "a.o", "a.c"]
        subprocess.run(line, cwd=tmp_path, env=environment, check=True, capture_output=True)
        return (tmp_path / "a.o").read_bytes(), "direct_cache_hit" in log.read_text()

    first, found = compiled()
    assert not found
    assert compiled() == (first, True)
    entries = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[-1] in "MR"]
    assert len(entries) == 2  # the manifest and the result
    for entry in entries:
        whole = entry.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 6)):
            entry.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            assert compiled() == (first, False), (entry.name, at)
            assert compiled() == (first, True)  # it was made again
            entry.write_bytes(whole)
