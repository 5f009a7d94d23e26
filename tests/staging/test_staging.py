"""Commands in a staging area, with each method and for each kind of user."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lithify.cache import open_cache
from lithify.staging.area import each_once, staging_area
from lithify.staging.capture import capture_upper
from lithify.staging.logs import LogWriter
from lithify.staging.methods import choose
from lithify.staging.namespace import is_entered
from lithify.staging.sandbox import Bind, Ended, Limits, Sandbox, run_command
from tests.inside import run_inside
from tests.staging.stacks import need_static_shell, shell_layer

METHODS = ("overlay", "overlay-classic", "fuse-overlayfs", "copy")


def need_method(method: str, who: str | None) -> None:
    """Skip the test where the machine keeps FUSE from an ordinary user."""
    if method == "fuse-overlayfs" and who is not None and not os.stat("/dev/fuse").st_mode & 0o002:
        pytest.skip("only root may use /dev/fuse here")


def build(
    folder: str, method: str, commands: list[str], timeout: float | None = None, log_bytes: int | None = None
) -> dict[str, object]:
    """Run commands over a shell layer and one of files, and return how they ended and what the log holds."""
    top = Path(folder)
    cache = open_cache(top / "cache")
    files = top / "files"
    (files / "etc" / "below").mkdir(parents=True)
    (files / "etc" / "file").write_text("lower\n")
    (files / "etc" / "below" / "old").write_text("old\n")
    layers = [shell_layer(top / "shell"), files]
    for name in ("area", "build", "inst"):
        (top / name).mkdir()
    binds = (
        Bind(source=top / "build", target="/x.build", writable=True),
        Bind(source=top / "inst", target="/x.inst", writable=True),
    )
    chosen = choose(cache, method)
    ends: list[Ended] = []
    with (
        LogWriter(top / "log", limit=log_bytes) as log,
        staging_area(
            chosen, layers, folder=top / "area", mount_points=["/x.build", "/x.inst"], upper=None
        ) as root,
    ):
        sandbox = Sandbox(
            root=root,
            binds=binds,
            cwd="/x.build",
            environment={"PATH": "/bin"},
            limits=Limits(timeout=timeout),
        )
        ends.extend(run_command(sandbox, command, log=log) for command in commands)
    assert list((top / "area").iterdir()) == [], "a staging area leaves nothing behind"
    return {
        "ends": [[end.returncode, end.reason] for end in ends],
        "log": (top / "log").read_text(errors="replace"),
        "lower": sorted(str(p.relative_to(files)) for p in files.rglob("*")),
        "method": chosen.describe(),
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_build_sees_its_layers_and_writes_its_folders_alone(
    folder: Path, who: str | None, method: str
) -> None:
    need_static_shell()
    need_method(method, who)
    result = run_inside(
        build,
        str(folder),
        method,
        [
            "test $(cat /etc/file) = lower",
            "echo built >$0 || true; echo x >/x.inst/file; chown 5:7 /x.inst/file; chmod 4755 /x.inst/file; ls -ln /x.inst",
            "echo y >/etc/file",
            "echo y >/new",
            "mount -t tmpfs none /etc",
            "umask; id -u; hostname; ls /",
            "exit 3",
        ],
        user=who,
    )
    assert [end[1] for end in result["ends"]] == [
        "exit_code=0",
        "exit_code=0",
        "exit_code=1",
        "exit_code=1",
        "exit_code=1",
        "exit_code=0",
        "exit_code=3",
    ]
    assert "-rwsr-xr-x    1 5        7" in result["log"]
    assert "0022\n" in result["log"]
    assert "lithify\n" in result["log"]
    assert "\nhome\n" not in result["log"], "nothing of the host is visible"
    assert result["lower"] == ["etc", "etc/below", "etc/below/old", "etc/file"]


def test_there_is_no_network_and_no_way_out(folder: Path, who: str | None) -> None:
    need_static_shell()
    commands = [
        "test $(ls /sys 2>/dev/null | wc -l) = 0",
        "test $(tail -n +3 /proc/net/dev | grep -vc ' lo:') = 0",
        "unshare -U true",
        "mknod /x.inst/null c 1 3",
        "chroot / sh -c 'echo inside'",
        "test $(ls -d /proc/[0-9]* | wc -l) -lt 8",
        "echo stdin $(cat)",
    ]
    result = run_inside(build, str(folder), "auto", commands, user=who)
    assert [end[0] for end in result["ends"]] == [0, 0, 1, 1, 0, 0, 0]


def test_a_command_that_never_ends_is_ended(folder: Path, who: str | None) -> None:
    need_static_shell()
    result = run_inside(
        build, str(folder), "auto", ["trap '' TERM INT; while :; do sleep 1; done"], 0.3, user=who
    )
    assert result["ends"][0][1] == "timed out after 0.3 s"
    assert "### timed out after 0.3 s ###" in result["log"]


def test_who_stays_behind_is_ended_with_the_command(folder: Path, who: str | None) -> None:
    """A daemon that holds the pipe neither keeps the build waiting nor outlives it."""
    need_static_shell()
    command = "(trap '' HUP TERM; while :; do sleep 1; done) & echo started"
    result = run_inside(
        build, str(folder), "auto", [command, "test $(ls -d /proc/[0-9]* | wc -l) -lt 8"], user=who
    )
    assert [end[1] for end in result["ends"]] == ["exit_code=0", "exit_code=0"]


def test_a_flood_of_output_is_capped(folder: Path) -> None:
    need_static_shell()
    dashes = "-" * 48
    flood = f"i=0; while [ $i -lt 20000 ]; do echo line $i {dashes}; i=$((i+1)); done 2>/dev/null"
    result = run_inside(build, str(folder), "auto", [f"set +x; {flood}"], None, 10_000)
    assert result["ends"][0][0] == 0
    assert len(result["log"]) < 600_000
    assert "line 0 -" in result["log"]
    assert "line 19999 -" in result["log"]
    assert "over its limit of 10000 bytes" in result["log"]


def interrupted(folder: str) -> str:
    top = Path(folder)
    cache = open_cache(top / "cache")
    (top / "area").mkdir()
    event = threading.Event()
    with (
        LogWriter(top / "log") as log,
        staging_area(
            choose(cache), [shell_layer(top / "shell")], folder=top / "area", mount_points=[], upper=None
        ) as root,
    ):
        event.set()
        sandbox = Sandbox(root=root, environment={"PATH": "/bin"})
        return run_command(sandbox, "while :; do sleep 1; done", log=log, interrupt=event).reason


def test_an_interrupt_ends_a_command(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(interrupted, str(folder), user=who) == "interrupted"


def change(folder: str, method: str, script: str) -> dict[str, object]:
    """Run a script with the root writable, and return what is captured of it."""
    top = Path(folder)
    cache = open_cache(top / "cache")
    files = top / "files"
    for name in ("etc/below", "etc/gone", "kept"):
        (files / name).mkdir(parents=True)
    for name in ("etc/file", "etc/below/old", "etc/gone/x", "kept/one"):
        (files / name).write_text(f"{name}\n")
    (top / "area").mkdir()
    (top / "upper").mkdir(mode=0o755)
    layers = [shell_layer(top / "shell"), files]
    with (
        LogWriter(top / "log") as log,
        staging_area(
            choose(cache, method), layers, folder=top / "area", mount_points=[], upper=top / "upper"
        ) as root,
    ):
        sandbox = Sandbox(root=root, root_writable=True, environment={"PATH": "/bin"})
        ended = run_command(sandbox, script, log=log)
    assert ended.returncode == 0, (top / "log").read_text()
    changes = capture_upper(top / "upper")
    left = {}
    for path in sorted((top / "upper").rglob("*")):
        info = path.lstat()
        name = str(path.relative_to(top / "upper"))
        left[name] = [oct(info.st_mode), info.st_uid, info.st_gid, path.read_text() if path.is_file() else ""]
    return {
        "removed": changes.removed,
        "opaque": changes.opaque,
        "left": left,
        "links": changes.manifest.links,
    }


SCRIPT = """
rm /etc/file
rm -r /etc/gone
rm -r /etc/below; mkdir /etc/below; echo new >/etc/below/new
echo changed >/kept/one; chown 5:7 /kept/one; chmod 4750 /kept/one
mkdir -p /var/cache; echo a >/var/cache/a; ln /var/cache/a /var/cache/b
ln -s nowhere /var/link
echo scratch >/tmp/scratch
"""


@pytest.mark.parametrize("method", METHODS)
def test_what_integration_changed_is_captured_and_nothing_else(
    folder: Path, who: str | None, method: str
) -> None:
    need_static_shell()
    need_method(method, who)
    result = run_inside(change, str(folder), method, SCRIPT, user=who)
    removed = [path for path in result["removed"] if not path.startswith("etc/below/")]
    assert removed == ["etc/file", "etc/gone"]
    assert "etc/below" in result["opaque"] or "etc/below/old" in result["removed"]
    assert result["links"] == [["var/cache/a", "var/cache/b"]]
    assert result["left"]["kept/one"] == ["0o104750", 5, 7, "changed\n"]
    assert set(result["left"]) == {
        "etc",
        "etc/below",
        "etc/below/new",
        "kept",
        "kept/one",
        "var",
        "var/cache",
        "var/cache/a",
        "var/cache/b",
        "var/link",
    }


def test_a_process_enters_once() -> None:
    assert run_inside(is_entered) is True
    assert is_entered() is False


def test_a_layer_that_stands_twice_counts_where_it_is_topmost() -> None:
    a, b, c = Path("a"), Path("b"), Path("c")
    assert each_once([a, b, a, c, b]) == [a, c, b]


def build_over_equal_layers(folder: str) -> str:
    top = Path(folder)
    shell = shell_layer(top / "shell")
    (top / "area").mkdir()
    method = choose(open_cache(top / "cache"))
    with (
        LogWriter(top / "log") as log,
        staging_area(method, [shell, shell], folder=top / "area", mount_points=[], upper=None) as root,
    ):
        return run_command(Sandbox(root=root, environment={"PATH": "/bin"}), "true", log=log).reason


def test_two_chunks_of_equal_content_can_be_staged(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(build_over_equal_layers, str(folder), user=who) == "exit_code=0"
