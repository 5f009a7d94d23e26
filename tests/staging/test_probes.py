"""A hostile build is refused whatever it tries, for each who may build and with each method."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lithify.staging.sandbox import Bind
from tests.inside import run_inside
from tests.staging import probes
from tests.staging.areas import METHODS, area, need_method
from tests.staging.stacks import need_static_shell
from tests.staging.test_terminal import on_a_terminal

SECRET = "/var/tmp/lithify-test-secret"
PYTHON = os.path.realpath(sys.executable)


def host_programs() -> list[Bind]:
    """Return binds that give a sandbox the host's Python and nothing else of it."""
    return [
        Bind(source=Path(f"/{name}"), target=f"/{name}")
        for name in ("usr", "lib", "lib64")
        if os.path.isdir(f"/{name}")
    ]


def try_all(folder: str, method: str) -> dict[str, Any]:
    """Run every probe in a staging area, with things of the host to find: servers, a file, a key, a process."""
    layer = Path(folder) / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc" / "file").write_text("lower\n")
    before = (layer / "etc" / "file").stat()
    os.environ["SECRET"] = "of whoever builds"
    binds = [*host_programs(), Bind(source=Path(probes.__file__).parent, target="/probes")]
    path = str(Path(folder) / "socket")
    with (
        socket.socket() as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as file,
    ):
        server.bind(("127.0.0.1", 0))
        abstract.bind("\0lithify-test-abstract")
        file.bind(path)
        for listener in (server, abstract, file):
            listener.listen()
        told = {
            "port": server.getsockname()[1],
            "abstract": "lithify-test-abstract",
            "socket": path,
            "secret": path,
            "environment": ["PATH"],
            "process": os.getpid(),
            "cache": [
                folder,
                str(layer),
                f"{folder}/cache/ostree",
                f"{folder}/cache/staging",
                f"{folder}/inst",
            ],
        }
        with area(folder, method, layers=[layer], binds=binds) as opened:
            line = f"exec {PYTHON} -I /probes/probes.py '{json.dumps(told)}'"
            ended = opened.run(line)
            said = opened.said()
    assert ended.reason == "exit_code=0", said
    after = (layer / "etc" / "file").stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_uid,
    )
    assert (layer / "etc" / "file").read_text() == "lower\n"
    assert os.listdir(layer / "etc") == ["file"]
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_probe_is_refused(folder: Path, who: str | None, method: str) -> None:
    need_static_shell()
    need_method(method)
    result = run_inside(try_all, str(folder), method, user=who, open_fuse=True)
    assert len(result) >= 80
    assert {name: got for name, got in result.items() if got is not None} == {}


def try_all_on_a_terminal(folder: str) -> dict[str, Any]:
    """Run every probe while whoever builds sits at a terminal that is the session's own."""

    def build() -> int:
        (Path(folder) / "result").write_text(json.dumps(try_all(folder, "auto")))
        return 0

    status, shown = on_a_terminal(lambda ours: b"", build)
    assert status == 0, shown
    result: dict[str, Any] = json.loads((Path(folder) / "result").read_text())
    return {**result, "shown": shown or None}


def test_a_terminal_is_out_of_reach(folder: Path, who: str | None) -> None:
    need_static_shell()
    result = run_inside(try_all_on_a_terminal, str(folder), user=who)
    assert {name: got for name, got in result.items() if got is not None} == {}


def test_every_probe_is_refused_to_root_without_a_user_namespace(folder: Path) -> None:
    need_static_shell()
    if os.geteuid() != 0:
        pytest.skip("only root can do without a user namespace")
    result = run_inside(try_all, str(folder), "auto", enter="enter_as_root")
    assert {name: got for name, got in result.items() if got is not None} == {}


def test_the_probes_find_what_they_look_for_outside(tmp_path: Path) -> None:
    """A probe that is never able to succeed would prove nothing: outside of a sandbox the harmless ones do."""
    path = tmp_path / "socket"
    with (
        socket.socket() as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as file,
    ):
        server.bind(("127.0.0.1", 0))
        abstract.bind("\0lithify-test-outside")
        file.bind(str(path))
        for listener in (server, abstract, file):
            listener.listen()
        told = {
            "port": server.getsockname()[1],
            "abstract": "lithify-test-outside",
            "socket": str(path),
            "secret": str(path),
            "environment": [],
            "process": os.getpid(),
            "cache": [str(path)],
        }
        harmless = (
            probes.connect_to_a_server_of_the_host,
            probes.connect_to_an_abstract_socket_of_the_host,
            probes.connect_to_a_socket_file_of_the_host,
            probes.find_folders_of_the_host,
            probes.find_the_hosts_file,
            probes.find_a_foreign_variable,
            probes.find_the_store_and_other_builds,
            probes.climb_out_of_a_bound_folder,
        )
        assert [function.__name__ for function in harmless if function(told) is None] == []


def test_bubblewrap_is_told_nothing_of_the_hosts_environment() -> None:
    """The namespace's first process shows its environment to everything inside."""
    shown = subprocess.run(
        ["env"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert shown == ["PATH=/usr/bin:/bin"]
