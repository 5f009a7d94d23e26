"""The built-in build systems and split rules, and what tells of a build system in a source."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lithify.definitions.builtin import (
    CHUNK_RULES,
    MODERN,
    STRATUM_RULES,
    STRIP,
    STRIP_CLASSIC,
    classic,
    detect_build_system,
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"configure", "CMakeLists.txt", "setup.py"}, "autotools"),
        ({"autogen.sh"}, "autotools"),
        ({"configure.in.in"}, "autotools"),
        ({"setup.py", "Makefile.PL"}, "python-distutils"),
        ({"Makefile.PL", "CMakeLists.txt"}, "cpan"),
        ({"CMakeLists.txt", "x.pro"}, "cmake"),
        ({"x.pro"}, "qmake"),
        ({"Makefile", "README"}, None),
        (set(), None),
    ],
)
def test_detection_in_the_order_of_2015(files: set[str], expected: str | None) -> None:
    assert detect_build_system(files) == expected


def test_what_is_built_in() -> None:
    old = ["manual", "autotools", "python-distutils", "cpan", "cmake", "qmake", "dummy"]
    assert list(classic(strips=True).build_systems) == old
    new = {"import", "make", "meson", "cmake", "python", "autotools", "module-build", "python3-distutils"}
    assert new <= set(MODERN.build_systems)
    for name in ("manual", "import"):
        assert not any(MODERN.build_systems[name].values())


def test_split_rules() -> None:
    assert [rule.artifact for rule in CHUNK_RULES] == ["-bins", "-libs", "-devel", "-doc", "-locale", "-misc"]
    assert [rule.artifact for rule in STRATUM_RULES] == ["-devel", "-runtime"]


def test_every_command_is_shell(tmp_path: Path) -> None:
    defaults = (classic(strips=True), classic(strips=False), MODERN)
    systems = [system for one in defaults for system in one.build_systems.values()]
    commands = {
        command
        for system in systems
        for step in system.values()
        for command in step
        if isinstance(command, str)
    }
    for command in commands:
        assert subprocess.run(["sh", "-n", "-c", command], cwd=tmp_path, check=False).returncode == 0


_TOOLS = ("gcc", "objcopy", "objdump", "strip", "dd", "find")


@pytest.mark.skipif(not all(map(shutil.which, _TOOLS)), reason="needs a compiler and binutils")
@pytest.mark.parametrize(
    ("command", "debug"),
    [(STRIP_CLASSIC, "usr/lib/debug/a b"), (STRIP, "usr/lib/debug/usr/bin/a b.debug")],
)
def test_stripping_keeps_debug_information_apart(tmp_path: Path, command: str, debug: str) -> None:
    binaries = tmp_path / "usr/bin"
    binaries.mkdir(parents=True)
    source = tmp_path / "x.c"
    source.write_text("int main(void) { return 0; }\n")
    program = binaries / "a b"
    subprocess.run(["gcc", "-g", "-o", str(program), str(source)], check=True)
    os.link(program, binaries / "other name")
    script = binaries / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    before = program.stat().st_size
    env = {"PATH": os.environ["PATH"], "DESTDIR": str(tmp_path), "PREFIX": "/usr", "LC_ALL": "C"}
    for _ in range(2):
        done = subprocess.run(["sh", "-e", "-c", command], env=env, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    assert program.stat().st_size < before
    found = [tmp_path / debug, tmp_path / debug.replace("a b", "other name")]
    assert any(path.is_file() for path in found)
    sections = subprocess.run(
        ["objdump", "-h", str(program)], capture_output=True, text=True, check=True
    ).stdout
    assert ".gnu_debuglink" in sections
    assert ".debug_info" not in sections
    assert script.read_text() == "#!/bin/sh\n"
