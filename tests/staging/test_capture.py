"""DESTDIR is captured exactly, or refused whole."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithify.errors import UnsafeContent
from lithify.staging import capture
from lithify.staging.capture import capture_destdir, capture_upper, shown
from lithify.staging.folders import plain_folder
from lithify.store.folders import DEEPEST
from tests.inside import run_inside
from tests.staging.areas import tree_of

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
ACL = bytes.fromhex(
    "02000000 01000700ffffffff 02000500e8030000 04000500ffffffff 10000500ffffffff 20000500ffffffff"
)


def capture_odd(folder: str) -> dict[str, object]:
    top = Path(folder) / "inst"
    usr = top / "usr"
    usr.mkdir(parents=True)
    (usr / "a").write_text("one file")
    os.link(usr / "a", usr / "b")
    os.link(usr / "a", top / "c")
    (usr / "equal").write_text("one file")
    (Path(folder) / "elsewhere").write_text("linked with the build folder")
    os.link(Path(folder) / "elsewhere", usr / "half")
    os.mkfifo(usr / "pipe", 0o640)
    os.chown(usr / "pipe", 5, 7)
    os.mknod(usr / "device", stat.S_IFCHR | 0o600, 0)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(usr / "socket"))
    os.chmod(usr / "socket", 0o755)
    os.chown(usr / "equal", 5, 7)
    os.setxattr(usr / "equal", "user.kept", b"v")
    os.setxattr(usr / "equal", "security.capability", CAPABILITY)
    os.chmod(usr / "equal", 0o6755)
    (usr / "new\nline").write_text("x")
    (usr / "esc\x1b[31m'\"\\ ä").write_text("x")
    (usr / ("n" * 255)).write_text("x")
    (top / "link").symlink_to("/etc")
    (top / "loop").symlink_to("loop")
    (top / "usr" / "up").symlink_to("/")
    (top / "far").symlink_to("t" * 4095)
    os.chown(top / "link", 5, 7, follow_symlinks=False)
    (top / "shared").mkdir()
    os.chown(top / "shared", 5, 7)
    os.chmod(top / "shared", 0o3770)
    os.setxattr(top / "shared", "system.posix_acl_default", ACL)
    os.setxattr(top / "shared", "system.posix_acl_access", ACL)
    (top / "sparse").touch()
    os.truncate(top / "sparse", 1 << 34)
    captured = capture_destdir(top)
    tree = tree_of(top)
    return {
        "devices": [[d.path, d.type, oct(d.mode), d.uid, d.gid, d.major] for d in captured.manifest.devices],
        "links": captured.manifest.links,
        "counts": [captured.files, captured.folders, captured.bytes],
        "tree": {path: entry for path, entry in tree.items() if path not in ("far", "sparse")},
        "times": sorted(
            {(top / p).lstat().st_mtime_ns for p, e in tree.items() if str(e[0]).startswith("0o10")}
        ),
        "blocks": (top / "sparse").stat().st_blocks,
    }


def test_everything_that_can_be_kept_is(folder: Path, who: str | None) -> None:
    result = run_inside(capture_odd, str(folder), user=who)
    assert result["devices"] == [
        ["usr/device", "c", "0o600", 0, 0, 0],
        ["usr/pipe", "p", "0o640", 5, 7, 0],
        ["usr/socket", "s", "0o755", 0, 0, 0],
    ]
    assert result["links"] == [["c", "usr/a", "usr/b"]]
    assert result["counts"] == [13, 2, (1 << 34) + 4 * 8 + 28 + 3]
    tree = result["tree"]
    assert sorted(tree) == sorted(
        [
            "c",
            "link",
            "loop",
            "shared",
            "usr",
            "usr/a",
            "usr/b",
            "usr/equal",
            "usr/half",
            "usr/new\nline",
            "usr/up",
            "usr/esc\x1b[31m'\"\\ ä",
            "usr/" + "n" * 255,
        ]
    )
    assert tree["usr/equal"] == [
        "0o106755",
        5,
        7,
        "one file",
        {"user.kept": "76", "security.capability": CAPABILITY.hex()},
    ]
    assert tree["link"][1:4] == [5, 7, "/etc"]
    assert tree["shared"][:3] == ["0o43755", 5, 7], "the ACL has set the group's and others' bits"
    assert tree["shared"][4] == {"system.posix_acl_default": ACL.hex(), "system.posix_acl_access": ACL.hex()}
    assert result["times"] == [0]
    assert result["blocks"] == 0, "a sparse file stays one"


def state(top: Path) -> list[tuple[int, ...]]:
    """Return what changes when a folder or what is directly in it is changed."""
    return [
        (info.st_ino, info.st_mode, info.st_mtime_ns, info.st_ctime_ns, info.st_size)
        for info in [
            top.lstat(),
            *(entry.stat(follow_symlinks=False) for entry in os.scandir(os.fsencode(top))),
        ]
    ]


def refuse(folder: str, kind: str) -> list[object]:
    """Make something that cannot be kept, and return what is said, and whether anything was changed."""
    top = Path(folder) / "inst"
    top.mkdir()
    (top / "other").write_text("x")
    os.mkfifo(top / "pipe")
    HOSTILE[kind](top)
    before = state(top)
    try:
        capture_destdir(top)
    except UnsafeContent as error:
        return [error.message, state(top) == before]
    return ["captured"]


def _latin_name(top: Path) -> None:
    Path(os.fsdecode(os.fsencode(top) + b"/latin-\xe9")).write_text("x")


def _latin_folder(top: Path) -> None:
    (folder := Path(os.fsdecode(os.fsencode(top) + b"/latin-\xe9"))).mkdir()
    (folder / "within").write_text("x")


def _surrogate_name(top: Path) -> None:
    Path(os.fsdecode(os.fsencode(top) + b"/half-\xed\xa0\x80")).write_text("x")


def _latin_target(top: Path) -> None:
    os.symlink(b"to-\xe9", os.fsencode(top / "link"))


def _opaque_mark(top: Path) -> None:
    (top / "folder").mkdir()
    os.setxattr(top / "folder", "user.overlay.opaque", b"y")


def _escaped_mark(top: Path) -> None:
    os.setxattr(top / "other", "user.overlay.overlay.whiteout", b"y")


def _fuse_mark(top: Path) -> None:
    os.setxattr(top / "other", "user.fuseoverlayfs.opaque", b"y")


def _nest(top: Path, name: str, levels: int) -> None:
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


def _deep(top: Path) -> None:
    _nest(top, "deeper", 1500)


def _just_too_deep(top: Path) -> None:
    _nest(top, "d", DEEPEST + 1)


def _long(top: Path) -> None:
    _nest(top, "n" * 250, 20)


def _terabyte(top: Path) -> None:
    (top / "sparse").touch()
    os.truncate(top / "sparse", 1 << 40)


def _everything(top: Path) -> None:
    for number in range(15):
        Path(os.fsdecode(os.fsencode(top) + b"/%02d-\xe9" % number)).write_text("x")


HOSTILE: dict[str, Callable[[Path], None]] = {
    r"/latin-\xe9 has a name that is not UTF-8": _latin_name,
    r"cannot be kept: /latin-\xe9 has a name that is not UTF-8": _latin_folder,
    r"/half-\xed\xa0\x80 has a name that is not UTF-8": _surrogate_name,
    r"/link leads to to-\xe9, which is not UTF-8": _latin_target,
    "/folder has the attribute user.overlay.opaque, which would act on a mount": _opaque_mark,
    "/other has the attribute user.overlay.overlay.whiteout, which would act on a mount": _escaped_mark,
    "/other has the attribute user.fuseoverlayfs.opaque, which would act on a mount": _fuse_mark,
    "is too deep: its path and the names in it are over 3500 bytes": _long,
    "deeper is too deep: folders are nested more than 256 deep": _deep,
    "d is too deep: folders are nested more than 256 deep": _just_too_deep,
    "/ holds 1099511627777 bytes in all: more than 256 GiB": _terabyte,
    r"/00-\xe9 has a name that is not UTF-8; /01-\xe9": _everything,
}


@pytest.mark.parametrize("told", HOSTILE)
def test_what_cannot_be_kept_is_refused_and_left_as_it_is(folder: Path, who: str | None, told: str) -> None:
    message, unchanged = run_inside(refuse, str(folder), told, user=who)
    assert told in message
    assert unchanged is True
    assert len(message) < 3000


def test_only_the_first_refusals_are_told(tmp_path: Path) -> None:
    _everything(tmp_path)
    with pytest.raises(UnsafeContent) as caught:
        capture_destdir(tmp_path)
    assert caught.value.message.endswith("; and 5 more")
    assert caught.value.hints


def test_a_folder_that_the_store_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "BIGGEST_FOLDER", 1000)
    (tmp_path / "many").mkdir()
    for number in range(30):
        (tmp_path / "many" / f"{number}").touch()
    with pytest.raises(UnsafeContent, match="/many is a folder of 30 entries: more than the store can hold"):
        capture_destdir(tmp_path)
    (tmp_path / "many").rename(tmp_path.parent / "top")
    with pytest.raises(UnsafeContent, match="/ is a folder of 30 entries"):
        capture_destdir(tmp_path.parent / "top")


def test_paths_are_shown_without_acting_on_a_terminal() -> None:
    assert shown(b"/a\x1b[31m\n\xff\xe2\x80\xae") == "/a\\x1b[31m\\n\\xff\\u202e"
    assert shown(b"") == "/"


def foreign_attributes(folder: str) -> list[str]:
    """Attributes that only the host's root can set."""
    path = Path(folder) / "file"
    path.write_text("x")
    for name in ("trusted.x", "user.kept"):
        os.setxattr(path, name, b"1")
    capture_destdir(Path(folder))
    return os.listxattr(path)


def test_attributes_of_the_host_are_taken_off(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can set them")
    assert run_inside(foreign_attributes, str(folder), enter="enter_as_root") == ["user.kept"]


def test_what_is_as_deep_as_may_be_is_captured(tmp_path: Path) -> None:
    _nest(tmp_path, "d", DEEPEST)
    assert capture_destdir(tmp_path).folders == DEEPEST


def test_an_attribute_without_a_value_is_taken_off(folder: Path) -> None:
    """OSTree's commits hold none, so it would be on a file that shares the object and on no copy of it."""
    (folder / "file").write_text("x")
    os.setxattr(folder / "file", "user.empty", b"")
    os.setxattr(folder / "file", "user.full", b"1")
    (folder / "within").mkdir()
    os.setxattr(folder / "within", "user.empty", b"")
    capture_destdir(folder)
    assert os.listxattr(folder / "file") == ["user.full"]
    assert os.listxattr(folder / "within") == []


def hypothesis_names() -> st.SearchStrategy[bytes]:
    return st.binary(min_size=1, max_size=12).filter(
        lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b"..")
    )


@given(
    st.dictionaries(
        hypothesis_names(),
        st.one_of(
            st.binary(max_size=5),
            st.none(),
            st.tuples(st.binary(min_size=1, max_size=8).filter(lambda t: b"\0" not in t)),
        ),
        max_size=6,
    )
)
def test_any_names_are_captured_exactly_or_refused(entries: dict[bytes, bytes | tuple[bytes] | None]) -> None:
    """A value is a file's content, None for a folder, or a link's target in a tuple."""
    with tempfile.TemporaryDirectory() as folder:
        top = os.fsencode(folder)
        for name, value in entries.items():
            path = top + b"/" + name
            if value is None:
                os.mkdir(path)
            elif isinstance(value, tuple):
                os.symlink(value[0], path)
            else:
                with open(path, "wb") as file:
                    file.write(value)
        targets = [value[0] for value in entries.values() if isinstance(value, tuple)]
        is_text = all(_decodes(item) for item in (*entries, *targets))
        try:
            captured = capture_destdir(folder)
        except UnsafeContent as error:
            assert not is_text
            assert error.message.isprintable()
            return
        assert is_text
        assert captured.files + captured.folders == len(entries) == len(os.listdir(top))
        assert captured.bytes == sum(len(value) for value in entries.values() if isinstance(value, bytes))
        assert not captured.manifest


def _decodes(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_an_upper_layer_that_nobody_wrote_to_has_no_changes(tmp_path: Path) -> None:
    changes = capture_upper(tmp_path)
    assert (changes.removed, changes.opaque, changes.files, bool(changes.manifest)) == ((), (), 0, False)


def odd_uppers(folder: str) -> list[object]:
    top = Path(folder)
    (top / "opaque").mkdir()
    os.setxattr(top / "opaque", "user.overlay.opaque", b"y")
    (top / "holds").mkdir()
    os.setxattr(
        top / "holds", "user.overlay.opaque", b"x"
    )  # Linux 6.7: it may hold whiteouts that are attributes
    os.setxattr(top / "holds", "user.overlay.impure", b"y")
    (top / "holds" / "file").write_text("x")
    os.setxattr(top / "holds" / "file", "user.overlay.origin", b"1")
    os.mknod(top / "holds" / "gone", stat.S_IFCHR, 0)
    (top / "fuse").mkdir()
    (top / "fuse" / ".wh..wh..opq").touch()
    changes = capture_upper(top)
    left = {path: entry[4] for path, entry in tree_of(top).items()}
    return [list(changes.removed), list(changes.opaque), changes.files, left]


def test_what_a_mount_method_notes_for_itself_is_taken_out(folder: Path, who: str | None) -> None:
    removed, opaque, files, left = run_inside(odd_uppers, str(folder), user=who)
    assert removed == ["holds/gone"]
    assert opaque == ["fuse", "opaque"]
    assert files == 1
    assert left == {"fuse": {}, "holds": {}, "holds/file": {}, "opaque": {}}


def plain(folder: str) -> list[object]:
    top = Path(folder)
    os.chown(top, 0, 7)
    os.chmod(top, 0o2777)
    os.setxattr(top, "system.posix_acl_default", ACL)
    os.umask(0o077)
    info = plain_folder(top / "made").stat()
    return [oct(info.st_mode), info.st_uid, info.st_gid, os.listxattr(top / "made")]


def test_a_plain_folder_takes_nothing_from_around_it(folder: Path, who: str | None) -> None:
    assert run_inside(plain, str(folder), user=who) == ["0o40755", 0, 0, []]


def test_an_attribute_of_a_file_with_two_names_is_taken_off_once(folder: Path) -> None:
    """An integration command that links a file of a lower layer leaves the overlay's attribute on both names."""
    (folder / "one").write_text("x")
    os.setxattr(folder / "one", "user.overlay.origin", b"")
    os.link(folder / "one", folder / "two")
    changes = capture_upper(folder)
    assert changes.manifest.links == (("one", "two"),)
    assert os.listxattr(folder / "one") == []
