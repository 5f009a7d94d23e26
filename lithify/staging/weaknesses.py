"""What a sandbox lacks on this machine: told before a build starts, and kept with what it made."""

from __future__ import annotations

import platform

from lithify.staging import seccomp
from lithify.staging.cgroup import parent_group
from lithify.staging.namespace import is_user_namespace_own


def weaknesses(*, memory_limit: int | None = None) -> tuple[str, ...]:
    """Return what is weaker here than it could be, a sentence each; nothing where all is as it should be.

    To be asked after ``namespace.enter``. ``memory_limit``: what the settings ask for, in bytes.
    """
    found = []
    if not is_user_namespace_own():
        found.append(
            "this machine gave no user namespace, so a build's root is the machine's own, held by missing capabilities alone"
        )
    machine = platform.machine()
    if seccomp.program(machine) is None:
        found.append(
            f"system calls are not filtered on {machine}: a build may use the kernel's keyrings and a hypervisor's sockets"
        )
    if memory_limit is not None and parent_group() is None:
        found.append(
            "there are no control groups for us, so memory-limit holds for each process, not for all of a command"
        )
    return tuple(found)
