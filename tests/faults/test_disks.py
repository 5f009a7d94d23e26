"""A disk that fails: one clear error, and the same command works once it does not. The long form is a part of the bench."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disks import (
    Bench,
    broken_at,
    calls_of_a_build,
    disk_with_quotas,
    full_at,
    full_target,
    make_bench,
    make_used,
    over_quota,
    read_only,
    unreadable_at,
    without_descriptors,
)
from tests.hostile.bench import quick_folder
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    need_static_shell()
    folder = Path(tempfile.mkdtemp(prefix="lithify-test-", dir=quick_folder()))
    try:
        yield make_bench(folder)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture
def _mounts() -> None:
    """Skip the test where no file system can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounts a small file system")


def test_the_calls_that_write_are_counted(bench: Bench) -> None:
    """However lithify leaves: what fails at a number that is never come to would show nothing."""
    assert calls_of_a_build(bench) > 900


@pytest.mark.parametrize(
    ("code", "number", "once"),
    [
        (errno.EIO, 300, True),
        (errno.EIO, 600, False),
        (errno.ENOSPC, 900, True),
        (errno.EDQUOT, 700, False),
        (errno.EROFS, 60, False),
    ],
)
def test_a_write_that_fails_is_told_and_nothing_is_damaged(
    bench: Bench, code: int, number: int, once: bool
) -> None:
    if bench.shim is None:
        pytest.skip("there is no C compiler")
    assert broken_at(bench, code, number, once=once) == ""


def test_a_disk_that_cannot_be_read_is_told_and_nothing_is_damaged(bench: Bench) -> None:
    if bench.shim is None:
        pytest.skip("there is no C compiler")
    used = make_used(bench)
    for number in (1, used.reads // 3, used.reads * 3 // 4):
        assert unreadable_at(used, number) == ""


@pytest.mark.usefixtures("_mounts")
@pytest.mark.parametrize("options", ["size=2m", "size=3m", "nr_inodes=300"])
def test_a_full_disk_is_told_with_figures_and_the_command_that_helps(bench: Bench, options: str) -> None:
    full, wrong = full_at(bench, options)
    assert wrong == ""
    assert full


@pytest.mark.usefixtures("_mounts")
@pytest.mark.parametrize(("name", "size"), [("tar", "512k"), ("image", "1m")])
def test_a_full_disk_that_is_deployed_to_is_told_and_left_empty(bench: Bench, name: str, size: str) -> None:
    full, wrong = full_target(bench, name, size)
    assert wrong == ""
    assert full


@pytest.mark.usefixtures("_mounts")
def test_a_quota_is_told_as_one(bench: Bench) -> None:
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("needs btrfs-progs")
    with disk_with_quotas(bench) as disk:
        for quota in ("100K", "1M"):
            full, wrong = over_quota(bench, disk, quota)
            assert wrong == ""
            assert full


@pytest.mark.usefixtures("_mounts")
def test_a_disk_that_became_read_only_is_told(bench: Bench) -> None:
    assert read_only(bench) == ""


def test_too_few_open_files_are_told(bench: Bench) -> None:
    assert without_descriptors(bench, 12) == ""
