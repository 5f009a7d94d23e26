"""What a sandbox lacks on a machine is said; where it lacks nothing, nothing is."""

from __future__ import annotations

import os
import platform

import pytest

from lithify.staging.cgroup import parent_group
from lithify.staging.weaknesses import weaknesses
from tests.inside import run_inside


def told(memory_limit: int | None = None) -> list[object]:
    return [list(weaknesses(memory_limit=memory_limit)), parent_group() is not None]


def test_nothing_is_said_of_a_whole_sandbox(who: str | None) -> None:
    assert run_inside(told, user=who)[0] == []


def test_a_limit_of_memory_that_holds_for_single_processes_is_said(who: str | None) -> None:
    found, grouped = run_inside(told, 1 << 30, user=who)
    assert len(found) == (0 if grouped else 1)
    assert grouped or "memory-limit holds for each process" in found[0]


def test_root_without_a_user_namespace_is_said() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can do without a user namespace")
    (found, _) = run_inside(told, enter="enter_as_root")
    assert len(found) == 1
    assert "a build's root is the machine's own" in found[0]


def test_a_machine_whose_calls_are_not_filtered_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "mips64")
    (found,) = weaknesses()
    assert found.startswith("system calls are not filtered on mips64")
