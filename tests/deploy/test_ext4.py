"""The root file system: what is in it is what the entries say, whatever they are called, and every byte is the same again."""

from __future__ import annotations

import os
import re
import struct
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lithify.deploy.ext4 import script_lines
from lithify.errors import DeployError, NoSpace
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.store.entries import Entry
from tests.deploy.trees import (
    Objects,
    debugfs,
    device,
    digest_of,
    entry,
    folder,
    in_order,
    make_root,
    symlink,
    tool,
)
from tests.inside import run_inside

ODD_NAMES = (
    "a b", " leading", "trailing ", "<12>", '"quoted"', '"', '""', "it's", "-f", "--help", "#comment", "..x", "...",
    "back\\slash", "$(x)", "`x`", "*", "?", "~", "a;b", "tab\there", "\x01\x1b[31m", "ä€😀", "e\u0301", "\u2028", "100%s",
    "x" * 255, "ä" * 127,
)  # fmt: skip

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
ACL = struct.pack(
    "<I" + "HHI" * 5,
    2,
    *(1, 7, 0xFFFFFFFF),
    *(2, 6, 5),
    *(4, 5, 0xFFFFFFFF),
    *(16, 7, 0xFFFFFFFF),
    *(32, 5, 0xFFFFFFFF),
)


def checked(image: Path) -> Path:
    """Return the image after e2fsck has found nothing to mend."""
    tool("e2fsck", "-fn", image)
    return image


def stat_of(image: Path, path: str) -> str:
    return debugfs(image, f'stat "{path}"')


def names_in(image: Path, place: str, out: Path) -> set[str]:
    """Return the names in a folder of an image, dumped to a real one."""
    out.mkdir()
    tool("debugfs", "-R", f"rdump {place} {out}", image)
    return {os.fsdecode(name) for name in os.listdir(os.fsencode(out / place.strip("/")))}


def test_everything_is_as_the_entries_say(objects: Objects, tmp_path: Path) -> None:
    entries = in_order(
        [
            folder("etc", mode=0o750, uid=5, gid=7),
            objects.file("etc/owned", b"owned", mode=0o640, uid=70_000, gid=4_000_000_000),
            objects.file("setuid", b"", mode=0o6755),
            folder("tmp", mode=0o1777),
            symlink("short", "etc/owned", uid=5, gid=7),
            symlink("long", "x" * 60),
            symlink("longest", "y/" * 2000),
            device("null", "c", 0o666, 1, 3, gid=5),
            device("large", "b", 0o660, 259, 70_000),
            device("pipe", "p", 0o600),
            device("socket", "s", 0o700, uid=3),
            objects.file("one", b"linked"),
            entry("two", "link", hardlink_to="one", mode=0o644),
            entry("zz", "link", hardlink_to="one", mode=0o644),
            objects.file("equal-1", b"equal"),
            objects.file("equal-2", b"equal"),
        ]
    )
    image = checked(make_root(tmp_path / "made", entries, objects))
    expected = {
        "/": ("directory", "0755", 0, 0),
        "/etc": ("directory", "0750", 5, 7),
        "/etc/owned": ("regular", "0640", 70_000, 4_000_000_000 - 2**32),  # printed with a sign
        "/setuid": ("regular", "06755", 0, 0),
        "/tmp": ("directory", "01777", 0, 0),
        "/short": ("symlink", "0777", 5, 7),
        "/null": ("character special", "0666", 0, 5),
        "/large": ("block special", "0660", 0, 0),
        "/pipe": ("FIFO", "0600", 0, 0),
        "/socket": ("socket", "0700", 3, 0),
    }
    for path, (kind, mode, uid, gid) in expected.items():
        said = stat_of(image, path)
        assert re.search(rf"Type: {kind} +Mode: +{mode} ", said), said
        assert re.search(rf"User: +{uid} +Group: +{gid} ", said), said
        for clock in ("ctime", "atime", "mtime", "crtime"):
            assert re.search(rf"{clock}: 0x{SOURCE_DATE_EPOCH:08x}:", said), said
    assert "major/minor number: 01:03" in stat_of(image, "/null")
    assert "major/minor number: 259:70000" in stat_of(image, "/large")
    assert 'Fast link dest: "etc/owned"' in stat_of(image, "/short")
    assert debugfs(image, "cat /etc/owned") == "owned"
    one, two, zz = (stat_of(image, path) for path in ("/one", "/two", "/zz"))
    assert one.split()[1] == two.split()[1] == zz.split()[1]
    assert "Links: 3 " in one
    assert stat_of(image, "/equal-1").split()[1] != stat_of(image, "/equal-2").split()[1]
    out = tmp_path / "out"
    out.mkdir()
    tool("debugfs", "-R", f"rdump / {out}", image, status=None)
    assert os.readlink(out / "long") == "x" * 60
    assert os.readlink(out / "longest") == "y/" * 2000


def test_odd_names_stay_as_they_are(objects: Objects, tmp_path: Path) -> None:
    entries = in_order(
        item
        for name in ODD_NAMES
        for item in (
            objects.file(f"files/{name}", name.encode(), uid=5),
            folder(f"folders/{name}", mode=0o700),
            objects.file(f"folders/{name}/{name}", b"inside"),
            symlink(f"links/{name}", name),
        )
    )
    entries = in_order([*entries[1:], *(folder(name) for name in ("files", "folders", "links"))])
    image = checked(make_root(tmp_path / "made", entries, objects))
    for place in ("files", "folders", "links"):
        assert names_in(image, f"/{place}", tmp_path / place) == set(ODD_NAMES), place
    for name in ODD_NAMES:
        assert (tmp_path / "files" / "files" / name).read_bytes() == name.encode()
        assert (tmp_path / "folders" / "folders" / name / name).read_bytes() == b"inside"
        assert os.readlink(tmp_path / "links" / "links" / name) == name


@pytest.mark.parametrize("bad", ["a\nb", "a\rb"])
def test_a_line_break_is_refused_by_name(bad: str, objects: Objects, tmp_path: Path) -> None:
    for item in (objects.file(bad), folder(bad), symlink("link", bad)):
        with pytest.raises(DeployError, match="has a line break in its name or target") as refused:
            list(script_lines([folder(""), item], objects.file_path, tmp_path))
        assert repr(item.path)[1:-1] in refused.value.message
        assert "tar" in refused.value.hints[0]


def test_a_target_that_debugfs_cannot_read_is_refused(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="too long for the ext4 writer"):
        list(script_lines([folder(""), symlink("link", '"' * 4095)], objects.file_path, tmp_path))


def test_attributes_are_kept(objects: Objects, tmp_path: Path) -> None:
    attributes = (
        (b"security.capability\0", CAPABILITY),
        (b"system.posix_acl_access\0", ACL),
        (b"user.a note", b"with \0 and \n and \xff"),
        (b"user.large", bytes(range(256)) * 12),
    )
    entries = in_order(
        [
            objects.file("f", mode=0o755, xattrs=attributes),
            folder("d", xattrs=((b"system.posix_acl_default\0", ACL), (b"user.x", b""))),
        ]
    )
    image = checked(make_root(tmp_path / "made", entries, objects))
    for path, name, value in (
        ("/f", "security.capability", CAPABILITY),
        ("/f", '"user.a note"', attributes[2][1]),
        ("/f", "user.large", attributes[3][1]),
    ):
        held = tmp_path / "value"
        debugfs(image, f"ea_get -f {held} {path} {name}")
        assert held.read_bytes() == value, name
    assert "system.posix_acl_access" in debugfs(image, "ea_list /f")
    assert "system.posix_acl_default" in debugfs(image, "ea_list /d")
    assert "user.x (0)" in debugfs(image, "ea_list /d")


def test_the_folder_that_mkfs_makes_may_be_the_systems_own(objects: Objects, tmp_path: Path) -> None:
    entries = in_order(
        [folder("lost+found", mode=0o700, gid=5), objects.file("lost+found/#17"), objects.file("z")]
    )
    image = checked(make_root(tmp_path / "made", entries, objects))
    assert re.search(r"Mode: +0700 .*\n.*\nUser: +0 +Group: +5 ", stat_of(image, "/lost+found")) or (
        "Group:     5" in stat_of(image, "/lost+found")
    )
    assert debugfs(image, "cat /lost+found/#17") == "content\n"


def test_inode_numbers_hold_over_several_groups(objects: Objects, tmp_path: Path) -> None:
    """The script names inodes by the number that they are going to get, also beyond the first group of blocks."""
    content = os.urandom(1 << 20)
    entries = in_order(
        item
        for number in range(300)
        for item in (
            folder(f"d{number:03}", uid=number),
            objects.file(f"d{number:03}/data", content if number % 2 else b"", uid=1000 + number),
            symlink(f"d{number:03}/link", f"{number}"),
            folder(f"d{number:03}/sub", gid=number),
        )
    )
    image = checked(make_root(tmp_path / "made", entries, objects))
    assert int(tool("dumpe2fs", image).count("Group ")) > 1
    for number in (0, 1, 150, 299):
        assert f"User:  {1000 + number:4}" in stat_of(image, f"/d{number:03}/data")
        assert re.search(rf"Group: +{number} ", stat_of(image, f"/d{number:03}/sub"))
        assert f'Fast link dest: "{number}"' in stat_of(image, f"/d{number:03}/link")


def test_bytes_depend_on_the_entries_alone(objects: Objects, tmp_path: Path) -> None:
    """Another folder, another second, another order of files in the store, other times and modes of its objects."""
    entries = in_order(
        [
            *(objects.file(f"f{number}", bytes([number]) * number) for number in range(50)),
            folder("d"),
            symlink("d/l", "x" * 100),
            device("pipe", "p"),
            objects.file("attr", xattrs=((b"user.x", b"y"),)),
        ]
    )
    first = digest_of(make_root(tmp_path / "one", entries, objects))
    others = Objects(tmp_path / "others")
    for held in sorted(objects.folder.iterdir(), reverse=True):
        copy = others.file_path(held.name)
        copy.write_bytes(held.read_bytes())
        copy.chmod(0o4711)
        os.utime(copy, (1, 1))
    while time.time() % 1 > 0.5:  # the second run is in another second than the first
        os.sched_yield()
    (tmp_path / "a folder?offset=5").mkdir()
    assert digest_of(make_root(tmp_path / "a folder?offset=5" / "two", entries, others)) == first


def test_the_machines_own_configuration_of_mkfs_has_no_say(objects: Objects, tmp_path: Path) -> None:
    image = make_root(tmp_path / "made", [folder("")], objects)
    features = next(line for line in tool("dumpe2fs", "-h", image).splitlines() if "features:" in line)
    assert set(features.split(":")[1].split()) == {
        *("has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "64bit", "flex_bg"),
        *("sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum"),
    }


def test_what_debugfs_refuses_is_an_error(objects: Objects, tmp_path: Path) -> None:
    twice = [folder(""), objects.file("name"), objects.file("name")]
    with pytest.raises(DeployError, match=r"the root file system could not be written: .*already exists"):
        make_root(tmp_path / "made", twice, objects)


def fill_small_disk(folder_name: str) -> str:
    """Write a root file system into a folder that is full; runs inside."""
    place = Path(folder_name)
    small = place / "small"
    small.mkdir()
    os.system(f"mount -t tmpfs -o size=3m none {small}")
    objects = Objects(place / "objects")
    entries = in_order([objects.file("large", os.urandom(5 << 20))])
    try:
        make_root(small / "made", entries, objects)
    except NoSpace as error:
        return error.message
    return "no error"


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    said = run_inside(fill_small_disk, str(tmp_path))
    assert re.fullmatch(rf"no space left in {tmp_path}/small/made: \d MiB free", said), said


text = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\0/"), min_size=1, max_size=60
).filter(lambda name: name not in (".", ".."))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(text, min_size=1, max_size=20, unique=True))
def test_any_name_is_kept(
    objects: Objects, tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    place = tmp_path_factory.mktemp("names")
    entries = in_order([folder("d"), *(objects.file(f"d/{name}") for name in names)])
    image = checked(make_root(place / "made", entries, objects))
    assert names_in(image, "/d", place / "out") == set(names)


@pytest.mark.slow
def test_a_hundred_megabytes_take_a_second_of_the_processor(objects: Objects, tmp_path: Path) -> None:
    """Measured 0.5 s; by the clock of the processor, since others may use it too."""
    content = [os.urandom(33_000) for _ in range(30)]
    entries = in_order(
        item
        for number in range(30)
        for item in (
            folder(f"d{number:02}"),
            *(
                objects.file(f"d{number:02}/module-{other:03}.ko", content[other % 30])
                for other in range(100)
            ),
        )
    )
    took = seconds_for(entries, objects, tmp_path / "made")
    assert took < 1.5


@pytest.mark.slow
def test_a_folder_of_five_thousand_files_is_no_burden(objects: Objects, tmp_path: Path) -> None:
    """Measured 1.9 s; debugfs looks through the whole folder for each name that it adds."""
    entries = in_order([folder("d"), *(objects.file(f"d/file-{number:05}") for number in range(5000))])
    assert seconds_for(entries, objects, tmp_path / "made") < 5
    checked(tmp_path / "made" / "root.img")


def seconds_for(entries: list[Entry], objects: Objects, place: Path) -> float:
    """Return the processor's seconds that making a root file system took, programs included."""
    before = os.times()
    make_root(place, entries, objects)
    after = os.times()
    return sum(after[:4]) - sum(before[:4])
