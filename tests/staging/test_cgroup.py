"""Control groups, on machines that let us make some: in a virtual machine under Debian's kernel, where nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from lithify.staging import cgroup
from lithify.staging.limits import Limits, describe_limits
from tests.inside import run_inside
from tests.staging.areas import area
from tests.staging.stacks import need_static_shell
from tests.staging.test_endings import BOMB


def described() -> str:
    return describe_limits()


@pytest.fixture
def _grouped() -> None:
    """Skip the test where this machine lets us make no group."""
    by = run_inside(described)
    if "control group" not in by:
        pytest.skip(f"no control groups here: {by}")


def limited(folder: str, command: str, memory: int | None, processes: int | None) -> dict[str, object]:
    with area(folder, limits=Limits(memory=memory, processes=processes, timeout=60)) as opened:
        ended = opened.run(command)
        parent = cgroup.parent_group()
        assert parent is not None
        left = sorted(path.name for path in parent.iterdir() if path.is_dir())
        return {"reason": ended.reason, "peak": ended.peak_memory, "said": opened.said(), "left": left}


@pytest.mark.usefixtures("_grouped")
def test_memory_of_all_processes_together_is_limited(folder: Path) -> None:
    need_static_shell()
    command = "for i in 1 2 3 4; do dd if=/dev/zero of=/dev/null bs=40M count=50 & done; wait; cat /dev/zero | tail >/dev/null"
    result = run_inside(limited, str(folder), command, 100 << 20, None)
    assert "### out of memory: the limit is 104857600 bytes ###" in result["said"]
    assert result["left"] in ([], ["main"])


@pytest.mark.usefixtures("_grouped")
def test_processes_of_root_are_limited(folder: Path) -> None:
    need_static_shell()
    result = run_inside(limited, str(folder), BOMB, None, 50)
    assert result["reason"] != "exit_code=0"
    assert "can't fork" in result["said"]
    assert result["left"] in ([], ["main"])


@pytest.mark.usefixtures("_grouped")
def test_the_peak_of_memory_is_that_of_all_processes(folder: Path) -> None:
    need_static_shell()
    command = "for i in 1 2; do dd if=/dev/zero of=/dev/null bs=64M count=20 2>/dev/null & done; wait"
    result = run_inside(limited, str(folder), command, None, None)
    assert result["reason"] == "exit_code=0"
    assert result["peak"] > 70 << 20


def hierarchy(folder: Path, *, controllers: str, own: str) -> Path:
    """Make files like those of a control group that is delegated to us."""
    group = folder / own
    group.mkdir(parents=True)
    for place in (folder, group):
        (place / "cgroup.controllers").write_text(controllers)
        (place / "cgroup.subtree_control").touch()
        (place / "cgroup.procs").touch()
    return group


def test_a_group_without_the_controllers_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = hierarchy(tmp_path, controllers="cpu io pids\n", own="user.slice")
    monkeypatch.setattr(cgroup, "_candidates", lambda: iter([(own, True), (tmp_path, False)]))
    assert cgroup._make_parent() is None
    assert sorted(path.name for path in own.iterdir() if path.is_dir()) == []


def test_groups_of_processes_that_are_gone_are_removed(tmp_path: Path) -> None:
    for name in ("lithify-999999999/main", "lithify-999999999/7", "lithify-1/3", "lithify-x", "other"):
        (tmp_path / name).mkdir(parents=True)
    cgroup._remove_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lithify-1", "lithify-x", "other"]
