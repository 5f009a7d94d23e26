"""The tar file, read back by GNU tar and by Python."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lithify.deploy.tar import header, write_tar
from lithify.graph.environment import SOURCE_DATE_EPOCH
from lithify.store.entries import Entry
from tests.deploy.test_ext4 import ACL, CAPABILITY, ODD_NAMES
from tests.deploy.trees import Objects, device, entry, folder, in_order, symlink, tool

DEEP = "/".join(["deep", *["a" * 60] * 5, "file"])


def make_tar(place: Path, entries: list[Entry], objects: Objects) -> Path:
    with place.open("wb") as file:
        write_tar(file, entries, objects.file_path)
    return place


def everything(objects: Objects) -> list[Entry]:
    return in_order(
        [
            folder("etc", mode=0o750, uid=5, gid=7),
            objects.file("etc/owned", b"owned", mode=0o640, uid=70_000, gid=4_000_000_000),
            objects.file("setuid", b"x" * 512, mode=0o6755),
            objects.file("empty", b""),
            folder("tmp", mode=0o1777),
            symlink("link", "etc/owned", uid=5),
            symlink("long", "x/" * 200),
            device("null", "c", 0o666, 1, 3, gid=5),
            device("disk", "b", 0o660, 259, 70_000),
            device("pipe", "p", 0o600),
            device("socket", "s", 0o700),
            objects.file("one", b"linked"),
            entry("two", "link", hardlink_to="one", mode=0o644),
            objects.file("equal-1", b"equal"),
            objects.file("equal-2", b"equal"),
            folder("deep"),
            *(folder("deep/" + "/".join(["a" * 60] * depth)) for depth in range(1, 6)),
            objects.file(DEEP, mode=0o755, xattrs=((b"security.capability", CAPABILITY),)),
            objects.file("acl", xattrs=((b"system.posix_acl_access\0", ACL), (b"user.a=b%", b"1\n2=3"))),
        ]
    )  # fmt: skip


def test_python_reads_what_the_entries_say(objects: Objects, tmp_path: Path) -> None:
    entries = everything(objects)
    with tarfile.open(make_tar(tmp_path / "x.tar", entries, objects)) as archive:
        members = archive.getmembers()
        expected = [item for item in entries if item.path != "socket"]
        assert [member.name for member in members] == [f"./{item.path}".rstrip("/") for item in expected]
        for member, item in zip(members, expected, strict=True):
            assert (member.uid, member.gid, member.mtime) == (item.uid, item.gid, SOURCE_DATE_EPOCH), item
            assert member.mode == item.mode
            assert (member.uname, member.gname) == ("", "")
            if item.kind == "file":
                content = archive.extractfile(member)
                assert content is not None
                assert content.read() == objects.file_path(item.checksum).read_bytes()
            if item.kind == "symlink":
                assert member.linkname == item.target
            if item.device is not None:
                assert (member.devmajor, member.devminor) == (item.device.major, item.device.minor)
        hard = [member.name for member in members if member.islnk()]
        assert hard == ["./two"]


def test_gnu_tar_reads_it_without_a_complaint(objects: Objects, tmp_path: Path) -> None:
    place = make_tar(tmp_path / "x.tar", everything(objects), objects)
    done = subprocess.run(
        ["tar", "--xattrs", "--xattrs-include=*", "-tvvf", place],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    assert done.stderr == ""
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    day = "1991-08-24 23:00"
    assert f"-rw-r----- 70000/4000000000 5 {day} ./etc/owned" in lines
    assert any(line.startswith("-rwsr-sr-x") and line.endswith("./setuid") for line in lines)
    assert any(line.startswith("crw-rw-rw-") and " 1,3 " in line for line in lines)
    assert any(line.startswith("hrw-r--r--") and line.endswith("./two link to ./one") for line in lines)
    assert "x: 20 security.capability" in lines
    assert f"x: {len(ACL)} system.posix_acl_access" in lines


def test_gnu_tar_unpacks_attributes(objects: Objects, tmp_path: Path) -> None:
    value = bytes(range(256))
    entries = in_order([objects.file("f", xattrs=((b"user.binary", value), (b"user.a=b%", b"1\n2=3")))])
    entries = [entry("", "dir", uid=os.getuid(), gid=os.getgid()), *entries[1:]]
    out = tmp_path / "out"
    out.mkdir()
    place = make_tar(tmp_path / "x.tar", entries, objects)
    tool("tar", "--xattrs", "--xattrs-include=*", "-xf", place, "-C", out)
    assert os.getxattr(out / "f", "user.binary") == value
    assert os.getxattr(out / "f", "user.a=b%") == b"1\n2=3"


def test_odd_names_are_kept(objects: Objects, tmp_path: Path) -> None:
    names = [*ODD_NAMES, "a\nb", "x" * 99, "y" * 100, "z" * 101]
    entries = in_order(
        item for name in names for item in (folder(name), objects.file(f"{name}/f", name.encode()))
    )
    out = tmp_path / "out"
    out.mkdir()
    tool("tar", "-xf", make_tar(tmp_path / "x.tar", entries, objects), "-C", out, "--no-same-owner")
    assert set(os.listdir(out)) == set(names)
    for name in names:
        assert (out / name / "f").read_bytes() == name.encode()


def test_it_ends_as_a_tar_does(objects: Objects, tmp_path: Path) -> None:
    data = make_tar(tmp_path / "x.tar", in_order([objects.file("f", b"x" * 513)]), objects).read_bytes()
    assert len(data) % tarfile.RECORDSIZE == 0
    assert data.endswith(bytes(2 * tarfile.BLOCKSIZE))


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=300)


@given(
    texts.filter(lambda text: "/" not in text and text not in (".", "..")),
    texts,
    st.integers(0, 0o7777),
    st.integers(0, 2**32 - 1),
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="=%"), min_size=1, max_size=99),
        st.text(st.characters(exclude_categories=("Cs",))),
        max_size=3,
    ),
)  # fmt: skip
def test_what_a_header_says_is_read_again(
    name: str, target: str, mode: int, owner: int, attributes: dict[str, str]
) -> None:
    xattrs = tuple((f"user.{key}".encode(), value.encode()) for key, value in attributes.items())
    item = symlink(name, target, mode=mode, uid=owner, gid=owner, xattrs=xattrs)
    data = header(item)
    assert len(data) % tarfile.BLOCKSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024)), encoding="utf-8") as archive:
        (member,) = archive.getmembers()
    assert member.name == f"./{name}"
    assert (member.linkname, member.mode, member.uid, member.gid) == (target, mode, owner, owner)
    for key, value in attributes.items():
        assert member.pax_headers[f"SCHILY.xattr.user.{key}"] == value
