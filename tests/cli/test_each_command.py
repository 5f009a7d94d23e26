"""Each command has a transcript of its result, of its failure and of its wrong use: whole commands, all that they say.

``transcripts/commands/NAME.txt`` has three parts, headed ``# result``, ``# failure`` and ``# wrong use``. Commands of a file
that begins with ``# built`` are run as programs of their own on a tree that is built; those of others in this process, on a
small tree whose sources need not be there. What a part shows may be elsewhere (``# result: tests/…::test_…``), or not be
possible (``# failure: none, …``). Keys, times and sizes are written as what they are.
``RENEW_TRANSCRIPTS=1`` writes what is said now.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lithify.cli.registry import COMMANDS
from tests.build.definitions import small_tree
from tests.cli.test_transcripts import MORE
from tests.cli.transcript import TREE, lines_of, typist_on
from tests.inside import folder_of
from tests.program import PROJECT, Program, write_files

FOLDER = PROJECT / "tests" / "cli" / "transcripts" / "commands"
PROMPT = "$ lithify "
PARTS = {"result": 0, "failure": 1, "wrong use": 2}
"""Part → the exit status of its commands."""
HEAD = re.compile(r"(?m)^# (result|failure|wrong use)(?:: (.*))?\n")
BUILT = "# built\n"
PLACEHOLDERS = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<KEY>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<COMMIT>"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "<KEY8>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<DATE>"),
    (re.compile(r"\[\d\d:\d\d\]"), "[MM:SS]"),
    (re.compile(r" *\b\d+(?:\.\d+)? (?:s|min)\b"), " <TIME>"),
    (re.compile(r" *\b\d+(?:\.\d)? (?:B|kB|MB|GB)\b"), " <SIZE>"),
    (re.compile(r"\b\d+ (object|ref|layer|log|answer|file of fact|lock)s?\b"), r"<N> \1s"),
    (re.compile(r"(?m)^.* will belong to subordinate ids of yours; .*\n"), ""),
    (re.compile(r"(?m)^(?:ok|without|MISSING)  .*\n(?: +mend: .*\n)*"), ""),
)
"""What differs from run to run, user to user and machine to machine; of the doctor's findings, all."""
MORE_FILES = {
    "clusters/small.morph": """\
name: small
kind: cluster
systems:
- morph: systems/small.morph
  deploy:
    archive: {type: tar, location: ../small.tar}
""",
    "extensions/greet.check": '#!/bin/sh\necho "to $1, upgrade: $UPGRADE"\n',
    "extensions/refuse.check": '#!/bin/sh\necho "no way to $1" >&2\nexit 3\n',
    "strata/broken.morph": """\
name: broken
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
- name: stops
  morph: chunks/stops.morph
""",
    "chunks/stops.morph": "name: stops\nkind: chunk\nsources:\n- {kind: local, path: lib}\nbuild-commands:\n"
    "- cat missing\ninstall-commands:\n- touch $DESTDIR/x\n",
    "systems/broken.morph": """\
name: broken
kind: system
arch: x86_64
strata:
- morph: strata/base.morph
- morph: strata/broken.morph
""",
}


def parts_of(text: str) -> dict[str, tuple[str, str]]:
    """Return part → (what is said in its head, its commands and all that they say)."""
    _, *rest = HEAD.split(text)
    return {rest[at]: (rest[at + 1] or "", rest[at + 2]) for at in range(0, len(rest), 3)}


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_a_command_shows_its_result_its_failure_and_its_wrong_use(name: str) -> None:
    file = FOLDER / f"{name}.txt"
    assert file.exists(), f"write {file.relative_to(PROJECT)}"
    text = file.read_text(encoding="utf-8")
    parts = parts_of(text)
    assert list(parts) == list(PARTS)
    for part, (elsewhere, body) in parts.items():
        statuses = [int(status) for status in re.findall(r"(?m)^\[(\d+)\]$", body)]
        if elsewhere.startswith("tests/"):
            place, _, test = elsewhere.partition("::")
            assert f"\ndef {test}(" in (PROJECT / place).read_text(encoding="utf-8"), elsewhere
        elif not elsewhere.startswith("none, "):
            assert statuses, f"{name}: no command under {part}"
        assert set(statuses) <= {PARTS[part]}, f"{name}: {part} ends with {PARTS[part]}"
        assert name in body or elsewhere


def test_names_in_json_have_dashes() -> None:
    with_underscores = {
        (file.stem, name)
        for file in FOLDER.glob("*.txt")
        for name in re.findall(r'(?m)^ *"(\w+_\w+)":', file.read_text(encoding="utf-8"))
    }
    assert {stem for stem, _ in with_underscores} <= {"graph"}, with_underscores


def test_there_is_no_transcript_of_what_is_no_command() -> None:
    assert {file.stem for file in FOLDER.iterdir()} <= {entry.name for entry in COMMANDS}


def files(*, built: bool) -> list[Path]:
    return [
        file
        for file in sorted(FOLDER.glob("*.txt"))
        if file.read_text(encoding="utf-8").startswith(BUILT) is built
    ]


@pytest.mark.parametrize("file", files(built=False), ids=lambda file: file.stem)
def test_what_is_typed_comes_out(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    typist = typist_on(tmp_path, {**TREE, **MORE}, capsys)
    compare(file, lambda line: anonymous(typist.type(line)))


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program on a tree that is built, and a system of it that fails."""
    with folder_of(None) as folder:
        definitions = small_tree(folder / "definitions")
        write_files(definitions, MORE_FILES)
        made = Program(folder=folder, definitions=definitions, settings=("-j", "1"))
        made.done("build", "small")
        assert made.run("build", "broken").status == 1
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("file", files(built=True), ids=lambda file: file.stem)
def test_what_is_run_comes_out(file: Path, program: Program) -> None:
    def run(line: str) -> str:
        said = program.run(*shlex.split(line))
        told = "".join(f"{mark}{text}\n" for mark, text in lines_of(said.stdout, said.stderr))
        return anonymous(f"{PROMPT}{line}\n{told}[{said.status}]\n".replace(str(program.folder), "FOLDER"))

    compare(file, run)


def anonymous(text: str) -> str:
    """Return a transcript without what differs from run to run."""
    for pattern, word in PLACEHOLDERS:
        text = pattern.sub(word, text)
    return text


def compare(file: Path, run: Callable[[str], str]) -> None:
    """Type all commands of a file anew, and compare what they say."""
    kept = file.read_text(encoding="utf-8")
    made = BUILT if kept.startswith(BUILT) else ""
    for part, (elsewhere, body) in parts_of(kept).items():
        made += f"# {part}{f': {elsewhere}' if elsewhere else ''}\n"
        lines = [line.removeprefix(PROMPT) for line in body.splitlines() if line.startswith(PROMPT)]
        made += "\n".join([*map(run, lines), ""]) if lines else "\n"
    if os.environ.get("RENEW_TRANSCRIPTS"):
        file.write_text(made, encoding="utf-8")
    assert made == kept
    assert "Traceback" not in made


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        *("show small", "build small --dry-run", "build broken --dry-run", "why app", "why-depends app lib"),
        *(
            "list-artifacts small",
            "list-artifacts --cached",
            "list-files {key}",
            "log app",
            "show-build-log small lib",
        ),
        *(
            "checkout small ../out-{number} --owner me",
            "checkout small ../out-{number}.tar --tar",
            "du",
            "gc",
            "fsck",
        ),
        *(
            "gc --dry-run",
            "doctor",
            "keep --list",
            "lock",
            "show-config",
            "workspace list",
            "graph small --format json",
        ),
        *(
            "get-chunk-details lib",
            "expand-repo upstream:x",
            "show-dependencies small",
            "validate",
            "provenance {key}",
        ),
    ],
)
def test_queries_are_data_too(line: str, program: Program, request: pytest.FixtureRequest) -> None:
    keys = program.done("list-artifacts", "--cached", "small").stdout.split()
    key = next(key for key in keys if key.endswith("lib-libs"))
    words = shlex.split(line.format(key=key, number=abs(hash(request.node.name))))
    said = program.done(*words, *([] if words[0] in ("provenance", "graph") else ["--json"]))
    assert isinstance(json.loads(said.stdout), dict | list)
