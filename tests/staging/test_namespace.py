"""The user namespace: who comes in as what, and what is said where it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lithify.errors import HostError
from lithify.staging import namespace
from lithify.staging.namespace import IdRange, enter, is_entered, requirements, subordinate_ids
from tests.inside import PROJECT, make_ordinary_user, run_inside


def look() -> dict[str, object]:
    """Return who we are inside."""
    return {
        "entered": is_entered(),
        "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
        "uids": sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines()),
        "gids": sum(int(line.split()[2]) for line in Path("/proc/self/gid_map").read_text().splitlines()),
        "nested": Path("/proc/sys/user/max_user_namespaces").read_text().strip(),
        "shared": sum(" shared:" in line for line in Path("/proc/self/mountinfo").read_text().splitlines()),
    }


def test_whoever_enters_is_root_inside_with_ids_enough(who: str | None) -> None:
    found = run_inside(look, user=who)
    assert found["entered"] is True
    assert found["ids"] == [0, 0, 0, 0]
    assert found["uids"] >= 65536
    assert found["gids"] >= 65536
    assert found["nested"] == "0"
    assert found["shared"] == 0
    assert is_entered() is False, "this process did not"


def test_the_hosts_own_limit_of_namespaces_stays() -> None:
    before = Path("/proc/sys/user/max_user_namespaces").read_text()
    run_inside(look)
    assert Path("/proc/sys/user/max_user_namespaces").read_text() == before


def test_root_may_do_with_a_mount_namespace() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can do without a user namespace")
    found = run_inside(look, enter="enter_as_root")
    assert found["entered"] is True
    assert found["nested"] != "0"
    assert found["shared"] == 0


def enter_twice() -> bool:
    enter()
    return is_entered()


def test_a_process_enters_once(who: str | None) -> None:
    assert run_inside(enter_twice, user=who) is True


def owned(folder: str) -> list[list[int]]:
    """Make files of other owners and return what we see of them."""
    seen = []
    for uid, gid in ((0, 0), (5, 7), (65534, 65534)):
        path = Path(folder) / f"{uid}"
        path.write_text("x")
        os.chown(path, uid, gid)
        info = path.stat()
        seen.append([info.st_uid, info.st_gid])
    return seen


def test_files_may_have_any_owner(folder: Path, who: str | None) -> None:
    assert run_inside(owned, str(folder), user=who) == [[0, 0], [5, 7], [65534, 65534]]


def refused() -> list[object]:
    """Return what entering says to a user who has no subordinate ids."""
    try:
        enter()
    except HostError as error:
        return [error.message, *error.hints, is_entered()]
    return ["entered"]


@pytest.fixture
def user_without_ids() -> str:
    """``nobody`` has no subordinate ids anywhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    make_ordinary_user()  # skips where the project cannot be read
    return "nobody"


def test_a_user_without_subordinate_ids_is_told_the_commands(user_without_ids: str) -> None:
    message, *hints, entered = run_inside(refused, user=user_without_ids, enter="is_entered")
    assert message == (
        "builds cannot run here: subordinate ids in /etc/subuid: none for nobody; "
        "subordinate ids in /etc/subgid: none for nobody"
    )
    assert hints == [
        "sudo usermod --add-subuids 100000-165535 nobody",
        "sudo usermod --add-subgids 100000-165535 nobody",
    ]
    assert entered is False


def inside_a_container() -> list[object]:
    """Enter from a namespace that has few ids, as root of a container has."""
    enter()
    return [Path("/proc/self/uid_map").read_text().split(), os.getuid()]


def test_root_of_a_container_maps_the_ids_that_it_has() -> None:
    """Not all ids that there are: the kernel refuses what the container does not have."""
    user = make_ordinary_user()
    script = (
        "import json\n"
        "from tests.staging.test_namespace import inside_a_container\n"
        "print(json.dumps(inside_a_container()))\n"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-auto", "--map-root-user", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd="/",
        user=user,
        group=user,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    numbers, uid = json.loads(done.stdout)
    assert numbers[0::3] == numbers[1::3] == ["0", "1"], "each id is mapped to itself"
    assert int(numbers[5]) >= 65535
    assert uid == 0


def test_the_largest_range_of_the_user_counts(tmp_path: Path) -> None:
    table = tmp_path / "subuid"
    table.write_text("other:1:999999\nme:100000:10\n\nme:200000:65536\nbroken\nme:x:y\n1234:300000:70000\n")
    assert subordinate_ids(str(table), "me") == IdRange(200000, 65536)
    assert subordinate_ids(str(table), "1234") == IdRange(300000, 70000)
    assert subordinate_ids(str(table), "nobody") is None
    assert subordinate_ids(str(tmp_path / "missing"), "me") is None


def test_each_requirement_has_the_command_that_mends_it(who: str | None) -> None:
    names = run_inside(requirement_names, user=who, enter="is_entered")
    expected = ["user namespaces"]
    if who is not None or os.geteuid() != 0:
        expected += [
            "newuidmap and newgidmap",
            "subordinate ids in /etc/subuid",
            "subordinate ids in /etc/subgid",
        ]
    assert [name for name, _ in names] == expected
    assert all(met for _, met in names)


def requirement_names() -> list[list[object]]:
    return [[requirement.name, requirement.met] for requirement in requirements()]


def test_a_switch_that_forbids_namespaces_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = tmp_path / "max_user_namespaces"
    switch.write_text("0\n")
    monkeypatch.setattr(
        namespace, "_SWITCHES", ((str(switch), "0", "sudo sysctl -w user.max_user_namespaces=10000", True),)
    )
    requirement = requirements()[0]
    assert requirement.met is False
    assert requirement.detail == f"{switch} is 0"
    assert requirement.mend == "sudo sysctl -w user.max_user_namespaces=10000"
