"""Garbage that another command collects in the middle of a build: nothing that the build has made is taken from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow


@pytest.fixture(params=[None, "ordinary user"], ids=["as we are", "ordinary user"])
def small(request: pytest.FixtureRequest) -> Iterator[Program]:
    need_static_shell()
    user = request.param and make_ordinary_user()
    with folder_of(user) as folder:
        yield Program(folder=folder, definitions=small_tree(folder / "definitions"), user=user)


@pytest.mark.parametrize("point", ["system.merged", "system.integrated"])
def test_a_system_is_composed_while_another_command_collects(small: Program, point: str) -> None:
    """What lithify writes into a system itself has no ref before the system has one."""
    said = replace(small, module=f"tests.faults.armed collect {point}").done("build", "small")
    assert f"collected at {point}" in said.stderr
    assert "another command works" in said.stderr
    assert "damaged" not in said.stderr
    assert "changed from outside" not in said.stderr
    assert small.done("fsck").status == 0
