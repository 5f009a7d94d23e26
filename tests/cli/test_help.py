"""Help: examples first, 80 columns, kept as text so that it shows at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lithify import __version__
from lithify.cli.help_texts import stale_texts
from lithify.cli.helping import TEXTS, overview
from lithify.cli.registry import COMMANDS, PANELS, CommandEntry, find_entry
from lithify.process import tool_environment
from tests.cli.transcript import TREE, typist_on
from tests.program import PROJECT, Program

each_command = pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)


@each_command
def test_help_begins_with_examples_and_fits(entry: CommandEntry) -> None:
    text = (TEXTS / f"{entry.name}.txt").read_text()
    lines = text.splitlines()
    assert lines[0] == "Examples:"
    assert lines[1].startswith(f"  lithify {entry.name}")
    assert f"\nUsage: lithify {entry.name}" in text
    assert [line for line in lines if len(line) > 80 and "--" not in line] == []


def examples_of(name: str) -> list[str]:
    """Return a command's examples that a shell has nothing to do with, and that need no tag."""
    shown = (TEXTS / f"{name}.txt").read_text().partition("\n\n")[0].splitlines()[1:]
    lines = [line.strip().removeprefix("lithify ") for line in shown]
    return [line for line in lines if not set(line) & set("|>$<") and "--ref" not in line]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["why-depends", "get-chunk-details", "validate", "show", "list-artifacts"])
def test_examples_are_of_the_demo(name: str, tmp_path: Path) -> None:
    program = Program(folder=tmp_path, definitions=PROJECT / "examples" / "demo")
    lines = examples_of(name)
    assert lines
    for line in lines:
        program.done(*line.split())


def test_the_kept_texts_are_what_the_commands_are_now() -> None:
    assert stale_texts() == [], "run python -m lithify.cli.help_texts"


@each_command
def test_a_command_has_one_line_and_one_name(entry: CommandEntry) -> None:
    assert entry.panel in PANELS
    assert not entry.summary.endswith(".")
    assert find_entry(entry.name) is entry
    assert all(find_entry(alias) is entry for alias in entry.aliases)


def test_the_overview_has_every_command_and_fits() -> None:
    text = overview()
    assert all(f"\n  {entry.name} " in text for entry in COMMANDS)
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("line", ["build --help", "build -h", "--help build", "help build"])
def test_help_is_had_in_every_way(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typist = typist_on(tmp_path, TREE, capsys)
    kept = (TEXTS / "build.txt").read_text()
    assert typist.type(line) == f"$ lithify {line}\n{kept}[0]\n"


def imported_by(*arguments: str) -> set[str]:
    """Return the modules that a command line imports in a process of its own."""
    code = (
        "import sys\nimport lithify.__main__\nfrom lithify.cli.app import run\n"
        f"status = run({list(arguments)!r}, {{}})\n"
        "print(status, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin"},
    )
    status, *modules = done.stderr.split()
    assert status == "0", done
    return set(modules)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["build", "--help"]])
def test_nothing_slow_is_imported_for_version_and_help(arguments: list[str]) -> None:
    modules = imported_by(*arguments)
    assert not modules & {"typer", "rich", "pydantic", "yaml", "gi", "httpx", "sqlite3", "asyncio", "ssl"}
    assert not modules & {"typing_extensions", "inspect", "lithify.cli.completing"}


def test_without_a_command_the_overview_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typist_on(tmp_path, TREE, capsys).type("") == f"$ lithify \n{overview()}[2]\n"


def test_the_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typist = typist_on(tmp_path, TREE, capsys)
    assert typist.type("--version") == f"$ lithify --version\nlithify {__version__}\n[0]\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_traceback(closed: str) -> None:
    line = f'"$0" -m lithify bild {closed}'
    done = subprocess.run(["sh", "-c", line, sys.executable], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_who_stops_reading_is_no_error_in_words() -> None:
    line = 'set -o pipefail; "$0" -m lithify --help | true; echo "$?"'
    done = subprocess.run(["bash", "-c", line, sys.executable], cwd=PROJECT, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout in ("0\n", "1\n")


def test_a_full_disk_is_one_line() -> None:
    line = '"$0" -m lithify --help >/dev/full'
    for unbuffered in ("", "1"):
        environment = tool_environment({"PYTHONUNBUFFERED": unbuffered})
        done = subprocess.run(
            ["sh", "-c", line, sys.executable], cwd=PROJECT, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (1, "ERROR: No space left on device\n")
