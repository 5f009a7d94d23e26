"""The commands ``deploy`` and ``boot`` as they are typed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithify.process import run
from tests.build.definitions import small_tree
from tests.inside import folder_of
from tests.program import Program
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small() -> Iterator[Program]:
    """A small system, built once."""
    need_static_shell()
    with folder_of(None) as folder:
        program = Program(folder=folder, definitions=small_tree(folder / "definitions"))
        program.done("build", "small")
        yield program


def test_values_on_the_command_line_win(small: Program, tmp_path: Path) -> None:
    place = tmp_path / "another.img"
    said = small.done("deploy", "small", "image", f"image.location={place}", "image.size=300M")
    assert said.stdout == f"image: image {place}: made\n"
    assert place.stat().st_size == 300 << 20
    said = small.done("deploy", "small", "image", f"image.location={place}", "image.size=300M")
    assert said.stdout == f"image: image {place}: unchanged\n"
    said = small.done("deploy", "small", "image", f"image.location={place}", "image.size=299M")
    assert said.stdout == f"image: image {place}: made\n"


def test_the_type_may_come_from_the_command_line(small: Program, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    small.done("deploy", "small", "tar", "tar.type=directory", f"tar.location={place}", "tar.owner=me")
    assert (place / "usr/share/odd/owned").stat().st_uid == os.getuid()


def test_what_a_killed_deployment_left_goes_though_nothing_is_to_be_done(small: Program) -> None:
    small.done("deploy", "small", "tar")
    for command, said in ((("deploy", "small", "tar"), ": unchanged\n"), (("build", "small"), "-rootfs\n")):
        label = "deploy-tar-1-0123abcd"
        (small.folder / "tmp" / label / "deep").mkdir(parents=True)
        (small.cache / "staging" / label).mkdir()
        (small.cache / "staging" / label / "scratch").symlink_to(small.folder / "tmp" / label)
        (small.cache / "standing").rename(small.folder / "standing-before")
        assert small.done(*command).stdout.endswith(said)
        assert list((small.cache / "staging").glob("*-*")) == list((small.folder / "tmp").iterdir()) == []
        if command[0] == "deploy":
            (small.folder / "standing-before").rename(small.cache / "standing")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["imgae"], 1, 'small has no deployment imgae\nhint: did you mean "image"?'),
        (["tar", "size=1M"], 2, "size=1M is not DEPLOYMENT.KEY=VALUE"),
        (["tar", "tar.size=1M"], 1, "tar: tar has no value size\nhint: tar knows: none"),
        (["tar", "tar.type=rawdisc"], 1, "tar: unknown deployment type rawdisc"),
        (["tar", "tar.location=no/such/place.tar"], 1, "tar: there is no folder"),
        (["image", "image.root-size=1M"], 1, "image: the system needs"),
        (["image", "image.boot-loader=systemd-boot"], 1, "image: the system small has no kernel"),
        (["image", "image.location=small.tar", "tar"], 1, "have one location, small.tar"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    arguments: list[str], status: int, said: str, small: Program
) -> None:
    before = sorted(path.name for path in small.definitions.iterdir())
    found = small.run("deploy", "small", *arguments)
    assert found.status == status
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert sorted(path.name for path in small.definitions.iterdir()) == before


def test_a_system_that_is_not_built_is_named(small: Program) -> None:
    system = small.definitions / "systems/small.morph"
    before = system.read_text()
    try:
        system.write_text(before + "description: another\nos-release:\n  ID: other\n")
        found = small.run("deploy", "small")
        assert found.status == 1
        assert "the system small is not built yet" in found.stderr
        assert "lithify build systems/small.morph" in found.stderr
    finally:
        system.write_text(before)


def test_a_commit_is_built_and_deployed_as_what_is_on_disk(small: Program, tmp_path: Path) -> None:
    repository = ("--repo", str(small.definitions), "--ref", "HEAD")
    own = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a commit"]):
        run(["git", *own, *words], cwd=small.definitions)
    built = small.done("build", "small").stdout
    system = small.definitions / "systems/small.morph"
    before = system.read_text()
    try:
        system.write_text("broken")
        assert small.done("build", *repository, "small").stdout == built
        assert small.done("build", str(small.definitions), "HEAD", "small").stdout == built
        said = small.done("-C", str(tmp_path), "deploy", *repository, "small", "tar", "tar.location=of.tar")
        assert said.stdout == f"tar: tar {tmp_path}/of.tar: made\n"
        assert (tmp_path / "of.tar").stat().st_size > 0
    finally:
        system.write_text(before)
        shutil.rmtree(small.definitions / ".git")


def test_what_is_no_image_is_not_booted(small: Program) -> None:
    for name, status, said in (
        ("none.img", 1, "there is no image none.img"),
        ("VERSION", 2, "is no disk image"),
        ("smal", 1, 'there is no image smal; no definition "smal"\nhint: did you mean systems/small.morph?'),
        ("small", 1, "small: the system small has no kernel (boot/vmlinuz-*)"),
        ("systems/small.morph", 1, "small: the system small has no kernel (boot/vmlinuz-*)"),
        ("chunks/lib.morph", 1, '"chunks/lib.morph" is a chunk, not a system'),
    ):
        found = small.run("boot", name)
        assert (found.status, said in found.stderr) == (status, True), found.stderr
    assert list((small.folder / "tmp").iterdir()) == []
    for arguments, said in (
        (("small", "--keep"), "--keep is for an image"),
        (("none.img", "--memory", "8"), "--memory 8: a machine needs 32 MiB or more"),
    ):
        found = small.run("boot", *arguments)
        assert (found.status, said in found.stderr) == (2, True), found.stderr
