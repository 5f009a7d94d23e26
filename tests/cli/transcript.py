"""Whole command lines, run in this process, as a transcript: what was typed, both outputs, the exit status."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec import Struct, field

from lithify.cli.app import run
from tests.program import write_files

CHUNKS = """\
- name: zlib
  repo: upstream:zlib
  ref: 0123456789abcdef0123456789abcdef01234567
  build-system: autotools
- name: app
  repo: upstream:app
  ref: 1123456789abcdef0123456789abcdef01234567
  build-system: autotools
  build-depends:
  - zlib
"""
TREE = {
    "VERSION": "version: 9\n",
    "strata/base.morph": """\
name: base
kind: stratum
chunks:
- name: libc
  repo: upstream:libc
  ref: 2123456789abcdef0123456789abcdef01234567
  build-system: autotools
""",
    "strata/work.morph": """\
name: work
kind: stratum
build-depends:
- morph: strata/base.morph
chunks:
"""
    + CHUNKS,
    "systems/small.morph": """\
name: small
kind: system
arch: x86_64
strata:
- morph: strata/base.morph
- morph: strata/work.morph
""",
}
"""A tree with all its sources pinned by the definitions: nothing needs to be fetched to ask about it."""


class Typist(Struct, frozen=True, kw_only=True):
    """Types commands in a folder."""

    folder: Path
    """Holds ``definitions`` and, once something needs it, ``cache``."""
    capsys: pytest.CaptureFixture[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def definitions(self) -> Path:
        """The root of the definitions."""
        return self.folder / "definitions"

    def type(self, line: str, *, below: str = "") -> str:
        """Return the transcript of a command that is typed at the root of the definitions, or below it."""
        environment = {
            "HOME": str(self.folder),
            "LITHIFY_CACHEDIR": str(self.folder / "cache"),
            "LITHIFY_TROVE_HOST": "git.example.com",
            **self.environment,
        }
        words = ["--no-default-configs", "-C", str(self.definitions / below), *shlex.split(line)]
        status = run(words, environment)
        said = self.capsys.readouterr()
        told = "".join(f"{mark}{text}\n" for mark, text in lines_of(said.out, said.err))
        return f"$ lithify {line}\n{told}[{status}]\n".replace(str(self.folder), "FOLDER")


def lines_of(out: str, err: str) -> list[tuple[str, str]]:
    """Return the lines of both outputs, those of stderr with a mark."""
    return [*(("", line) for line in out.splitlines()), *(("! ", line) for line in err.splitlines())]


def expected(text: str) -> str:
    """Return a transcript as it stands in a test, without its indentation."""
    return textwrap.dedent(text).lstrip("\n")


MakeTypist = Callable[[Mapping[str, str]], Typist]


def typist_on(folder: Path, files: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> Typist:
    """Return a typist on definitions of these files."""
    write_files(folder / "definitions", files)
    return Typist(folder=folder, capsys=capsys)
