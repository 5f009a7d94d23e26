"""Run a function of a test module in a process that has entered the user namespace, as root or as an ordinary user.

``lithify.staging.namespace.enter`` changes a process for good, so a test hands its inner part over: a function at the top of
a module, with arguments that JSON can hold. It may return what JSON can hold.
"""

from __future__ import annotations

import importlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import stuck

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners are true in a namespace alone")
"""For tests that write into a store in this very process, whatever else they are about."""
PROJECT = Path(__file__).resolve().parent.parent
USER = "lithify-test"


OPEN_FUSE = """
mount -t tmpfs tmpfs /mnt
mknod -m 666 /mnt/fuse c 10 229
mount --bind /mnt/fuse /dev/fuse
umount -l /mnt
user=$1; shift
exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@"
"""
"""Gives one process tree a /dev/fuse that everybody may open, as udev makes it."""


def run_inside(
    function: Callable[..., Any],
    *arguments: Any,
    user: str | None = None,
    umask: int | None = None,
    enter: str = "enter",
    open_fuse: bool = False,
) -> Any:
    """Return what ``function(*arguments)`` returns in a process of its own, inside; its failure fails the test.

    ``enter`` names the function of ``lithify.staging.namespace`` that goes in. With ``open_fuse`` an ordinary user may use
    FUSE even where this machine keeps it for root.
    """
    child = start_inside(function, *arguments, user=user, umask=umask, enter=enter, open_fuse=open_fuse)
    with child:
        out, err = stuck.communicate(child)
    assert child.returncode == 0, f"{function.__qualname__} failed inside:\n{out}\n{err}"
    return json.loads(out.splitlines()[-1])


def start_inside(
    function: Callable[..., Any],
    *arguments: Any,
    user: str | None = None,
    umask: int | None = None,
    enter: str = "enter",
    open_fuse: bool = False,
) -> subprocess.Popen[str]:
    """Return the process that :func:`run_inside` waits for, running; its output is in pipes."""
    name = f"{function.__module__}:{function.__qualname__}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        **stuck.STACKS,
    }
    who: dict[str, Any] = {}
    if user is not None:
        entry = pwd.getpwnam(user)
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        environment["HOME"] = entry.pw_dir
    if umask is not None:
        who["umask"] = umask
    line = [sys.executable, "-W", "error", "-m", "tests.inside", enter, name, json.dumps(arguments)]
    if open_fuse and user is not None and not os.stat("/dev/fuse").st_mode & 0o002:
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", OPEN_FUSE, "sh", user, *line]
        who = {"umask": umask} if umask is not None else {}
    return subprocess.Popen(
        line, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **who
    )


def as_owner() -> list[str]:
    """Return what goes before a command that reads or removes files of a cache: those of an ordinary user's other ids too."""
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-auto", "--map-root-user"]


@contextmanager
def folder_of(user: str | None) -> Iterator[Path]:
    """Yield an empty folder that the user may write, on a file system with user attributes; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lithify-test-", dir="/var/tmp"))
    try:
        if user is not None:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
        yield folder
    finally:
        subprocess.run([*as_owner(), "rm", "-rf", str(folder)], check=True)  # shutil ends at 1,000 levels


def make_ordinary_user() -> str:
    """Return the name of an ordinary user with a range of subordinate ids, made if missing; skips where we are not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can make an ordinary user")
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--create-home", "--shell", "/bin/bash", USER], check=True, capture_output=True
        )
    for path, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        if f"{USER}:" not in Path(path).read_text():
            subprocess.run(["usermod", option, "300000-365535", USER], check=True, capture_output=True)
    try:
        subprocess.run(
            [sys.executable, "-c", "import lithify"],
            cwd="/",
            env={"PYTHONPATH": str(PROJECT)},
            user=USER,
            check=True,
        )
    except (subprocess.CalledProcessError, PermissionError):
        pytest.skip("an ordinary user cannot read the project's folder")
    return USER


if __name__ == "__main__":
    from lithify.staging import namespace

    module, _, qualified = sys.argv[2].partition(":")
    inner = getattr(importlib.import_module(module), qualified)
    getattr(namespace, sys.argv[1])()
    print(json.dumps(inner(*json.loads(sys.argv[3]))))
