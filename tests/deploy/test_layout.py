"""How a disk is divided: what fits, what is refused, and that sfdisk reads the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.deploy.layout import (
    FIRST,
    INODE,
    MIB,
    SECTOR,
    Layout,
    esp_room,
    fixed_id,
    lay_out,
    table_script,
)
from lithify.errors import DeployError
from lithify.store.entries import Entry
from tests.deploy.trees import DIGEST, ESP, Objects, entry, folder, make_root, tool


def files(count: int, size: int) -> list[Entry]:
    names = [entry(f"f{number:06}", "file", size=size, checksum="00" * 32) for number in range(count)]
    return [folder(""), *names]


def least_root(entries: list[Entry]) -> int:
    """Return the MiB of the smallest root that is not refused, by the error for one that is."""
    with pytest.raises(DeployError) as refused:
        lay_out(entries, DIGEST, esp_size=ESP, root_size=0)
    return int(refused.value.message.split()[3])


def placed(layout: Layout) -> tuple[int, int, int, int, int]:
    return layout.esp.offset, layout.esp.size, layout.root.offset, layout.root.size, layout.size


@given(
    st.integers(0, 200),
    st.integers(0, 40 * MIB),
    st.integers(34, 512),
    st.none() | st.integers(0, 20_000 * MIB),
    st.none() | st.integers(0, 20_000 * MIB),
)
def test_partitions_are_whole_and_apart_or_refused(
    count: int, size: int, esp: int, root: int | None, disk: int | None
) -> None:
    try:
        layout = lay_out(files(count, size), DIGEST, esp_size=esp * MIB, root_size=root, disk_size=disk)
    except DeployError as error:
        assert root is not None or disk is not None, "what has no given size always fits"
        assert "`" in error.hints[0]
        return
    esp_at, esp_size, root_at, root_size, whole = placed(layout)
    assert all(value % MIB == 0 for value in placed(layout))
    assert (esp_at, root_at) == (FIRST, FIRST + esp * MIB)
    assert esp_size == esp * MIB
    assert root_at + root_size + FIRST <= whole
    assert root_size >= count * size + layout.journal + layout.inodes * INODE
    assert disk is None or whole == disk // MIB * MIB
    assert root is None or root_size == root // MIB * MIB


def test_a_larger_content_takes_no_smaller_disk() -> None:
    sizes = [
        lay_out(files(1, mib * MIB), DIGEST, esp_size=ESP).size for mib in (0, 1, 50, 110, 120, 900, 1100)
    ]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("given_sizes", "message", "hint"),
    [
        (
            {"root_size": 20 * MIB},
            r"the system needs \d+ MiB, and its root partition would have 20",
            "root-size",
        ),
        ({"disk_size": 60 * MIB}, r"the system needs \d+ MiB, and its root partition would have 18", "size"),
        ({"disk_size": MIB}, r"its root partition would have 0", "size"),
        (
            {"disk_size": 99 * MIB, "root_size": 80 * MIB},
            r"need a disk of 122 MiB, and `size:` is 99",
            "size",
        ),
    ],
)
def test_sizes_that_are_too_small_are_refused(given_sizes: dict[str, int], message: str, hint: str) -> None:
    with pytest.raises(DeployError, match=message) as refused:
        lay_out(files(5, 10 * MIB), DIGEST, esp_size=ESP, **given_sizes)
    assert f"`{hint}:`" in refused.value.hints[0]


def test_ids_follow_from_the_content_alone() -> None:
    one = lay_out(files(1, 1), DIGEST, esp_size=ESP)
    assert one == lay_out(files(1, 1), DIGEST, esp_size=ESP)
    other = lay_out(files(1, 1), "00" * 32, esp_size=ESP)
    ids = {one.id, one.esp.id, one.root.id, one.root_uuid.upper()}
    assert len(ids) == 4, "one for each purpose"
    assert ids.isdisjoint({other.id, other.esp.id, other.root.id, other.root_uuid.upper()})
    assert one.volume_id != other.volume_id
    assert fixed_id(DIGEST, "disk")[14] == "4", "a UUID of version 4"


def test_sfdisk_reads_the_table_as_it_was_meant(tmp_path: Path) -> None:
    layout = lay_out(files(3, 5 * MIB), DIGEST, esp_size=ESP, disk_size=128 * MIB)
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(layout.size)
    script = tmp_path / "script"
    script.write_text(table_script(layout))
    tool("sh", "-c", f"sfdisk -q --no-reread --no-tell-kernel {disk} <{script}")
    tool("sfdisk", "--verify", disk)
    table = json.loads(tool("sfdisk", "--json", disk))["partitiontable"]
    assert (table["label"], table["id"]) == ("gpt", layout.id)
    read = [
        (part["start"] * SECTOR, part["size"] * SECTOR, part["type"], part["uuid"], part["name"])
        for part in table["partitions"]
    ]
    assert read == [
        (part.offset, part.size, part.type, part.id, part.name) for part in (layout.esp, layout.root)
    ]


def test_the_esp_has_room_for_what_goes_there() -> None:
    assert esp_room([]) == 34 * MIB
    assert esp_room([40 * MIB, 30 * MIB]) > 70 * MIB


@pytest.mark.slow
def test_a_size_at_which_journals_grow_still_holds_the_content(objects: Objects, tmp_path: Path) -> None:
    entries = [folder(""), *(objects.file(f"f{number}", bytes([number]) * (22 * MIB)) for number in range(5))]
    assert least_root(entries) < 128
    layout = lay_out(entries, DIGEST, esp_size=ESP, root_size=128 * MIB)
    assert layout.journal == 4 * MIB, "16 would be usual"
    tool("e2fsck", "-fn", make_root(tmp_path / "made", entries, objects, layout))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["many", "large", "wide", "long names", "symlinks", "xattrs", "empty"])
def test_the_smallest_root_that_is_not_refused_holds_the_content(
    kind: str, objects: Objects, tmp_path: Path
) -> None:
    """Else a given size would be accepted, and fail in the middle."""
    root = folder("")
    trees = {
        "empty": [root],
        "many": [
            root,
            *(
                item
                for number in range(800)
                for item in (folder(f"d{number:04}"), objects.file(f"d{number:04}/f", b"x" * 5000))
            ),
        ],
        "large": [root, *(objects.file(f"f{number}", bytes([number]) * (40 * MIB)) for number in range(4))],
        "wide": [root, *(objects.file(f"file-number-{number:05}") for number in range(1500))],
        "long names": [root, *(objects.file(f"{'x' * 250}{number:05}") for number in range(400))],
        "symlinks": [root, *(entry(f"l{n:04}", "symlink", mode=0o777, target="t" * 900, size=900) for n in range(900))],
        "xattrs": [
            root,
            *(objects.file(f"f{n:04}", xattrs=((b"user.large", b"v" * 3000),)) for n in range(500)),
        ],
    }  # fmt: skip
    entries = trees[kind]
    layout = lay_out(entries, DIGEST, esp_size=ESP, root_size=least_root(entries) * MIB)
    image = make_root(tmp_path / "made", entries, objects, layout)
    tool("e2fsck", "-fn", image)
