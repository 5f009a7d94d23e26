"""Which deployments a cluster names, with which values, and what the command line changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lithify.definitions.cluster import ClusterFile
from lithify.definitions.tree import load
from lithify.deploy.cluster import Wanted, absolute_location, split_overrides, wanted_deployments
from lithify.deploy.upgrading import refuse_upgrades
from lithify.errors import DeployError, LithifyError
from tests.program import write_files

SYSTEM = "name: s\nkind: system\narch: x86_64\nstrata:\n- morph: strata/s.morph\n"
STRATUM = "name: s\nkind: stratum\nchunks:\n- name: c\n  morph: chunks/c.morph\n"
CHUNK = "name: c\nkind: chunk\nsources:\n- kind: local\n  path: c\n"

CLUSTER = """\
name: c
kind: cluster
systems:
- morph: systems/s.morph
  deploy-defaults:
    type: image
    size: 90M
    kernel-arguments: quiet
  deploy:
    disk:
      location: disk.img
      size: 100M
    v1.2:
      location: other.img
- morph: systems/s.morph
  deploy:
    tar:
      type: tar
      location: /tmp/s.tar
"""


def cluster(tmp_path: Path, text: str = CLUSTER) -> ClusterFile:
    write_files(
        tmp_path / "d",
        {
            "VERSION": "version: 9\n",
            "systems/s.morph": SYSTEM,
            "strata/s.morph": STRATUM,
            "chunks/c.morph": CHUNK,
            "c/f": "",
            "clusters/c.morph": text,
        },
    )
    return load(tmp_path / "d").cluster("clusters/c.morph")


def wanted(tmp_path: Path, *arguments: str, text: str = CLUSTER, upgrade: bool = False) -> dict[str, Wanted]:
    names, overrides = split_overrides(arguments)
    found = wanted_deployments(cluster(tmp_path, text), names, overrides, upgrade=upgrade)
    return {one.name: one for one in found}


def test_all_deployments_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = wanted(tmp_path)
    assert list(found) == ["disk", "v1.2", "tar"]
    disk, other, tar = found.values()
    assert (disk.type, disk.location) == ("image", "disk.img")
    assert dict(disk.values) == {"size": "100M", "kernel-arguments": "quiet"}
    assert dict(other.values) == {"size": "90M", "kernel-arguments": "quiet"}
    assert (tar.type, tar.location, dict(tar.values)) == ("tar", "/tmp/s.tar", {})


def test_the_command_line_names_some_and_wins_over_the_file(tmp_path: Path) -> None:
    found = wanted(
        tmp_path,
        "disk",
        "disk.size=5G",
        "disk.kernel-arguments=root=/dev/sda2 a.b=c",
        "disk.boot-loader=none",
        "disk.location=/tmp/x.img",
    )
    assert list(found) == ["disk"]
    assert found["disk"].location == "/tmp/x.img"
    assert dict(found["disk"].values) == {
        "size": "5G",
        "kernel-arguments": "root=/dev/sda2 a.b=c",
        "boot-loader": "none",
    }
    assert wanted(tmp_path, "disk.type=tar")["disk"].type == "tar"
    assert wanted(tmp_path, "v1.2.size=7M")["v1.2"].values["size"] == "7M"
    assert list(wanted(tmp_path, "disk.size=7M")) == ["disk", "v1.2", "tar"], "a value alone chooses none"


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["dsik"], "c has no deployment dsik", 'did you mean "disk"?'),
        (["nothing"], "c has no deployment nothing", "it has: disk, tar, v1.2"),
        (["disk", "nope.size=1M"], "c has no deployment nope", "it has"),
        (["size=5G"], "size=5G is not DEPLOYMENT.KEY=VALUE", ""),
    ],
)
def test_what_is_no_deployment_is_named(arguments: list[str], said: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(LithifyError) as refused:
        wanted(tmp_path, *arguments)
    assert refused.value.message == said
    assert hint in "".join(refused.value.hints)


NESTED = """\
name: c
kind: cluster
systems:
- morph: systems/s.morph
  deploy:
    parent: {type: tar, location: s.tar}
  subsystems:
  - morph: systems/s.morph
    deploy:
      inner: {type: tar, location: boot/initramfs.gz}
"""


@pytest.mark.parametrize("name", ["inner", "parent.inner"])
def test_a_sub_systems_deployment_cannot_be_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=f"{name} is a sub-system's deployment: it comes with its parent"):
        wanted(tmp_path, name, text=NESTED)


def test_sub_systems_are_said_to_be_none_yet(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="parent: sub-systems cannot be deployed yet"):
        wanted(tmp_path, text=NESTED)


@pytest.mark.parametrize("field", ["type", "location"])
def test_a_deployment_without_type_or_location_says_which(field: str, tmp_path: Path) -> None:
    text = CLUSTER.replace("      type: tar\n" if field == "type" else "      location: /tmp/s.tar\n", "")
    with pytest.raises(DeployError, match=f"tar: its deployment has no {field}") as refused:
        wanted(tmp_path, text=text)
    assert f"`{field}:`" in refused.value.hints[0]


def test_two_deployments_may_not_have_one_location(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"disk and v1\.2 have one location, \./disk\.img"):
        wanted(tmp_path, "v1.2.location=./disk.img")
    assert list(wanted(tmp_path, "v1.2", "v1.2.location=disk.img")) == ["v1.2"], "only one of them is made"


def test_a_relative_location_is_below_the_definitions() -> None:
    assert absolute_location("out/x.img", Path("/d")) == Path("/d/out/x.img")
    assert absolute_location("/tmp/x.img", Path("/d")) == Path("/tmp/x.img")


UPGRADED = """\
name: c
kind: cluster
systems:
- morph: systems/s.morph
  deploy-defaults:
    upgrade-type: ssh-rsync
  deploy:
    device: {type: image, location: s.img, upgrade-location: root@device, VERSION_LABEL: "1"}
- morph: systems/s.morph
  deploy:
    old: {type: tar, location: s.tar}
    asks: {type: directory, location: s, UPGRADE: yes}
"""


def test_an_upgrade_has_a_type_and_location_of_its_own(tmp_path: Path) -> None:
    found = wanted(tmp_path, text=UPGRADED, upgrade=True)
    device, old, asks = found.values()
    assert (device.type, device.location, device.upgrade, device.by_default) == (
        "ssh-rsync",
        "root@device",
        True,
        False,
    )
    assert dict(device.values) == {"VERSION_LABEL": "1"}
    assert (old.type, old.location, old.upgrade, old.by_default) == ("tar", "s.tar", True, True)
    assert asks.by_default
    changed = wanted(
        tmp_path, "old", "old.upgrade-type=image", "old.upgrade-location=x", text=UPGRADED, upgrade=True
    )
    assert (changed["old"].type, changed["old"].location, dict(changed["old"].values)) == ("image", "x", {})


def test_a_deployment_is_no_upgrade_unless_it_says_so(tmp_path: Path) -> None:
    device, old, asks = wanted(tmp_path, "old.UPGRADE=No", text=UPGRADED).values()
    assert (device.type, device.location, device.upgrade) == ("image", "s.img", False)
    assert not old.upgrade
    assert (asks.upgrade, asks.by_default) == (True, True)
    with pytest.raises(DeployError, match="old: UPGRADE is neither yes nor no: perhaps"):
        wanted(tmp_path, "old.UPGRADE=perhaps", text=UPGRADED)


@pytest.mark.parametrize(("given", "missing"), [("type", "location"), ("location", "type")])
def test_one_half_of_an_upgrade_is_not_enough(given: str, missing: str, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=f"old: its deployment has no upgrade-{missing}"):
        wanted(tmp_path, "old", f"old.upgrade-{given}=x", text=UPGRADED, upgrade=True)


def test_all_that_cannot_be_upgraded_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DeployError) as refused:
        refuse_upgrades([*wanted(tmp_path, "asks.type=imag", text=UPGRADED, upgrade=True).values()])
    assert refused.value.message.splitlines() == [
        "3 deployments cannot be upgraded",
        "device: the upgrade type ssh-rsync is not there yet",
        "old: the type tar cannot be upgraded",
        "asks: unknown upgrade type imag",
    ]
    with pytest.raises(DeployError, match=r"^asks: the type directory cannot be upgraded$"):
        refuse_upgrades([*wanted(tmp_path, text=UPGRADED).values()])
    refuse_upgrades([*wanted(tmp_path).values()])
