"""The process enters a user namespace of its own, in which it is root; the same for root and for ordinary users.

An ordinary user becomes uid 0 with the subordinate ids of ``/etc/subuid`` behind it, as ``unshare --map-auto
--map-root-user`` does; root gets all ids mapped to themselves. From then on owners, setuid bits and capabilities of files
come out the same for both. It cannot be undone, and must happen before any thread is started.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import threading
from pathlib import Path

from msgspec import Struct

from lithify.errors import HostError
from lithify.process import find_program, start, tool_environment
from lithify.staging.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_PRIVATE,
    MS_REC,
    adopt_orphans,
    mount,
    unshare,
)

ENOUGH_IDS = 65536
"""Ids that an ordinary user needs: Debian's static and dynamic system ids, and nobody (65534)."""

_MAP_AS_ROOT = (
    'read -r _ && printf "%s\\n" "$2" >/proc/"$1"/uid_map && printf "%s\\n" "$3" >/proc/"$1"/gid_map'
)
_MAP_AS_USER = 'read -r _ && newuidmap "$1" $2 && newgidmap "$1" $3'

_SWITCHES = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        False,
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        False,
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000", True),
)
"""What forbids user namespaces: a file, the value that does, what mends it, and whether it holds for root too."""

_entered = threading.Event()
_as_root = threading.Event()
"""Set where root had to do without a user namespace."""


class Requirement(Struct, frozen=True, kw_only=True):
    """Something that this machine must offer, whether it does, and what mends it."""

    name: str
    met: bool
    detail: str
    mend: str = ""
    """The exact command."""


class IdRange(Struct, frozen=True):
    """Subordinate ids that a user may map."""

    first: int
    count: int


def is_entered() -> bool:
    """Return whether this process is in its own namespace already."""
    return _entered.is_set()


def is_user_namespace_own() -> bool:
    """Return whether this process, which has entered, got a user namespace and not a mount namespace alone."""
    return not _as_root.is_set()


def enter() -> None:
    """Make this process root in a user and mount namespace of its own; nothing where it is already.

    Where root is refused a user namespace, a mount namespace alone is entered: everything works as root then. Raises
    :class:`HostError` with what is missing and the commands that mend it.
    """
    if _entered.is_set():
        return
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        maps = (_to_themselves("/proc/self/uid_map"), _to_themselves("/proc/self/gid_map"))
        script = _MAP_AS_ROOT
    else:
        unmet = [requirement for requirement in requirements() if not requirement.met]
        if unmet:
            raise _unmet(unmet)
        users, groups = subordinate_ids("/etc/subuid"), subordinate_ids("/etc/subgid")
        if users is None or groups is None:
            raise HostError("no subordinate ids")  # requirements() has said so with the command
        maps = (f"0 {uid} 1 1 {users.first} {users.count}", f"0 {gid} 1 1 {groups.first} {groups.count}")
        script = _MAP_AS_USER
    try:
        _enter_user_namespace(script, maps)
    except OSError as error:
        if uid != 0:
            raise HostError(
                f"this machine refuses a user namespace: {error.strerror}",
                hints=["`lithify doctor` says what is missing"],
            ) from error
        _enter_mount_namespace()
    else:
        _forbid_nested_namespaces()
    _settle()


def enter_as_root() -> None:
    """Enter a mount namespace alone, as :func:`enter` does where root is refused a user namespace.

    Raises :class:`HostError` where that is refused, too.
    """
    if _entered.is_set():
        return
    _enter_mount_namespace()
    _settle()


def _enter_mount_namespace() -> None:
    _as_root.set()
    try:
        unshare(CLONE_NEWNS)
    except OSError as error:
        raise HostError(
            f"this machine refuses root a mount namespace: {error.strerror}",
            hints=[
                "in a container: give it CAP_SYS_ADMIN (`docker run --privileged`), or run it as an ordinary user"
            ],
        ) from error


def _settle() -> None:
    """Keep mounts made here from the host, and have processes of builds come to us when bubblewrap ends before them."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    adopt_orphans()
    _entered.set()


def _to_themselves(path: str) -> str:
    """Return the map that gives every id that there is here to itself: all, or those of the container that we are in."""
    ranges = [line.split() for line in Path(path).read_text().splitlines()]
    return "\n".join(f"{first} {first} {count}" for first, _, count in ranges)


def _enter_user_namespace(script: str, maps: tuple[str, str]) -> None:
    """Unshare, and have a helper that stayed outside write the maps: only it may map more than one id."""
    helper = start(
        ["sh", "-c", script, "sh", str(os.getpid()), *maps],
        env=tool_environment(),
        stdin=subprocess.PIPE,
    )
    with helper:
        try:
            unshare(CLONE_NEWUSER | CLONE_NEWNS)
        except OSError:
            helper.kill()
            raise
        _, stderr = helper.communicate(b"\n")
    if helper.returncode != 0:
        raise HostError(
            f"the ids of the user namespace could not be mapped: {stderr.decode(errors='replace').strip()}",
            hints=["`lithify doctor` says what is missing"],
        )
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _forbid_nested_namespaces() -> None:
    """Let nothing inside make a user namespace; the host's own limit is another and stays."""
    try:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    except OSError:
        pass  # /proc/sys is read-only in some containers: the sandbox drops the capabilities in any case


def subordinate_ids(path: str, user: str | None = None) -> IdRange | None:
    """Return the largest range that ``/etc/subuid`` or ``/etc/subgid`` gives the user, or None."""
    names = {user} if user is not None else _own_names()
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    ranges = []
    for line in lines:
        owner, _, numbers = line.strip().partition(":")
        first, _, count = numbers.partition(":")
        if owner in names and first.isdigit() and count.isdigit():
            ranges.append(IdRange(int(first), int(count)))
    return max(ranges, key=lambda item: item.count, default=None)


def _own_names() -> set[str]:
    uid = os.geteuid()
    try:
        return {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        return {str(uid)}


def requirements() -> tuple[Requirement, ...]:
    """Return what entering needs here, each with whether it is met and the command that mends it."""
    if os.geteuid() == 0:
        return (_namespaces_allowed(),)
    name = next(iter(sorted(_own_names(), key=str.isdigit)))
    found = [_namespaces_allowed()]
    helpers = [program for program in ("newuidmap", "newgidmap") if find_program(program) is None]
    found.append(
        Requirement(
            name="newuidmap and newgidmap",
            met=not helpers,
            detail=f"missing: {', '.join(helpers)}" if helpers else "installed",
            mend="sudo apt-get install -y uidmap",
        )
    )
    for path, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        ids = subordinate_ids(path)
        found.append(
            Requirement(
                name=f"subordinate ids in {path}",
                met=ids is not None and ids.count >= ENOUGH_IDS,
                detail=f"none for {name}" if ids is None else f"{ids.count} ids from {ids.first}",
                mend=f"sudo usermod {option} 100000-165535 {name}",
            )
        )
    return tuple(found)


def _namespaces_allowed() -> Requirement:
    for path, bad, mend, holds_for_root in _SWITCHES:
        try:
            value = Path(path).read_text().strip()
        except OSError:
            continue
        if value == bad and (holds_for_root or os.geteuid() != 0):
            return Requirement(name="user namespaces", met=False, detail=f"{path} is {value}", mend=mend)
    return Requirement(name="user namespaces", met=True, detail="allowed")


def _unmet(unmet: list[Requirement]) -> HostError:
    what = "; ".join(f"{requirement.name}: {requirement.detail}" for requirement in unmet)
    return HostError(
        f"builds cannot run here: {what}",
        hints=[f"{requirement.mend}" for requirement in unmet if requirement.mend],
    )
