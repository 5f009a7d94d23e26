"""Systems as folders: owners, devices, and what is said to whom."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lithify.build.metadata import Content
from lithify.cache import open_cache
from lithify.deploy.deployment import carry_out, check_order
from lithify.deploy.directory import is_real_root
from lithify.deploy.order import Works
from lithify.errors import DeployError
from lithify.events import Event, Note, Warned
from lithify.store.content import content_digest
from lithify.store.manifest import Device, manifest_of
from lithify.store.verifying import verify
from lithify.store.writing import Store
from tests.deploy.trees import order_for
from tests.inside import folder_of, make_ordinary_user, run_inside
from tests.store.trees import Dir, File, Symlink, make_folder

SPEC = {
    "etc": Dir(0o750, 5, 7),
    "etc/owned": File(b"owned", 0o640, 5, 7),
    "etc/equal": File(b"owned", 0o640, 5, 7),
    "bin/su": File(b"su", 0o4755),
    "link": Symlink("etc/owned", 5, 7),
    "one": File(b"linked"),
    "two": File(b"linked"),
}
MANIFEST = manifest_of(
    [
        Device(path="null", type="c", mode=0o666, major=1, minor=3),
        Device(path="pipe", type="p", mode=0o600, uid=5),
    ],
    [("one", "two")],
)


def deploy_inside(folder_name: str, values: dict[str, str]) -> dict[str, Any]:
    """Put a system into a store, deploy it as a directory, and return what is there and what was said; runs inside."""
    folder = Path(folder_name)
    store = Store(open_cache(folder / "cache"), sync=False, min_free=1 << 20)
    with store.transaction() as transaction:
        tree = transaction.take(make_folder(folder / "system", SPEC), MANIFEST)
        transaction.commit(tree, {}, ["d/system"])
    content = Content(tree=tree, manifest=MANIFEST, digest=content_digest(tree, MANIFEST))
    events: list[Event] = []
    order = order_for(content, folder / "out put", "directory", **values)
    check_order(order)
    scratch = folder / "scratch"
    scratch.mkdir()
    carry_out(order, Works(repository=store.reading, scratch=scratch, report=events.append))
    damaged = verify(store.reading).damaged
    objects = {path.lstat().st_ino for path in (store.cache.ostree / "objects").rglob("*.file")}
    store.close()
    listing = folder / "out put.devices"
    return {
        "files": {
            str(path.relative_to(order.location)): _said_of(path) for path in order.location.rglob("*")
        },
        "notes": [event.text for event in events if isinstance(event, Note | Warned)],
        "shared": sorted(
            str(path.relative_to(order.location))
            for path in order.location.rglob("*")
            if path.lstat().st_ino in objects
        ),
        "damaged": [str(one) for one in damaged],
        "devices": json.loads(listing.read_text()) if listing.exists() else [],
    }


def _said_of(path: Path) -> list[Any]:
    status = path.lstat()
    return [oct(status.st_mode), status.st_uid, status.st_gid, status.st_nlink if path.is_file() else 0]


@pytest.mark.slow
@pytest.mark.parametrize("ordinary", [False, True])
def test_owners_modes_and_links_are_the_systems(ordinary: bool) -> None:
    if not ordinary and os.geteuid() != 0:
        pytest.skip("only root is root")
    user = make_ordinary_user() if ordinary else None
    with folder_of(user) as folder:
        found = run_inside(deploy_inside, str(folder), {}, user=user)
    files = found["files"]
    assert files["etc"] == [oct(stat.S_IFDIR | 0o750), 5, 7, 0]
    assert files["etc/owned"] == [oct(stat.S_IFREG | 0o640), 5, 7, 1]
    assert files["etc/equal"] == [oct(stat.S_IFREG | 0o640), 5, 7, 1], "equal files are not one file"
    assert files["bin/su"] == [oct(stat.S_IFREG | 0o4755), 0, 0, 1]
    assert files["link"][:3] == [oct(stat.S_IFLNK | 0o777), 5, 7]
    assert files["one"][3] == files["two"][3] == 2
    assert files["pipe"][:3] == [oct(stat.S_IFIFO | 0o600), 5, 0]
    assert [device["path"] for device in found["devices"]] == ["null"], "no namespace may make devices"
    assert "null" not in files
    assert any("device nodes cannot be made here: 1 listed in" in note for note in found["notes"])
    warned = [note for note in found["notes"] if "subordinate ids" in note]
    if ordinary:
        assert found["notes"].index(warned[0]) == 0, "said before it starts"
        assert f"unshare --user --map-auto --map-root-user rm -rf '{folder}/out put'" in warned[0]
    else:
        assert warned == []


@pytest.mark.slow
def test_all_of_it_may_be_the_callers() -> None:
    user = make_ordinary_user()
    with folder_of(user) as folder:
        found = run_inside(deploy_inside, str(folder), {"owner": "me"}, user=user)
        caller = (folder / "cache").stat().st_uid
        assert {path.lstat().st_uid for path in (folder / "out put").rglob("*")} == {caller}
    assert not any("subordinate" in note for note in found["notes"])
    assert found["files"]["bin/su"][0] == oct(stat.S_IFREG | 0o755), "setuid bits go with the owner"


@pytest.mark.slow
@pytest.mark.parametrize("ordinary", [False, True])
def test_hard_links_are_the_stores_own_files(ordinary: bool) -> None:
    if not ordinary and os.geteuid() != 0:
        pytest.skip("only root is root")
    user = make_ordinary_user() if ordinary else None
    with folder_of(user) as folder:
        found = run_inside(deploy_inside, str(folder), {"hard-links": "yes"}, user=user)
    files = found["files"]
    assert found["shared"] == ["bin/su", "etc/equal", "etc/owned", "link", "one", "two"]
    assert found["damaged"] == []
    assert files["etc"] == [oct(stat.S_IFDIR | 0o750), 5, 7, 0]
    assert files["etc/owned"] == files["etc/equal"] == [oct(stat.S_IFREG | 0o640), 5, 7, 3]
    assert files["bin/su"] == [oct(stat.S_IFREG | 0o4755), 0, 0, 2]
    assert files["pipe"][:3] == [oct(stat.S_IFIFO | 0o600), 5, 0]


def test_hard_links_keep_their_owners_and_their_file_system(
    system: Callable[..., Content], works: Works, tmp_path: Path
) -> None:
    content = system({"f": File()})
    with pytest.raises(DeployError, match="keep their owners"):
        check_order(order_for(content, tmp_path / "out", "directory", **{"owner": "me", "hard-links": "yes"}))
    with pytest.raises(DeployError, match="it: hard-links is `yes` or `no`"):
        check_order(order_for(content, tmp_path / "out", "directory", **{"hard-links": "maybe"}))
    other = Path("/dev/shm")  # in memory, as a rule
    if other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with (
        TemporaryDirectory(dir=other) as place,
        pytest.raises(DeployError, match="are on two file systems") as raised,
    ):
        carry_out(order_for(content, Path(place) / "out", "directory", **{"hard-links": "yes"}), works)
    assert raised.value.hints == ("leave hard links out, or choose a place on the file system of the cache",)
    assert not (Path(place) / "out").exists()


def test_an_owner_that_is_none_is_refused(system: Callable[..., Content], tmp_path: Path) -> None:
    content = system({"f": File()})
    with pytest.raises(DeployError, match="it: owner is `me`, or left out"):
        check_order(order_for(content, tmp_path / "out", "directory", owner="root"))


def test_a_list_of_devices_of_an_earlier_time_goes(
    system: Callable[..., Content], works: Works, tmp_path: Path
) -> None:
    (tmp_path / "out.devices").write_text("[]")
    carry_out(order_for(system({"f": File()}), tmp_path / "out", "directory", owner="me"), works)
    assert not (tmp_path / "out.devices").exists()


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("         0          0 4294967295\n", True),
        ("         0       1000          1\n         1     100000      65536\n", False),
        ("", False),
    ],
)
def test_real_root_is_known_by_the_map_of_ids(text: str, real: bool) -> None:
    assert is_real_root(text) is real
