"""What a command finds in its sandbox, and how its end is told."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.errors import LithifyError
from lithify.graph.environment import BOOTSTRAP_ROOT
from lithify.process import ProgramFailed
from lithify.staging.sandbox import Bind, Limits, confined, run_command, run_script
from tests.inside import run_inside
from tests.staging.areas import METHODS, area, ends, need_method
from tests.staging.stacks import need_static_shell


def build(folder: str, method: str, commands: list[str]) -> dict[str, object]:
    layer = Path(folder) / "files"
    (layer / "etc" / "below").mkdir(parents=True)
    (layer / "etc" / "file").write_text("lower\n")
    (layer / "etc" / "below" / "old").write_text("old\n")
    with area(folder, method, layers=[layer]) as opened:
        reasons = ends(opened, commands)
        said = opened.said()
    left = sorted(str(path.relative_to(layer)) for path in layer.rglob("*"))
    return {"reasons": reasons, "said": said, "lower": left, "inst": sorted(os.listdir(opened.destdir))}


@pytest.mark.parametrize("method", METHODS)
def test_a_build_sees_its_layers_and_writes_its_folders_alone(
    folder: Path, who: str | None, method: str
) -> None:
    need_static_shell()
    need_method(method)
    commands = [
        "test $(cat /etc/file) = lower",
        "echo x >/x.inst/file; chown 5:7 /x.inst/file; chmod 4755 /x.inst/file; ls -ln /x.inst",
        "echo y >/etc/file",
        "echo y >/new",
        "set +x; umask; id -u; hostname; pwd; ls /",
        "exit 3",
        "kill -9 $$",
    ]
    result = run_inside(build, str(folder), method, commands, user=who, open_fuse=True)
    assert result["reasons"] == [
        "exit_code=0",
        "exit_code=0",
        "exit_code=1",
        "exit_code=1",
        "exit_code=0",
        "exit_code=3",
        "exit_code=137",
    ]
    assert "-rwsr-xr-x    1 5        7" in result["said"]
    assert "\n0022\n0\nlithify\n/x.build\nbin\ndev\netc\nproc\ntmp\nx.build\nx.inst\n" in result["said"]
    assert result["lower"] == ["etc", "etc/below", "etc/below/old", "etc/file"]
    assert result["inst"] == ["file"]


def test_anybody_inside_may_write_scratch_folders(folder: Path, who: str | None) -> None:
    need_static_shell()
    commands = [
        "test $(stat -c %a /tmp) = 1777",
        "test $(stat -c %a /dev/shm) = 1777",
        "echo x >/tmp/x; echo x >/dev/shm/x; echo x >/dev/null",
        "ls /tmp/x",
    ]
    result = run_inside(build, str(folder), "auto", commands, user=who)
    assert result["reasons"] == ["exit_code=0", "exit_code=0", "exit_code=0", "exit_code=1"]


def test_a_build_may_change_owners_and_modes_of_its_own(folder: Path, who: str | None) -> None:
    need_static_shell()
    commands = [
        "cd /x.inst; echo x >a; chown 65534:65534 a; chmod 2711 a; chown -h 5:7 a",
        "cd /x.inst; echo y >>a",
        "chroot / sh -c 'echo inside'",
        "cd /x.inst; mkdir d; chmod 0 d; chown 9:9 d; echo x >d/within; cat d/within",
    ]
    result = run_inside(build, str(folder), "auto", commands, user=who)
    assert result["reasons"] == ["exit_code=0"] * 4


def tree_under(folder: str, umask: int) -> list[str]:
    """Return the modes of what a build makes in folders that stand in a hostile place, and of what it finds."""
    top = Path(folder)
    os.chmod(top, 0o2777)
    acl = bytes.fromhex(
        "02000000 01000700ffffffff 02000700e8030000 04000700ffffffff 10000700ffffffff 20000500ffffffff"
    )
    os.setxattr(top, "system.posix_acl_default", acl)
    os.umask(umask)
    with area(folder) as opened:
        reasons = ends(opened, ["cd /x.inst; mkdir d; echo x >f; ls -ldn . d f / /x.build /tmp", "umask"])
        said = opened.said()
    names = [
        name
        for path in (opened.destdir, opened.destdir / "d", opened.destdir / "f")
        for name in os.listxattr(path)
    ]
    lines = [
        " ".join(line.split()[:4:2] + line.split()[3:4])
        for line in said.splitlines()
        if line[:1] in "d-" and "/" not in line[:1]
    ]
    return [*reasons, *lines, *names]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_umask_default_acl_and_setgid_bit_around_change_nothing(
    folder: Path, who: str | None, umask: int
) -> None:
    need_static_shell()
    result = run_inside(tree_under, str(folder), umask, user=who)
    assert result == [
        "exit_code=0",
        "exit_code=0",
        "drwxr-xr-x 0 0",
        "drwxr-xr-x 0 0",
        "drwxrwxrwt 0 0",
        "drwxr-xr-x 0 0",
        "drwxr-xr-x 0 0",
        "-rw-r--r-- 0 0",
    ]


def environment(folder: str) -> list[str]:
    os.environ["SECRET"] = "of whoever builds"
    with area(folder) as opened:
        values = {"PATH": "/bin", "TERM": "dumb", "LC_ALL": "C", "EMPTY": "", "ODD": "a b\nc=d"}
        opened.run(
            'set +x; for n in TERM LC_ALL EMPTY ODD SECRET; do eval echo \\"$n=\\$$n.\\"; done',
            environment=values,
        )
        opened.run("set +x; env | sort", environment={"PATH": "/bin"})
        return opened.said().splitlines()


def test_the_environment_is_what_was_given_and_no_more(folder: Path, who: str | None) -> None:
    need_static_shell()
    said = [line for line in run_inside(environment, str(folder), user=who) if not line.startswith("+")]
    assert said == [
        "TERM=dumb.",
        "LC_ALL=C.",
        "EMPTY=.",
        "ODD=a b",
        "c=d.",
        "SECRET=.",
        "PATH=/bin",
        "PWD=/x.build",
        "SHLVL=1",
    ]


def odd_commands(folder: str) -> list[str]:
    with area(folder) as opened:
        told = [opened.run("echo 'a  b'\nfalse\necho not reached").reason]
        told.append(
            run_command(opened.sandbox, b"set +x; echo \xff\xfe | od -An -tx1", log=opened.log).reason
        )
        (opened.destdir / "script").write_text("#!/bin/sh\necho script ran; exit 5\n")
        (opened.destdir / "script").chmod(0o755)
        told.append(run_script(opened.sandbox, "/x.inst/script", log=opened.log).reason)
        told.append(opened.run("true", environment={"PATH": "/nowhere"}).reason)
        for command in ("echo " + "x" * 140_000, "echo \0"):
            try:
                opened.run(command)
            except LithifyError as error:
                told.append(error.message)
        return [*told, opened.said()]


def test_commands_are_one_argument_and_bytes_stay_what_they_are(folder: Path) -> None:
    need_static_shell()
    *told, said = run_inside(odd_commands, str(folder))
    assert told[:4] == ["exit_code=1", "exit_code=0", "exit_code=5", "exit_code=1"]
    assert (
        told[4:]
        == ["a command is longer than the 128 KiB that the kernel takes, or has a NUL byte in it"] * 2
    )
    assert "a  b\n" in said
    assert "not reached" not in said.replace("echo not reached", "")
    assert "ff fe 0a" in said
    assert "script ran" in said
    assert "bwrap: execvp sh: No such file or directory" in said


def on_the_host(folder: str) -> dict[str, object]:
    top = Path(folder)
    layer = top / "layer"
    (layer / "tools" / "bin").mkdir(parents=True)
    tool = layer / "tools" / "bin" / "stage1-tool"
    tool.write_text("#!/bin/sh\necho tool ran\n")
    tool.chmod(0o755)
    place = BOOTSTRAP_ROOT
    value = "0100000200200000000000000000000000000000"
    capability = f'os.setxattr("{place}/x.inst/capable", "security.capability", bytes.fromhex("{value}"))'
    with area(folder, layers=[layer], bootstrap=True) as opened:
        told = replace(
            opened.sandbox,
            environment={"PATH": f"{place}/tools/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"},
        )
        area_of_host = replace(opened, sandbox=told)
        reasons = ends(
            area_of_host,
            [
                "stage1-tool",
                f"test $(pwd) = {place}/x.build; echo x >made; echo x >/tmp/x",
                f"mkdir -p {place}/x.inst/usr; echo x >{place}/x.inst/usr/file; chown 5:7 {place}/x.inst/usr/file",
                "test -x /usr/bin/env; python3 -c 'print(6 * 7)'",
                "echo x >/usr/lithify-test",
                "echo x >/etc/lithify-test",
                "mkdir /lithify-test",
                f"echo x >{place}/tools/x",
                f"cp /bin/true {place}/x.inst/capable",
                f"python3 -c 'import os; {capability}'",
                "ls -A /run /tmp",
                "test ! -e /var/tmp/lithify-test-outside",
            ],
        )
        said = opened.said()
    info = (opened.destdir / "usr" / "file").stat()
    kept = os.getxattr(opened.destdir / "capable", "security.capability").hex() == value
    return {"reasons": reasons, "said": said, "owner": [info.st_uid, info.st_gid], "capability": kept}


def test_a_bootstrap_mode_chunk_runs_on_the_host_read_only(folder: Path, who: str | None) -> None:
    """Classic definitions: the host's tools, what is staged at one fixed path, writes to build and destination alone."""
    need_static_shell()
    result = run_inside(on_the_host, str(folder), user=who)
    assert result["reasons"] == [f"exit_code={status}" for status in (0, 0, 0, 0, 2, 2, 1, 2, 0, 0, 0, 0)], (
        result["said"]
    )
    assert "tool ran" in result["said"]
    assert "\n42\n" in result["said"]
    assert result["owner"] == [5, 7]
    assert result["capability"] is True


def own_tmp(folder: str) -> list[str]:
    (Path(folder) / "scratch").mkdir()
    with area(folder, binds=[Bind(source=Path(folder) / "scratch", target="/tmp", writable=True)]) as opened:
        told = [opened.run("echo kept >/tmp/file").reason]
    return [*told, (Path(folder) / "scratch" / "file").read_text()]


def cannot_begin(folder: str) -> list[object]:
    missing = Bind(source=Path(folder) / "missing", target="/x.build")
    with area(folder) as opened:
        ended = run_command(replace(opened.sandbox, binds=(missing,)), "echo ran", log=opened.log)
        return [ended.reason, "Can't find source path" in opened.said(), "ran" in opened.said()]


def test_a_sandbox_that_cannot_be_made_says_why_in_the_log(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(cannot_begin, str(folder), user=who) == ["exit_code=1", True, False]


def folder_in_tmp(folder: str) -> list[str]:
    (Path(folder) / "ccache").mkdir()
    binds = [Bind(source=Path(folder) / "ccache", target="/tmp/ccache", writable=True)]
    with area(folder) as opened:
        sandbox = replace(opened.sandbox, binds=(*opened.sandbox.binds, *binds))
        told = [opened.run("echo kept >/tmp/ccache/file; echo x >/tmp/x", binds=sandbox.binds).reason]
    return [*told, *os.listdir(Path(folder) / "ccache")]


def test_a_folder_may_be_bound_within_tmp(folder: Path, who: str | None) -> None:
    """As a compiler cache is, which has no mount point among the layers."""
    need_static_shell()
    assert run_inside(folder_in_tmp, str(folder), user=who) == ["exit_code=0", "file"]


def test_a_folder_on_disk_may_take_the_place_of_tmp(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(own_tmp, str(folder), user=who) == ["exit_code=0", "kept\n"]


def unpacked(folder: str) -> dict[str, object]:
    top = Path(folder)
    for name in ("given", "made"):
        (top / name).mkdir()
    (top / "given" / "input").write_text("input")
    (top / "hidden").write_text("hidden")
    script = "cat ../given/input; mkdir d; echo x >d/f; cat ../hidden; echo x >../given/new; id -u; umask"
    done = confined(
        ["sh", "-c", script],
        writable=[top / "made"],
        readable=[top / "given"],
        cwd=top / "made",
        expected=None,
    )
    try:
        confined(["sh", "-c", "echo why >&2; exit 4"])
        failure = ""
    except ProgramFailed as error:
        failure = error.message
    fed = confined(["cat"], stdin=b"from outside").stdout.decode()
    modes = [oct((top / "made" / name).stat().st_mode) for name in ("d", "d/f")]
    return {
        "out": done.stdout.decode(),
        "err": done.stderr.decode(),
        "failure": failure,
        "fed": fed,
        "modes": modes,
    }


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_host_tool_is_confined(folder: Path, who: str | None, umask: int) -> None:
    result = run_inside(unpacked, str(folder), user=who, umask=umask)
    assert result["out"] == "input0\n0022\n"
    assert result["err"].count("No such file or directory") == 1
    assert result["err"].count("Read-only file system") == 1
    assert result["failure"] == "sh failed (exit_code=4): why"
    assert result["fed"] == "from outside"
    assert result["modes"] == ["0o40755", "0o100644"]


def interrupted(folder: str) -> list[object]:
    event = threading.Event()
    with area(folder) as opened:
        event.set()
        ended = run_command(opened.sandbox, "while :; do sleep 1; done", log=opened.log, interrupt=event)
        return [ended.reason, ended.returncode, ended.seconds < 5]


def test_an_interrupt_ends_a_command(folder: Path, who: str | None) -> None:
    need_static_shell()
    assert run_inside(interrupted, str(folder), user=who) == ["interrupted", -9, True]


def test_limits_are_plain_values() -> None:
    assert Limits(memory=5).with_timeout(3) == Limits(memory=5, timeout=3)
