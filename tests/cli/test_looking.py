"""A build whose answer does not stand has the layers of the last one looked at while it still loads its modules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program, write_files
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow

NUMBER = 20
"""Chunks: enough to be worth a process."""
FILES = {
    "strata/many.morph": "name: many\nkind: stratum\nchunks:\n"
    + "".join(f"- {{name: c{number}, morph: chunks/c{number}.morph}}\n" for number in range(NUMBER)),
    "systems/many.morph": "name: many\nkind: system\narch: x86_64\n"
    "strata: [{name: base, morph: strata/base.morph}, {name: many, morph: strata/many.morph}]\n",
}
CHUNK = """\
name: c{number}
kind: chunk
build-system: import
sources: [{{kind: local, path: "files/{number}"}}]
"""
TOP = """\
name: top
kind: chunk
sources: [{{kind: local, path: lib}}]
install-commands: ['echo {said} >"$DESTDIR/said"']
"""
ON_TOP = """\
name: top
kind: stratum
build-depends: [{morph: strata/base.morph}, {morph: strata/many.morph}]
chunks: [{name: top, morph: chunks/top.morph}]
"""
INTEGRATION = "system-integration: {c0-misc: {0: ['cat /etc/0 >/etc/of-the-system']}}\n"
WATCHED = """
import json, os, sys
started = []
def watch(event, arguments):
    if event == "subprocess.Popen":
        started.append(["lithify.graph.resolve" in sys.modules, *map(str, arguments[1])])
sys.addaudithook(watch)
from lithify.cli.app import run
status = run(sys.argv[1:], dict(os.environ))
print(json.dumps({"status": status, "started": started}))
"""


@pytest.fixture
def many() -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        definitions = small_tree(folder / "definitions")
        write_files(definitions, FILES)
        for number in range(NUMBER):
            chunk = CHUNK.format(number=number) + (INTEGRATION if number == 0 else "")
            write_files(
                definitions, {f"chunks/c{number}.morph": chunk, f"files/{number}/etc/{number}": "x\n"}
            )
        yield Program(folder=folder, definitions=definitions)


def early(program: Program, status: int, *components: str) -> list[str]:
    """Build, and return what was started before the definitions were resolved; a command ends with ``status``."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "--no-default-configs", "build", "many", *components],
        cwd=program.definitions,
        env=program.environment(str(program.folder)),
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["status"] == status, done.stderr
    return [" ".join(words) for late, *words in seen["started"] if not late]


def test_layers_are_looked_at_before_anything_is_resolved(many: Program) -> None:
    assert early(many, 0) == []  # nothing is known yet
    assert early(many, 0) == []  # nothing is to be done
    write_files(many.definitions, {"files/3/etc/3": "changed\n"})
    looks = early(many, 0)
    if os.geteuid() == 0:
        assert len(looks) >= 1
        assert all("short_look.py" in look for look in looks)
    else:
        assert looks == []  # an ordinary user's files have other owners outside of the namespace


def test_so_are_those_of_a_chunk_that_is_asked_for_alone(many: Program) -> None:
    write_files(many.definitions, {"chunks/top.morph": TOP.format(said="one"), "strata/top.morph": ON_TOP})
    system = "systems/many.morph"
    text = (many.definitions / system).read_text()
    write_files(many.definitions, {system: text.replace("]\n", ", {name: top, morph: strata/top.morph}]\n")})
    assert early(many, 0, "top") == []
    write_files(many.definitions, {"chunks/top.morph": TOP.format(said="two")})
    looks = early(many, 0, "top")
    assert all("short_look.py" in look for look in looks)
    assert bool(looks) == (os.geteuid() == 0)


def test_a_build_that_stops_early_ends_them(many: Program) -> None:
    many.done("build", "many")
    write_files(many.definitions, {"chunks/c3.morph": "name: c3\nkind: chunk\nunknown: field\n"})
    early(many, 1)
    assert not any(str(many.cache) in line for line in running())


def running() -> list[str]:
    """Return the command lines of all processes."""
    lines = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                lines.append(file.read().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # no process, or it has ended
    return [line for line in lines if "short_look" in line]
