"""What `doctor` finds, and that it says what mends the rest; and the space that a build asks for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.cli.space import require_room
from lithify.config import Settings
from lithify.errors import NoSpace
from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program


@pytest.fixture
def program() -> Iterator[Program]:
    with folder_of(None) as folder:
        yield Program(folder=folder, definitions=folder)


@pytest.mark.slow
def test_builds_can_run_here(program: Program) -> None:
    said = program.done("doctor")
    assert said.stderr == ""
    assert "\nok       sandbox: a command ran in it; memory " in said.stdout
    assert said.stdout.endswith("\n\nbuilds can run here\n")
    rows = {row["name"]: row for row in json.loads(program.done("doctor", "--json").stdout)}
    assert rows["bwrap"] == {
        "name": "bwrap",
        "met": True,
        "detail": "/usr/bin/bwrap",
        "mend": "",
        "vital": True,
    }
    assert rows["KVM"]["vital"] is False


@pytest.mark.slow
def test_what_is_missing_comes_with_the_command_that_mends_it(program: Program) -> None:
    said = program.run("doctor", "--cachedir-min-space", "999999G")
    assert (said.status, said.stderr) == (1, "")
    assert "MISSING  space (cachedir): " in said.stdout
    assert "\n           mend: lithify gc, or --cachedir FOLDER on another file system\n" in said.stdout
    assert said.stdout.endswith("\nbuilds cannot run here: space (cachedir)\n")


@pytest.mark.slow
def test_a_user_without_subordinate_ids_is_told_what_to_type() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with folder_of("nobody") as folder:
        said = Program(folder=folder, definitions=folder, user="nobody").run("doctor")
        if "No module named lithify" in said.stderr:
            pytest.skip("another user cannot read the project's folder")
        assert said.status == 1
        assert "mend: sudo usermod --add-subuids 100000-165535 nobody\n" in said.stdout
        refused = Program(folder=folder, definitions=folder, user="nobody").run("gc", "--all")
        assert refused.status == 1
        assert refused.stderr.startswith("ERROR: builds cannot run here: ")
        assert "hint: sudo usermod --add-subuids 100000-165535 nobody\n" in refused.stderr


def test_a_build_does_not_begin_without_room(program: Program) -> None:
    small_tree(program.folder / "definitions")
    said = replace(program, definitions=program.folder / "definitions").run(
        "build", "small", "--tempdir-min-space", "999999G"
    )
    assert said.status == 1
    assert said.stderr.startswith("ERROR: too little space to begin: ")
    assert f"free in {program.folder}/tmp; the setting tempdir-min-space asks for" in said.stderr


def test_no_room_is_asked_for_where_the_setting_is_0(tmp_path: Path) -> None:
    settings = Settings(cachedir=tmp_path / "not" / "there", tempdir=tmp_path)
    require_room(replace(settings, cachedir_min_space=0, tempdir_min_space=0))
    with pytest.raises(NoSpace, match="cachedir-min-space"):
        require_room(replace(settings, cachedir_min_space=1 << 60))
