"""The whole path, from definitions to tar and image: once as root, once as an ordinary user, and what a change rebuilds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stuck
from tests.build.definitions import small_tree
from tests.inside import folder_of, make_ordinary_user
from tests.program import Program
from tests.staging.stacks import need_static_shell

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Program]:
    need_static_shell()
    with folder_of(None) as folder:
        small_tree(folder / "definitions")
        yield Program(folder=folder, definitions=folder / "definitions")


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built_chunks(stderr: str) -> set[str]:
    """Return which chunks were built by this command, from the lines that stay."""
    lines = [line for line in stderr.splitlines() if ": built" in line and "built by" not in line]
    return {line.split("] ")[2].split(":")[0] for line in lines} - {"small"}


def test_a_system_is_the_same_for_root_and_an_ordinary_user() -> None:
    """Owners, setuid, a capability, a device, a fifo and hard links included; other umask, default ACL, setgid cache."""
    need_static_shell()
    user = make_ordinary_user()
    results = []
    for who, umask in ((None, 0o022), (user, 0o077)):
        with folder_of(who) as folder:
            definitions = small_tree(folder / "definitions")
            subprocess.run(["chmod", "-R", "a+rX", str(definitions)], check=True)
            if who is not None:
                subprocess.run(["chown", "-R", who, str(definitions)], check=True)
                subprocess.run(["setfacl", "-d", "-m", "u:5:rwx", str(folder)], check=True)
                os.chmod(folder, 0o2755)
            program = Program(folder=folder, definitions=definitions, user=who, umask=umask)
            program.done("build", "small")
            program.done("deploy", "small")
            results.append((digest_of(definitions / "small.tar"), digest_of(definitions / "small.img")))
            with tarfile.open(definitions / "small.tar") as archive:
                members = {member.name: member for member in archive}
    assert results[0] == results[1]
    odd = "./usr/share/odd"
    assert (members[f"{odd}/owned"].uid, members[f"{odd}/owned"].gid, members[f"{odd}/owned"].mode) == (
        5,
        7,
        0o640,
    )
    assert members[f"{odd}/setuid"].mode == 0o6755
    assert members[f"{odd}/sticky"].mode == 0o1777
    assert members[f"{odd}/pipe"].isfifo()
    assert members[f"{odd}/link"].linkname == "../nowhere"
    assert {members[f"{odd}/hard"].islnk(), members[f"{odd}/one"].islnk()} == {True, False}
    assert not members[f"{odd}/two"].islnk(), "equal files are not one file"
    assert not members["./etc/b.conf"].islnk()
    assert "SCHILY.xattr.security.capability" in members[f"{odd}/capable"].pax_headers
    device = members["./dev/null"]
    assert device.ischr()
    assert (device.devmajor, device.devminor, device.gid, device.mode) == (1, 3, 5, 0o666)
    assert (members["./etc/integrated"].uid, members["./etc/integrated"].gid) == (5, 7)
    assert f"{odd}/plain" not in members, "what integration removed is gone"
    for folder_name in ("./usr", "./usr/share", odd, "./etc"):
        assert (members[folder_name].mode, members[folder_name].uid) == (0o755, 0)


def test_the_image_holds_what_the_tar_holds(small: Program) -> None:
    small.done("build", "small")
    small.done("deploy", "small")
    with small.folder.joinpath("root.img").open("wb") as root:
        disk = (small.definitions / "small.img").read_bytes()
        root.write(disk[(1 + 40) << 20 :][: -(1 << 20)])
    checked = subprocess.run(
        ["/sbin/e2fsck", "-fn", str(small.folder / "root.img")], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout

    def debugfs(request: str) -> str:
        command = ["/sbin/debugfs", "-R", request, str(small.folder / "root.img")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "Links: 2" in debugfs("stat /usr/share/odd/one")
    assert debugfs("stat /usr/share/odd/one").split()[1] == debugfs("stat /usr/share/odd/hard").split()[1]
    assert debugfs("stat /etc/a.conf").split()[1] != debugfs("stat /etc/b.conf").split()[1]
    assert "Device major/minor number: 01:03" in debugfs("stat /dev/null")
    assert "security.capability" in debugfs("ea_list /usr/share/odd/capable")
    assert "Mode:  06755" in debugfs("stat /usr/share/odd/setuid")
    assert debugfs("cat /etc/integrated") == "integrated\n"


def test_a_second_build_starts_no_program_and_says_the_same(small: Program) -> None:
    first = small.done("build", "small")
    second = small.done("build", "small")
    assert second.stdout == first.stdout
    assert second.stderr == ""
    watched = subprocess.run(
        [sys.executable, "-c", WATCHING, "--no-default-configs", "build", "small"],
        cwd=small.definitions,
        env=small.environment(str(small.folder)),
        capture_output=True,
        text=True,
    )
    assert (watched.returncode, watched.stdout) == (0, first.stdout)
    assert watched.stderr == "", "no program was started, and no process made"


WATCHING = """
import os, sys
def watch(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"):
        sys.stderr.write(f"{event} {arguments}\\n")
sys.addaudithook(watch)
from lithify.cli.app import run
sys.exit(run(sys.argv[1:], dict(os.environ)))
"""


def test_a_comment_stops_where_the_content_is_the_same(small: Program) -> None:
    small.done("build", "small")
    small.done("deploy", "small")
    (small.definitions / "lib" / "source").write_text("# another comment\nthe library\n")
    again = small.done("build", "small")
    assert built_chunks(again.stderr) == {"lib"}
    assert "lib: built" in again.stderr
    assert "unchanged" in again.stderr
    deployed = small.done("deploy", "small")
    assert deployed.stdout.splitlines() == [
        f"tar: tar {small.definitions / 'small.tar'}: unchanged",
        f"image: image {small.definitions / 'small.img'}: unchanged",
    ]


def test_a_change_goes_as_far_as_it_must(small: Program) -> None:
    small.done("build", "small")
    (small.definitions / "lib" / "source").write_text("the other library\n")
    again = small.done("build", "small")
    assert built_chunks(again.stderr) == {"lib", "app"}


def test_twice_from_nothing_gives_the_same_bytes(small: Program) -> None:
    small.done("build", "small")
    small.done("deploy", "small")
    first = {name: digest_of(small.definitions / name) for name in ("small.tar", "small.img")}
    with folder_of(None) as elsewhere:
        deeper = elsewhere / "another" / "path"
        deeper.mkdir(parents=True)
        program = Program(folder=deeper, definitions=small_tree(deeper / "definitions"))
        program.done("build", "small")
        program.done("deploy", "small")
        second = {name: digest_of(program.definitions / name) for name in first}
    assert first == second


@pytest.mark.parametrize("method", ["overlay", "overlay-classic", "fuse-overlayfs", "copy"])
def test_every_staging_method_gives_the_same_system(small: Program, method: str) -> None:
    small.done("build", "small")
    reference = content_of(small)
    with folder_of(None) as elsewhere:
        program = Program(
            folder=elsewhere,
            definitions=small_tree(elsewhere / "definitions"),
            settings=("--staging-method", method),
        )
        program.done("build", "small")
        assert content_of(program) == reference


def content_of(program: Program) -> str:
    """Return the content digest of the small system, from the note of its deployment."""
    program.done("deploy", "small", "tar")
    return str(json.loads((program.definitions / "small.tar.lithify.json").read_text())["content"])


def test_two_builds_at_once_build_each_chunk_once(small: Program) -> None:
    both = [small.start("build", "small") for _ in range(2)]
    said = [stuck.communicate(child) for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    built = [built_chunks(stderr) for _, stderr in said]
    assert built[0] | built[1] == {"shell", "lib", "app", "odd"}
    assert not built[0] & built[1]
    assert said[0][0] == said[1][0]
