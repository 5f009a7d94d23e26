"""DESTDIR is captured exactly, or refused whole."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lithify.errors import UnsafeContent
from lithify.staging.capture import capture_destdir, shown
from tests.inside import run_inside


def capture_odd(folder: str) -> dict[str, object]:
    top = Path(folder) / "inst"
    (top / "usr").mkdir(parents=True)
    (top / "usr" / "a").write_text("one file")
    os.link(top / "usr" / "a", top / "usr" / "b")
    (top / "usr" / "equal").write_text("one file")
    os.mkfifo(top / "usr" / "pipe", 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "usr" / "socket"))
    os.chown(top / "usr" / "equal", 5, 7)
    os.chmod(top / "usr" / "equal", 0o6755)
    os.setxattr(top / "usr" / "equal", "user.kept", b"v")
    (top / "usr" / "new\nline").write_text("x")
    (top / "link").symlink_to("/etc")
    os.truncate(top / "usr" / "b", 1 << 34)
    captured = capture_destdir(top)
    info = (top / "usr" / "equal").stat()
    return {
        "devices": [[d.path, d.type, oct(d.mode), d.uid] for d in captured.manifest.devices if d.type == "p"],
        "types": sorted(d.type for d in captured.manifest.devices),
        "links": captured.manifest.links,
        "files": captured.files,
        "bytes": captured.bytes,
        "equal": [oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns],
        "xattrs": os.listxattr(top / "usr" / "equal"),
        "left": sorted(os.listdir(top / "usr")),
    }


def test_everything_that_can_be_kept_is(folder: Path, who: str | None) -> None:
    result = run_inside(capture_odd, str(folder), user=who)
    assert result["devices"] == [["usr/pipe", "p", "0o640", 0]]
    assert result["types"] == ["p", "s"]
    assert result["links"] == [["usr/a", "usr/b"]]
    assert result["files"] == 5
    assert result["bytes"] == (2 << 34) + 8 + 1
    assert result["equal"] == ["0o106755", 5, 7, 0]
    assert result["xattrs"] == ["user.kept"]
    assert result["left"] == ["a", "b", "equal", "new\nline"]


@pytest.mark.parametrize(
    ("name", "target", "told"),
    [
        (b"latin-\xe9", None, r"/latin-\xe9 has a name that is not UTF-8"),
        (b"link", b"to-\xe9", r"/link leads to to-\xe9, which is not UTF-8"),
    ],
)
def test_what_is_not_text_is_refused_and_left_alone(
    tmp_path: Path, name: bytes, target: bytes | None, told: str
) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    if target is None:
        with open(path, "wb") as file:
            file.write(b"x")
    else:
        os.symlink(target, path)
    (tmp_path / "other").write_text("x")
    before = (tmp_path / "other").stat().st_mtime_ns
    with pytest.raises(UnsafeContent) as caught:
        capture_destdir(tmp_path)
    assert told in caught.value.message
    assert (tmp_path / "other").stat().st_mtime_ns == before


def test_an_attribute_that_would_act_on_a_mount_is_refused(folder: Path, who: str | None) -> None:
    (folder / "folder").mkdir()
    os.setxattr(folder / "folder", "user.overlay.opaque", b"y")
    with pytest.raises(UnsafeContent, match=r"/folder has the attribute user\.overlay\.opaque"):
        capture_destdir(folder)


def test_paths_are_shown_without_acting_on_a_terminal() -> None:
    assert shown(b"/a\x1b[31m\n\xff") == "/a\\x1b[31m\\n\\xff"
