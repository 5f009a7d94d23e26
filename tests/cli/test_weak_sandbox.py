"""A sandbox that is weaker than it could be: the build says so before it starts, and what it makes keeps it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lithify.staging.cgroup import parent_group
from lithify.store.reading import Repository
from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user, run_inside
from tests.program import Program, Said

pytestmark = pytest.mark.slow

WARNING = "warning: the sandbox is weaker here: "


def kept(program: Program) -> list[str]:
    """Return what the finished builds say of their sandbox's weaknesses, each text once; every build must say the same."""
    repository = Repository(program.cache / "ostree")
    commits = [repository.commit(checksum) for checksum in set(repository.refs("d").values())]
    assert len(commits) == 5
    (found,) = {tuple(commit.metadata["sandbox-weaknesses"]) for commit in commits}
    return list(found)


def warned(said: Said) -> list[str]:
    """Return what was said of weaknesses, all of it before the first chunk was started."""
    assert said.status == 0, said.stderr
    before, _, after = said.stderr.partition(": started\n")
    assert after
    assert WARNING not in after
    return [line.partition(WARNING)[2] for line in before.splitlines() if WARNING in line]


def build_without_namespaces(folder: str) -> list[list[str]]:
    """Build where no further user namespace may be made, as on a machine that forbids them."""
    assert Path("/proc/sys/user/max_user_namespaces").read_text() == "0\n"
    program = Program(folder=Path(folder), definitions=Path(folder) / "definitions")
    return [warned(program.run("build", "small")), kept(program)]


def test_a_machine_without_user_namespaces() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can do without a user namespace")
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        said, remembered = run_inside(build_without_namespaces, str(folder))
        assert said == remembered
        assert len(said) == 1
        assert "so a build's root is the machine's own" in said[0]


def has_groups() -> bool:
    """Return whether control groups are ours to use."""
    return parent_group() is not None


def test_a_limit_of_memory_without_control_groups() -> None:
    user = make_ordinary_user()
    if run_inside(has_groups, user=user):
        pytest.skip("control groups are delegated to ordinary users here")
    with folder_of(user) as folder:
        program = Program(
            folder=folder,
            definitions=small_tree(folder / "definitions"),
            user=user,
            settings=("--memory-limit", "4G"),
        )
        subprocess.run(["chown", "-R", user, program.definitions], check=True)
        said = warned(program.run("build", "small"))
        assert said == kept(program)
        assert len(said) == 1
        assert "memory-limit holds for each process" in said[0]


def test_a_whole_sandbox_is_not_spoken_of() -> None:
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        assert warned(program.run("build", "small")) == []
        assert kept(program) == []
