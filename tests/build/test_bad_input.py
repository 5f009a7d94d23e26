"""What goes wrong in a build: each with a clear error, nothing half-made, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stuck
from tests.build.definitions import FILES, small_tree
from tests.inside import folder_of
from tests.program import PROJECT, Program, Said
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow


@pytest.fixture
def small() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        yield Program(folder=folder, definitions=folder / "definitions")


def replace_app(program: Program, install: str, more: str = "") -> None:
    """Give the chunk ``app`` another install command, and more fields."""
    text = f"name: app\nkind: chunk\nsources:\n- kind: local\n  path: app\n{more}install-commands:\n- {install}\n"
    (program.definitions / "chunks" / "app.morph").write_text(text)


def refused(program: Program, *words: str) -> Said:
    """Build what must fail, and return what was said: one clear error, no traceback, status 1."""
    said = program.run("build", "small", *words)
    assert said.status == 1, said
    assert "Traceback" not in said.stderr
    assert "ERROR: " in said.stderr
    assert said.stdout == ""
    return said


def assert_mends(program: Program) -> None:
    """The tree as it should be builds on what is there, and nothing of a failure is left but what is kept on purpose."""
    (program.definitions / "chunks" / "app.morph").write_text(FILES["chunks/app.morph"])
    program.done("build", "small")


def processes_with(text: str) -> list[str]:
    """Return the command lines of living processes that hold a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found


def test_a_command_that_fails_shows_what_and_where(small: Program) -> None:
    replace_app(small, "echo half >$DESTDIR/half && echo this is the reason && exit 3")
    said = refused(small)
    assert "ERROR: app: install failed (exit_code=3)" in said.stderr
    assert "command: echo half >$DESTDIR/half && echo this is the reason && exit 3" in said.stderr
    assert "    this is the reason" in said.stderr
    assert "lithify shell app --failed" in said.stderr
    log = small.done("log", "app").stdout
    assert "this is the reason" in log
    shell = small.run("shell", "app", "--failed", "--", "sh", "-c", "pwd; cat main $DESTDIR/half; exit 7")
    assert (shell.status, shell.stdout) == (7, "/app.build\n#!/bin/sh\nhalf\n"), (
        "its folders are as the failure left them"
    )
    assert_mends(small)
    assert small.run("shell", "app", "--failed", "--", "true").status == 1, (
        "a build that succeeds takes its place"
    )


def test_a_command_that_never_ends_is_stopped_at_its_limit(small: Program) -> None:
    replace_app(small, "while :; do sleep 1; done", "timeout: 1\n")
    said = refused(small)
    assert "app: install failed (timed out after 1 s)" in said.stderr
    assert_mends(small)


def test_a_gigabyte_of_output_is_cut_in_the_middle(small: Program) -> None:
    replace_app(small, 'cat /dev/zero | head -c 1000000000 && mkdir -p "$DESTDIR/a" && echo the end')
    limited = Program(folder=small.folder, definitions=small.definitions, settings=("--log-limit", "100K"))
    limited.done("build", "small", "app")
    log = Path(limited.done("log", "app", "--path").stdout.strip())
    assert log.stat().st_size < 600_000
    text = log.read_bytes()
    assert b"over its limit of 102400 bytes" in text
    assert b"the end" in text


def test_processes_left_behind_end_with_the_build(small: Program) -> None:
    replace_app(small, '(sleep 98765 &) && mkdir -p "$DESTDIR/a"')
    small.done("build", "small", "app")
    assert processes_with("sleep 98765") == []


def test_nothing_but_its_own_folders_can_be_written(small: Program) -> None:
    replace_app(small, "echo x >/usr/lib/liblib.so.1")
    assert "Read-only file system" in refused(small).stderr
    replace_app(small, "echo x >/outside")
    assert "Read-only file system" in refused(small).stderr
    assert_mends(small)


def test_a_chunk_that_installs_nothing_is_told_so(small: Program) -> None:
    replace_app(small, "true")
    said = refused(small)
    assert "app: capture failed (it installed nothing into $DESTDIR)" in said.stderr
    assert "install-commands put files below $DESTDIR" in said.stderr


def test_what_cannot_be_kept_is_refused_with_its_path(small: Program) -> None:
    replace_app(small, "touch \"$DESTDIR/$(printf 'latin-\\351')\"")
    said = refused(small)
    assert r"latin-\xe9 has a name that is not UTF-8" in said.stderr


@pytest.mark.parametrize("policy", ["warn", "allow", "refuse"])
def test_a_file_over_another_chunks_file_is_an_overlap(small: Program, policy: str) -> None:
    replace_app(small, 'mkdir -p "$DESTDIR/etc" && echo mine >"$DESTDIR/etc/a.conf"')
    system = small.definitions / "systems" / "small.morph"
    system.write_text(system.read_text() + f"overlaps: {policy}\n")
    said = small.run("build", "small")
    told = "/etc/a.conf: app-misc and odd-misc install different files there"
    if policy == "refuse":
        assert said.status == 1
        assert f"1 overlaps are refused: {told}" in said.stderr
    else:
        assert said.status == 0, said.stderr
        assert (told in said.stderr) == (policy == "warn")


def test_a_folder_over_a_file_names_both(small: Program) -> None:
    replace_app(small, 'mkdir -p "$DESTDIR/etc/a.conf" && touch "$DESTDIR/etc/a.conf/inner"')
    said = refused(small)
    assert "app-misc" in said.stderr
    assert "odd-misc" in said.stderr
    assert "etc/a.conf" in said.stderr


def test_an_integration_command_that_fails_names_itself(small: Program) -> None:
    chunk = small.definitions / "chunks" / "odd.morph"
    chunk.write_text(chunk.read_text().replace("rm /usr/share/odd/plain", "echo told && exit 4"))
    said = refused(small)
    assert "small: system-integration failed (exit_code=4)" in said.stderr
    assert "    told" in said.stderr


def test_definitions_outside_of_git_work(small: Program) -> None:
    assert not (small.definitions / ".git").exists()
    small.done("build", "small", "lib")


def test_a_folder_without_definitions_is_told_so(small: Program, tmp_path: Path) -> None:
    said = Program(folder=small.folder, definitions=tmp_path).run("build", "small")
    assert said.status == 1
    assert "no definitions at or above" in said.stderr


def test_an_unpinned_source_names_the_command(small: Program) -> None:
    replace_app(small, "true")
    chunk = small.definitions / "chunks" / "app.morph"
    chunk.write_text(
        chunk.read_text().replace(
            "kind: local\n  path: app", "kind: archive\n  url: http://127.0.0.1:9/x.tar"
        )
    )
    said = refused(small)
    assert "app" in said.stderr
    assert "lithify lock" in said.stderr


def test_a_full_disk_is_told_and_the_next_run_goes_on(small: Program) -> None:
    """On a file system of 24 MB, which an ordinary user may mount in a namespace of their own."""
    replace_app(small, 'mkdir -p "$DESTDIR/a" && head -c 60000000 /dev/zero >"$DESTDIR/a/big"')
    place = small.folder / "small-disk"
    place.mkdir()
    script = (
        'mount -t tmpfs -o size=24m none "$1" || exit 77; shift; "$@"; echo "status $?"; '
        'sed -i "s/60000000/1000/" chunks/app.morph; "$@"; echo "status $?"'
    )
    environment = {**small.environment(str(small.folder)), "LITHIFY_CACHEDIR": str(place / "cache")}
    environment["LITHIFY_TEMPDIR"] = str(place / "tmp")
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", script, "sh", str(place), sys.executable, "-m", "lithify"),
            *(
                "--no-default-configs",
                "--cachedir-min-space",
                "0",
                "--tempdir-min-space",
                "0",
                "build",
                "small",
                "app",
            ),
        ],
        cwd=small.definitions,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "status" not in done.stdout:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr}")
    assert "Traceback" not in done.stderr
    assert f"no space left in {place}" in done.stderr
    assert "lithify gc" in done.stderr
    assert done.stdout.splitlines()[0] == "status 1"
    assert done.stdout.splitlines()[-1] == "status 0", done.stderr


def test_an_interrupt_ends_the_build_cleanly(small: Program) -> None:
    replace_app(small, "while :; do sleep 54321; done")
    child = small.start("build", "small")
    assert child.stderr is not None
    seen = ""
    while "app: started" not in seen:
        line = child.stderr.readline()
        assert line, seen
        seen += line
    while not processes_with("sleep 54321"):
        os.sched_yield()
    child.send_signal(signal.SIGINT)
    _, rest = child.communicate(timeout=30)
    assert child.returncode == 130, rest
    assert "ERROR: interrupted" in rest
    assert processes_with("sleep 54321") == []
    assert [path.name for path in (small.cache / "staging").iterdir()] == []
    assert_mends(small)


def test_a_killed_build_leaves_nothing_that_matters(small: Program) -> None:
    replace_app(small, "while :; do sleep 43210; done")
    child = small.start("build", "small")
    while not processes_with("sleep 43210"):
        os.sched_yield()
    child.kill()
    stuck.communicate(child)
    deadline = 2000
    while processes_with("sleep 43210") and deadline:
        deadline -= 1
        os.sched_yield()
    assert processes_with("sleep 43210") == []
    assert_mends(small)


def test_help_needs_no_definitions(tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=tmp_path)
    assert "Examples:" in program.done("--help").stdout
    assert "Examples:" in program.done("help", "build").stdout
    said = program.run("bild")
    assert (said.status, said.stdout) == (2, "")
    assert said.stderr == "ERROR: unknown command bild\nhint: did you mean build?\n"
    assert PROJECT.is_dir()


NEST = 'mkdir -p "$DESTDIR/d" && cd "$DESTDIR/d" && i=1; while [ $i -lt %d ]; do mkdir d; cd d; i=$((i+1)); done; touch f'


def test_folders_may_be_nested_as_deep_as_the_store_holds_and_no_deeper(small: Program) -> None:
    replace_app(small, NEST % 257)
    said = refused(small)
    assert "is too deep: folders are nested more than 256 deep" in said.stderr
    assert "lithify shell app --failed" in said.stderr
    replace_app(small, NEST % 256)
    small.done("build", "small")
    small.done("deploy", "small")


def test_a_pattern_that_would_explode_is_matched_all_the_same(small: Program) -> None:
    """Python alone would try 2^200 ways."""
    replace_app(
        small,
        f'mkdir -p "$DESTDIR/{"a" * 200}!" && touch "$DESTDIR/x"',
        "products:\n- {artifact: app-odd, include: ['(a+)+$']}\n",
    )
    small.done("build", "small")
    assert "app-odd" in small.done("list-artifacts", "small").stdout


def test_a_pattern_that_may_take_for_ever_is_refused_at_its_place(small: Program) -> None:
    replace_app(small, "true", "products:\n- {artifact: app-odd, include: ['(a+)+\\1$']}\n")
    said = refused(small)
    assert "chunks/app.morph:7:" in said.stderr
    assert "cannot be matched in a time that is known" in said.stderr
