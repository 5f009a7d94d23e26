"""Completion: what a word may become, and that bash, fish and zsh offer it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.cli.completing import candidates
from lithify.cli.registry import COMMANDS
from lithify.cli.shells import SCRIPTS
from tests.cli.test_help import imported_by
from tests.cli.transcript import TREE, typist_on
from tests.program import PROJECT, write_files

CLUSTER = """\
name: images
kind: cluster
systems:
- morph: systems/small.morph
  deploy:
    disk:
      type: rawdisk
      location: small.img
    archive:
      type: tar
      location: small.tar
  subsystems:
  - morph: systems/small.morph
    deploy:
      inner:
        type: initramfs
"""
FILES = {
    **TREE,
    "clusters/images.morph": CLUSTER,
    "broken/edited.morph": "kind: stratum\nchunks:\n- name: {\n",
    "motd.configure": "#!/bin/sh\n",
    "extensions/near.write": "#!/bin/sh\n",
    ".hidden/far.write": "#!/bin/sh\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_files(tmp_path / "definitions", FILES)


def offered(tree: Path, *words: str) -> list[str]:
    return [one.word for one in candidates(words, tree)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bui", ["build"]),
        ("-j 2 bui", ["build"]),
        ("build ", ["systems/small.morph"]),
        ("build --debug s", ["systems/small.morph"]),
        ("build --events FILE s", ["systems/small.morph"]),
        ("build --events ", []),
        ("build --cachedir ", []),
        ("build systems/small.morph ", ["app", "base", "libc", "work", "zlib", "{"]),
        ("build systems/small.morph z", ["zlib"]),
        ("build --keep", ["--keep-going"]),
        ("build --tempdir-", ["--tempdir-min-space"]),
        ("deploy ", ["clusters/images.morph"]),
        ("deploy clusters/images.morph ", ["archive", "disk"]),
        ("deploy clusters/images d", ["disk"]),
        ("upgrade ", ["clusters/images.morph"]),
        ("upgrade clusters/images.morph ", ["archive", "disk"]),
        ("show-build-log a", ["app"]),
        ("help doc", ["doctor"]),
        ("help near", []),
        ("help extensions/", ["extensions/near.write"]),
        (
            "run-extension ",
            ["directory.write", "extensions/near.write", "image.write", "motd.configure", "tar.write"],
        ),
        ("run-extension tar.write ", []),
        ("cross-bootstrap x86", ["x86_32", "x86_64"]),
        ("cross-bootstrap testarch ", ["systems/small.morph"]),
        ("validate ", []),
        ("shell zlib -- z", []),
        ("nonsense ", []),
        ("completion ", ["bash", "fish", "zsh"]),
        ("workspace ", ["close", "list", "open", "reset"]),
        ("workspace open z", ["zlib"]),
        ("workspace close ", []),
        ("workspace list ", []),
        ("workspace open zlib ", []),
    ],
)
def test_what_a_word_may_become(tree: Path, line: str, expected: list[str]) -> None:
    assert offered(tree, *line.split(" ")) == expected


def test_all_commands_are_offered_where_none_is_typed(tree: Path) -> None:
    assert offered(tree) == offered(tree, "") == sorted(entry.name for entry in COMMANDS)


def test_names_come_from_the_root_in_folders_below_it_and_with_dash_c(tree: Path, tmp_path: Path) -> None:
    assert offered(tree / "strata", "build", "") == ["systems/small.morph"]
    assert offered(tmp_path, "-C", "definitions", "build", "") == ["systems/small.morph"]


def test_outside_of_definitions_commands_and_options_are_offered_still(tmp_path: Path) -> None:
    assert offered(tmp_path, "build", "") == []
    assert offered(tmp_path, "run-extension", "t") == ["tar.write"]
    assert "--dry-run" in offered(tmp_path, "build", "--")


def test_folders_that_cannot_be_read_and_other_trees_are_left_out(tree: Path) -> None:
    write_files(tree, {"other/VERSION": "version: 9\n", "other/s.morph": "name: s\nkind: system\n"})
    write_files(tree, {".hidden/h.morph": "name: h\nkind: system\n"})
    (tree / "gone.morph").symlink_to("nowhere")
    assert offered(tree, "build", "") == ["systems/small.morph"]


def test_nothing_slow_is_imported() -> None:
    modules = imported_by("-C", str(PROJECT / "examples" / "demo"), "--version") | imported_by(
        "__complete", "zsh", "--", "build", ""
    )
    modules |= imported_by("__complete", "zsh", "--", "run-extension", "")
    assert not modules & {"typer", "rich", "pydantic", "yaml", "gi", "httpx", "sqlite3", "asyncio", "ssl"}


OPENED = """\
import sys
from pathlib import Path
from lithify.cli.completing import candidates
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
candidates(["why", ""], Path(sys.argv[1]))
print(sum(str(name).endswith(".morph") for name in opened))
"""


def test_each_file_is_read_once_whatever_may_stand_there(tree: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", OPENED, tree], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert int(said.stdout) == len(list(tree.rglob("*.morph")))


def test_names_at_the_end_of_a_large_file_are_offered(tree: Path) -> None:
    path = tree / "strata" / "work.morph"
    path.write_text(path.read_text() + "# a comment\n" * 10_000 + "- name: last-of-all\n")
    assert offered(tree, "log", "last") == ["last-of-all"]


def test_the_command_prints_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typist = typist_on(tmp_path, TREE, capsys)
    assert typist.type("completion fish") == f"$ lithify completion fish\n{SCRIPTS['fish']}[0]\n"
    assert typist.type("completion tcsh") == (
        "$ lithify completion tcsh\n! ERROR: no completion for the shell tcsh\n! hint: there is bash, fish, zsh\n[2]\n"
    )
    assert typist.type("completion").endswith("[2]\n")


# In the shells themselves


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "lithify"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lithify "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    return {
        "PATH": path,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(PROJECT),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }


def said_by(argv: list[str], tree: Path, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(argv, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("buil", ["build"]),
        ("build ''", ["systems/small.morph"]),
        ("why z", ["zlib"]),
        ("deploy clusters/images.morph ''", ["archive", "disk"]),
    ],
)
def test_in_bash(tree: Path, environment: dict[str, str], words: str, expected: list[str]) -> None:
    script = (
        f"source <(lithify completion bash); COMP_WORDS=(lithify {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        "_lithify; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert said_by(["bash", "--norc", "-c", script], tree, environment) == expected


@needs("fish")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lithify buil", ["build\tbuild a system, or some of its chunks and strata"]),
        ("lithify build ", ["systems/small.morph\tsystem"]),
        ("lithify why z", ["zlib\tchunk of strata/work.morph"]),
        ("lithify validate V", ["VERSION"]),
    ],
)
def test_in_fish(tree: Path, environment: dict[str, str], line: str, expected: list[str]) -> None:
    script = f"lithify completion fish | source; complete -C '{line}'"
    assert [
        one.rstrip() for one in said_by(["fish", "--no-config", "-c", script], tree, environment)
    ] == expected


@pytest.fixture
def zsh(tree: Path, environment: dict[str, str]) -> Iterator[int]:
    """A zsh at a terminal, completion set up; what is yielded is the terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tree)
        os.execve("/usr/bin/zsh", ["zsh", "-f", "-i"], environment)
    os.write(
        terminal, b"autoload -U compinit; compinit -u -D; source <(lithify completion zsh); print REA''DY\n"
    )
    read_until(terminal, "READY")
    yield terminal
    os.close(terminal)
    os.waitpid(child, 0)


def read_until(terminal: int, wanted: str) -> None:
    said = ""
    end = time.monotonic() + 30
    while wanted not in said:
        ready, _, _ = select.select([terminal], [], [], max(end - time.monotonic(), 0))
        assert ready, f"{wanted!r} did not come, but: {said!r}"
        said += os.read(terminal, 4096).decode(errors="replace")


@needs("zsh")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("buil", "build "),
        ("build ", "systems/small.morph "),
        ("why z", "zlib "),
        ("validate VER", "VERSION "),
    ],
)
def test_in_zsh(zsh: int, typed: str, completed: str) -> None:
    # What the terminal echoes while typing is split by escapes; the line is printed to see it whole.
    os.write(zsh, f"print -r MAR''K lithify {typed}\x01".encode())
    os.write(zsh, b"\x0b")  # cleared: completion is asked for at a command line of its own
    os.write(zsh, f"lithify {typed}\t".encode())
    os.write(zsh, b"\x01print -r 'MAR''K' \x05\n")
    line = f"lithify {typed.rpartition(' ')[0]} ".replace("  ", " ") + completed
    read_until(zsh, f"MARK {line.strip()}")
